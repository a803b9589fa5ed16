package engine

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/handshake"
)

// behind serves a net/http handler that moves its connections to s, and returns a way to dial it.
func behind(t *testing.T, s *Server, handler func(w http.ResponseWriter, r *http.Request)) (r *running, dial func() *client) {
	t.Helper()
	r = serve(t, s)
	poll(t, "the driver", func() bool { _, err := s.adopter(false); return err == nil })
	front := httptest.NewServer(http.HandlerFunc(handler))
	t.Cleanup(front.Close)
	return r, (&running{t: t, network: "tcp", addr: front.Listener.Addr().String()}).dial
}

func TestUpgradeFromHTTP(t *testing.T) {
	opened, errs := make(chan any, 1), make(chan error, 1)
	s := &Server{Subprotocols: []string{"chat"}, Events: Events{
		Message: echo,
		Open:    func(c Conn) { opened <- c.Data() },
		Upgrade: func(c Conn, r *handshake.Request, w *handshake.Response) {
			if c.Data() != "guest" {
				t.Errorf("data is %v when the hook is called", c.Data())
			}
			_ = w.AddHeader("X-Hook", string(r.Path()))
		},
	}}
	_, dial := behind(t, s, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		errs <- s.Upgrade(w, r, &UpgradeOptions{Data: "guest"})
	})
	c := dial()
	c.write(head("/room?x=1", "Sec-WebSocket-Protocol: chat"))
	status, fields, _ := c.responseHead()
	if status != 101 || !strings.Contains(fields, "Sec-WebSocket-Protocol: chat\r\n") || !strings.Contains(fields, "X-Hook: /room\r\n") ||
		!strings.Contains(fields, "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n") {
		t.Errorf("%d\n%s", status, fields)
	}
	if err := await(t, errs, "Upgrade"); err != nil {
		t.Fatal(err)
	}
	if data := await(t, opened, "Open"); data != "guest" {
		t.Errorf("data is %v", data)
	}
	for _, text := range []string{"hello", strings.Repeat("x", 100_000)} {
		c.send(codec.OpcodeText, text)
		c.expect(codec.OpcodeText, text)
	}
	c.send(codec.OpcodeClose, "\x03\xe8")
	c.expectClose(codec.StatusNormalClosure)
	c.expectEOF()
}

// TestUpgradeLosesNoByte has frames behind the handshake, in the same write, more than net/http's buffer holds.
func TestUpgradeLosesNoByte(t *testing.T) {
	s := &Server{Events: Events{Message: echo}}
	_, dial := behind(t, s, func(w http.ResponseWriter, r *http.Request) { _ = s.Upgrade(w, r, nil) })
	for _, n := range []int{0, 1, 100, 1000, 2000} {
		c := dial()
		text := strings.Repeat("frame ", 2)
		frame := string(codec.AppendMaskedFrame(nil, true, codec.OpcodeText, text, 0x01020304))
		c.write(head("/") + strings.Repeat(frame, n))
		if status, _, _ := c.responseHead(); status != 101 {
			t.Fatalf("status %d", status)
		}
		for range n {
			c.expect(codec.OpcodeText, text)
		}
		c.send(codec.OpcodeBinary, "last")
		c.expect(codec.OpcodeBinary, "last")
	}
}

func TestUpgradeRefused(t *testing.T) {
	errs := make(chan error, 1)
	s := &Server{Origins: []string{"https://good.example"}, MaxHeadBytes: 2000, Events: Events{Open: func(Conn) { t.Error("Open") }}}
	r, dial := behind(t, s, func(w http.ResponseWriter, r *http.Request) { errs <- s.Upgrade(w, r, nil) })
	for _, c := range []struct {
		request string
		status  int
		field   string
	}{
		{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 426, "Sec-Websocket-Version: 13"},
		{"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: x\r\n\r\n", 426, "Upgrade: websocket"},
		{strings.Replace(head("/"), "GET", "POST", 1), 405, "Allow: GET"},
		{head("/", "Origin: https://evil.example"), 403, ""},
		{head("/", "X-Long: "+strings.Repeat("x", 3000)), 431, ""},
		{strings.Replace(head("/"), "\r\n\r\n", "\r\nContent-Length: 1\r\n\r\nx", 1), 400, ""},
	} {
		client := dial()
		client.write(c.request)
		status, fields, _ := client.responseHead()
		if status != c.status || !strings.Contains(fields, c.field) {
			t.Errorf("status %d, expected %d and %q:\n%s", status, c.status, c.field, fields)
		}
		err := await(t, errs, "Upgrade")
		if refusal, ok := errors.AsType[*handshake.Error](err); !ok || refusal.Status != c.status {
			t.Errorf("%v, expected a status of %d", err, c.status)
		}
	}
	if n := r.Stats().Connections; n != 0 {
		t.Errorf("%d connections", n)
	}
}

