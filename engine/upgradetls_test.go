package engine

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller"
)

// behindTLS is behind with TLS on net/http's side.
func behindTLS(t *testing.T, s *Server, wrap func(net.Listener) net.Listener, handler func(w http.ResponseWriter, r *http.Request)) (r *running, dial func() *client) {
	t.Helper()
	r = serve(t, s)
	poll(t, "the driver", func() bool { _, err := s.adopter(false); return err == nil })
	front := httptest.NewUnstartedServer(http.HandlerFunc(handler))
	front.Listener = wrap(front.Listener)
	front.StartTLS()
	t.Cleanup(front.Close)
	pool := x509.NewCertPool()
	pool.AddCert(front.Certificate())
	return r, func() *client {
		t.Helper()
		conn, err := tls.Dial("tcp", front.Listener.Addr().String(), &tls.Config{RootCAs: pool, ServerName: "example.com"})
		if err != nil {
			t.Fatal(err)
		}
		return r.adopt(conn)
	}
}

// TestUpgradeTLSLosesNoByte has frames behind the handshake, in the same record and in later ones, of which net/http has read some.
func TestUpgradeTLSLosesNoByte(t *testing.T) {
	s := &Server{AdoptTLS: true, Events: Events{Message: echo, Open: func(c Conn) {
		if state, ok := c.TLS(); !ok || !state.HandshakeComplete {
			t.Error("no state")
		}
	}}}
	_, dial := behindTLS(t, s, UpgradeListener, func(w http.ResponseWriter, r *http.Request) {
		if err := s.Upgrade(w, r, nil); err != nil {
			t.Errorf("Upgrade: %v", err)
		}
	})
	for _, n := range []int{0, 1, 100, 1000, 5000} {
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
		c.send(codec.OpcodeBinary, strings.Repeat("last", 50_000))
		c.expect(codec.OpcodeBinary, strings.Repeat("last", 50_000))
		c.send(codec.OpcodeClose, "\x03\xe8")
		c.expectClose(codec.StatusNormalClosure)
		c.expectEOF()
	}
}

// TestUpgradeOrigins has a page of the server's own host, by http and by https, ask for both: over TLS, http is another origin; without, a proxy may have had it.
func TestUpgradeOrigins(t *testing.T) {
	s := &Server{AdoptTLS: true}
	handler := func(w http.ResponseWriter, r *http.Request) { _ = s.Upgrade(w, r, nil) }
	_, secure := behindTLS(t, s, UpgradeListener, handler)
	front := httptest.NewServer(http.HandlerFunc(handler))
	t.Cleanup(front.Close)
	plain := (&running{t: t, network: "tcp", addr: front.Listener.Addr().String()}).dial
	for _, c := range []struct {
		dial   func() *client
		scheme string
		want   int
	}{{plain, "http", 101}, {plain, "https", 101}, {secure, "http", 403}, {secure, "https", 101}} {
		client := c.dial()
		client.write(head("/", "Origin: "+c.scheme+"://server.example.com"))
		if status, _, _ := client.responseHead(); status != c.want {
			t.Errorf("%s: status %d, want %d", c.scheme, status, c.want)
		}
	}
}

// TestUpgradeTLSRefused has no way to move the connection, and says so to either side.
func TestUpgradeTLSRefused(t *testing.T) {
	plain := func(ln net.Listener) net.Listener { return ln }
	for _, c := range []struct {
		name  string
		adopt bool
		wrap  func(net.Listener) net.Listener
		want  error
	}{
		{"no TLS on the loops", false, UpgradeListener, errAdoptTLS},
		{"no UpgradeListener", true, plain, poller.ErrUnsupported},
	} {
		t.Run(c.name, func(t *testing.T) {
			errs := make(chan error, 1)
			s := &Server{AdoptTLS: c.adopt}
			_, dial := behindTLS(t, s, c.wrap, func(w http.ResponseWriter, r *http.Request) { errs <- s.Upgrade(w, r, nil) })
			client := dial()
			client.write(head("/"))
			if status, _, _ := client.responseHead(); status != 500 {
				t.Errorf("status %d, expected 500", status)
			}
			if err := await(t, errs, "Upgrade"); !errors.Is(err, c.want) {
				t.Errorf("Upgrade: %v, expected %v", err, c.want)
			}
		})
	}
}

// TestHTTPOverTLS serves pages and WebSockets on one port with TLS, and one after the other on one connection.
func TestHTTPOverTLS(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /upper", func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || r.TLS.NegotiatedProtocol == "h2" {
			t.Errorf("the request's TLS is %+v", r.TLS)
		}
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, strings.ToUpper(string(b)))
	})
	s := &Server{HTTP: mux, Events: Events{Message: echo}, TLSConfig: &tls.Config{NextProtos: []string{"h2", "http/1.1"}}}
	r, pool, dial := serveTLS(t, s)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "localhost"}, ForceAttemptHTTP2: true}
	browser := &http.Client{Transport: transport}
	reused := 0
	traced := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) {
		if c.Reused {
			reused++
		}
	}})
	for range 3 {
		body := strings.NewReader(strings.Repeat("abc", 50_000))
		request, err := http.NewRequestWithContext(traced, http.MethodPost, "https://"+r.addr+"/upper", body)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := browser.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != 200 || string(b) != strings.Repeat("ABC", 50_000) {
			t.Errorf("status %d, %d bytes", answer.StatusCode, len(b))
		}
	}
	// Where net/http does not see within 50 ms that its request was written, as on a busy machine, it takes another connection.
	if n := s.Stats().Connections; n != 1 && reused == 2 || reused == 0 {
		t.Errorf("%d connections, one of them used again %d times", n, reused)
	}
	transport.CloseIdleConnections()

	c := dial()
	for range 2 {
		c.write("POST /upper HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
		if status, _, body := c.response(); status != 200 || body != "ABC" {
			t.Errorf("%d, %q", status, body)
		}
	}
	frame := string(codec.AppendMaskedFrame(nil, true, codec.OpcodeText, "early", 0x01020304))
	c.write(head("/") + strings.Repeat(frame, 5000))
	if status, _, _ := c.responseHead(); status != 101 {
		t.Fatalf("status %d", status)
	}
	for range 5000 {
		c.expect(codec.OpcodeText, "early")
	}
	c.Close()
	poll(t, "all to end", func() bool { return s.Stats().Connections == 0 })
}