// TestUpgradeRefusedByTheLoop has the hook and the limits answer on the loop.
func TestUpgradeRefusedByTheLoop(t *testing.T) {
	s := &Server{MaxConnections: 1, Events: Events{Upgrade: func(_ Conn, r *handshake.Request, w *handshake.Response) {
		if string(r.Path()) == "/no" {
			_ = w.Refuse(418, "no\n")
		}
	}}}
	_, dial := behind(t, s, func(w http.ResponseWriter, r *http.Request) { _ = s.Upgrade(w, r, nil) })
	c := dial()
	c.write(head("/no"))
	if status, _, _ := c.response(); status != 418 {
		t.Errorf("status %d", status)
	}
	c.Close()
	poll(t, "no connection", func() bool { return s.Stats().Connections == 0 })
	c = dial()
	c.write(head("/"))
	if status, _, _ := c.responseHead(); status != 101 {
		t.Errorf("status %d", status)
	}
	full := dial()
	full.write(head("/"))
	if status, _, _ := full.response(); status != 503 {
		t.Errorf("status %d", status)
	}
}

// TestUpgradeEvents gives a connection callbacks of its own.
func TestUpgradeEvents(t *testing.T) {
	s := &Server{Events: Events{Message: func(Conn, codec.Opcode, []byte) { t.Error("the server's callback") }}}
	own := &Events{Message: echo}
	_, dial := behind(t, s, func(w http.ResponseWriter, r *http.Request) { _ = s.Upgrade(w, r, &UpgradeOptions{Events: own}) })
	c := dial()
	c.write(head("/"))
	c.responseHead()
	c.send(codec.OpcodeText, "x")
	c.expect(codec.OpcodeText, "x")
}

func TestUpgradeWithoutServer(t *testing.T) {
	s := &Server{}
	refused := func() {
		t.Helper()
		w := httptest.NewRecorder()
		if err := s.Upgrade(w, httptest.NewRequest("GET", "/", nil), nil); err != ErrServerClosed || w.Code != 503 {
			t.Errorf("%v, status %d", err, w.Code)
		}
	}
	refused()
	serve(t, s).stop()
	refused()
}

// TestUpgradeWhatCannotBeHijacked has a writer without a connection.
func TestUpgradeWhatCannotBeHijacked(t *testing.T) {
	s := &Server{}
	serve(t, s)
	poll(t, "the driver", func() bool { _, err := s.adopter(false); return err == nil })
	request := httptest.NewRequest("GET", "/", nil)
	for line := range strings.Lines(head("/")) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && name != "Host" {
			request.Header.Set(name, value)
		}
	}
	w := httptest.NewRecorder()
	if err := s.Upgrade(w, request, nil); !errors.Is(err, http.ErrNotSupported) || w.Code != 500 {
		t.Errorf("%v, status %d", err, w.Code)
	}
	w = httptest.NewRecorder()
	w.Header().Set("Upgrade", "websocket")
	if err := s.Upgrade(w, request, nil); !errors.Is(err, handshake.ErrHeaderReserved) || w.Code != 500 {
		t.Errorf("%v, status %d", err, w.Code)
	}
	request.Header.Set("X-Two", "lines\r\nX-Three: x")
	w = httptest.NewRecorder()
	if err := s.Upgrade(w, request, nil); !errors.Is(err, handshake.ErrBadRequest) || w.Code != 400 {
		t.Errorf("%v, status %d", err, w.Code)
	}
}

// webServer is one with pages beside its WebSockets.
func webServer(t *testing.T) (*Server, *running) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fine\n") })
	mux.HandleFunc("POST /length", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, strings.ToUpper(string(b)))
	})
	s := &Server{HTTP: mux, Events: Events{Message: echo}}
	return s, serve(t, s)
}

func TestHTTPOnTheSamePort(t *testing.T) {
	s, r := webServer(t)
	base := "http://" + r.addr
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	browser := &http.Client{Transport: transport}
	for range 3 { // over one connection
		answer, err := browser.Post(base+"/length", "text/plain", strings.NewReader(strings.Repeat("abc", 50_000)))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != 200 || string(b) != strings.Repeat("ABC", 50_000) {
			t.Errorf("status %d, %d bytes", answer.StatusCode, len(b))
		}
	}
	if n := s.Stats().Connections; n != 1 {
		t.Errorf("%d connections, expected 1", n)
	}
	c := r.open()
	c.send(codec.OpcodeText, "beside it")
	c.expect(codec.OpcodeText, "beside it")
	transport.CloseIdleConnections()
	poll(t, "net/http to let go", func() bool { return s.Stats().Connections == 1 })
}

// TestHTTPThenWebSocket asks for a page first and for a WebSocket on the same connection, with frames behind the handshake.
func TestHTTPThenWebSocket(t *testing.T) {
	_, r := webServer(t)
	c := r.dial()
	c.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	if status, _, body := c.response(); status != 200 || body != "fine\n" {
		t.Errorf("%d, %q", status, body)
	}
	frame := string(codec.AppendMaskedFrame(nil, true, codec.OpcodeText, "early", 0x01020304))
	c.write(head("/") + strings.Repeat(frame, 2000))
	if status, _, _ := c.responseHead(); status != 101 {
		t.Fatalf("status %d", status)
	}
	for range 2000 {
		c.expect(codec.OpcodeText, "early")
	}
}

// TestHTTPJudgesWhatTheLoopsDoNot has net/http answer what is no request for a WebSocket, in pieces, too.
func TestHTTPJudgesWhatTheLoopsDoNot(t *testing.T) {
	_, r := webServer(t)
	for _, c := range []struct {
		pieces []string
		status int
	}{
		{[]string{"GET /heal", "thz HTTP/1.1\r\nHost", ": x\r\n\r\n"}, 200},
		{[]string{"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na", "bc"}, 200},
		{[]string{"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"}, 404},
		{[]string{"nonsense\r\n\r\n"}, 400},
		{[]string{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}, 400},
	} {
		client := r.dial()
		for _, piece := range c.pieces {
			client.write(piece)
		}
		if status, _, _ := client.responseHead(); status != c.status {
			t.Errorf("%q: status %d, expected %d", c.pieces, status, c.status)
		}
	}
}

// TestHTTPShutdown waits for the request that is being answered.
func TestHTTPShutdown(t *testing.T) {
	began, end := make(chan struct{}), make(chan struct{})
	s := &Server{HTTP: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(began)
		<-end
		_, _ = io.WriteString(w, "done\n")
	})}
	r := serve(t, s)
	idle := r.dial() // net/http never sees it
	c := r.dial()
	c.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	await(t, began, "the handler")
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(t.Context()) }()
	if status, _, _ := idle.response(); status != 503 {
		t.Errorf("status %d", status)
	}
	idle.Close()
	poll(t, "the request alone", func() bool { return s.Stats().Connections == 1 })
	close(end)
	if status, _, body := c.response(); status != 200 || body != "done\n" {
		t.Errorf("%d, %q", status, body)
	}
	if err := await(t, stopped, "Shutdown"); err != nil {
		t.Error(err)
	}
	if n := s.Stats().Connections; n != 0 {
		t.Errorf("%d connections", n)
	}
}

func TestHTTPConfig(t *testing.T) {
	s := &Server{HTTP: http.NotFoundHandler(), Events: Events{Plain: func(*handshake.Request, *Page) {}}}
	if _, err := s.Listen("tcp", "127.0.0.1:0"); !errors.As(err, new(*ConfigError)) {
		t.Error(err)
	}
}
