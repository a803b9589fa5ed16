//go:build linux || darwin || freebsd

package engine

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/handshake"
)

// A connection that was dialed works as one that was accepted, in both directions and to its end.
func TestDial(t *testing.T) {
	t.Parallel()
	server := serve(t, &Server{Subprotocols: []string{"b"}, Events: Events{Message: echo}})
	tr := newTrace()
	s := startDialing(t, &Server{Loops: 2, Events: tr.events()})
	c, err := s.Dial(t.Context(), "ws://"+server.addr+"/", &DialOptions{Subprotocols: []string{"a", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	if c.Subprotocol() != "b" || c.RemoteAddr().String() != server.addr {
		t.Errorf("subprotocol %q, address %v", c.Subprotocol(), c.RemoteAddr())
	}
	answers := make(chan struct{}, 3)
	tr.message = func(Conn, codec.Opcode, []byte) { answers <- struct{}{} }
	big := strings.Repeat("x", 100_000)
	for _, text := range []string{"one", "", big} {
		if _, err := c.SendText(text); err != nil {
			t.Fatal(err)
		}
		await(t, answers, "an answer")
	}
	if err := c.Close(codec.StatusNormalClosure, "bye"); err != nil {
		t.Fatal(err)
	}
	await(t, tr.gone, "Close")
	tr.expect(t, "open", "text one", "text ", "text "+big[:40], "close 1000 , <nil>")
	if stats := s.Stats(); stats.Dials != 1 || stats.DialFailures != 0 || stats.Handshakes != 0 {
		t.Errorf("%+v", stats)
	}
}

// What the server sends behind its answer is received, however it is cut; pings are answered, and a Close frame is.
func TestDialedFrames(t *testing.T) {
	t.Parallel()
	for _, step := range []int{1, 7, 1 << 20} {
		far := newFarServer(t)
		tr := newTrace()
		s := startDialing(t, &Server{Events: tr.events()})
		go s.Dial(t.Context(), far.url(), nil)
		a := far.take()
		for out := a.answer() + serverFrame(true, codec.OpcodeText, "first") + serverFrame(true, codec.OpcodePing, "p") +
			serverFrame(false, codec.OpcodeText, "in ") + serverFrame(true, codec.OpcodeContinuation, "two") +
			serverFrame(true, codec.OpcodeClose, "\x03\xe9"); out != ""; {
			n := min(step, len(out))
			a.write(out[:n])
			out = out[n:]
		}
		a.expect(codec.OpcodePong, "p")
		a.expectClose(codec.StatusGoingAway)
		// Who answered a Close frame as a client waits for the server to end the connection (RFC 6455 section 7.1.1).
		if n := s.Stats().Connections; n != 1 {
			t.Errorf("%d connections before the server closed", n)
		}
		a.Close()
		await(t, tr.gone, "Close")
		tr.expect(t, "open", "text first", "ping p", "text in two", "close 1001 , <nil>")
	}
}

// A server that does not end the connection after the closing handshake is waited for as long as CloseTimeout says.
func TestDialedCloseTimeout(t *testing.T) {
	t.Parallel()
	far := newFarServer(t)
	tr := newTrace()
	s := startDialing(t, &Server{CloseTimeout: time.Millisecond, Events: tr.events()})
	go s.Dial(t.Context(), far.url(), nil)
	a := far.take()
	a.write(a.answer() + serverFrame(true, codec.OpcodeClose, "\x03\xe8"))
	await(t, tr.gone, "Close")
	tr.expect(t, "open", "close 1000 , <nil>")
	a.expectClose(codec.StatusNormalClosure)
	a.expectEOF()
	if n := s.Stats().CloseTimeouts; n != 1 {
		t.Errorf("%d timeouts", n)
	}
}

// Every frame of a client is masked, with a key of its own (RFC 6455 section 5.3), and a masked frame of the server is a
// violation (section 5.1).
func TestDialedMasking(t *testing.T) {
	t.Parallel()
	far := newFarServer(t)
	tr := newTrace()
	s := startDialing(t, &Server{Events: tr.events()})
	conns := make(chan Conn, 1)
	go func() {
		c, _ := s.Dial(t.Context(), far.url(), nil)
		conns <- c
	}()
	a := far.take()
	a.write(a.answer())
	c := await(t, conns, "the connection")
	for range 20 {
		c.SendText(strings.Repeat("m", 300))
	}
	w, err := c.NewWriter(codec.OpcodeBinary)
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte("fragment"))
	w.Close()
	c.Ping([]byte("ping"))
	keys := map[uint32]bool{}
	for i := range 23 {
		f, key := a.read()
		keys[key] = true
		if want := strings.Repeat("m", 300); i < 20 && string(f.payload) != want {
			t.Fatalf("got %v", f)
		}
	}
	if len(keys) != 23 {
		t.Errorf("%d keys for 23 frames", len(keys))
	}
	a.write(masked(true, codec.OpcodeText, "x"))
	a.expectClose(codec.StatusProtocolError)
	a.Close()
	await(t, tr.gone, "Close")
}

// What is asked for reaches the server, from the address that it is asked from.
func TestDialOptions(t *testing.T) {
	t.Parallel()
	far := newFarServer(t)
	s := startDialing(t, &Server{})
	o := &DialOptions{
		Origin: "https://page.example", Subprotocols: []string{"x", "y"}, Local: netip.MustParseAddrPort("127.0.9.1:0"),
		Addr: far.Addr().String(),
	}
	if err := o.Header.Add("Cookie", "a=b"); err != nil {
		t.Fatal(err)
	}
	go s.Dial(t.Context(), "ws://server.example:81/a%20b?c=d", o)
	a := far.take()
	r := a.request
	if r.Host != "server.example:81" || r.RequestURI != "/a%20b?c=d" || r.Header.Get("Origin") != o.Origin ||
		r.Header.Get("Sec-Websocket-Protocol") != "x, y" || r.Header.Get("Cookie") != "a=b" {
		t.Errorf("request %+v", r)
	}
	if from := a.RemoteAddr().(*net.TCPAddr).AddrPort().Addr(); from != o.Local.Addr() {
		t.Errorf("it comes from %v", from)
	}
	target, err := s.Target(t.Context(), far.url(), nil)
	if err != nil {
		t.Fatal(err)
	}
	from := target.Local(netip.MustParseAddrPort("127.0.9.2:0"))
	if err := from.Dial(nil, func(Conn, error) {}); err != nil {
		t.Fatal(err)
	}
	if from := far.take().RemoteAddr().(*net.TCPAddr).AddrPort().Addr(); from.String() != "127.0.9.2" {
		t.Errorf("it comes from %v", from)
	}
}

func TestDialUnixSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	server := serveOn(t, &Server{Events: Events{Message: echo}}, "unix", path)
	tr := newTrace()
	s := startDialing(t, &Server{Events: tr.events()})
	c, err := s.Dial(t.Context(), "ws://localhost/", &DialOptions{Addr: "unix:" + server.addr})
	if err != nil {
		t.Fatal(err)
	}
	tr.message = func(c Conn, _ codec.Opcode, _ []byte) { c.Close(codec.StatusNormalClosure, "") }
	c.SendText("over a Unix socket")
	await(t, tr.gone, "Close")
	tr.expect(t, "open", "text over a Unix socket", "close 1000 , <nil>")
}

// If one address of a host cannot be reached, the next is tried.
func TestDialTriesAddresses(t *testing.T) {
	t.Parallel()
	server := serve(t, &Server{})
	s := startDialing(t, &Server{})
	target, err := s.Target(t.Context(), "ws://"+server.addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	target.addrs = append([]netip.AddrPort{closedPort(t), closedPort(t)}, target.addrs...)
	results := make(chan error, 1)
	if err := target.Dial(nil, func(_ Conn, err error) { results <- err }); err != nil {
		t.Fatal(err)
	}
	if err := await(t, results, "a connection"); err != nil {
		t.Error(err)
	}
	if stats := s.Stats(); stats.Dials != 1 || stats.DialFailures != 2 {
		t.Errorf("%d dials, %d failures", stats.Dials, stats.DialFailures)
	}
}

// closedPort is an address at which nobody listens: that of a connection, so that until the test ends nobody else gets the port.
func closedPort(t testing.TB) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.LocalAddr().(*net.TCPAddr).AddrPort()
}

// A thousand connections are opened by nobody who waits, with callbacks and data of their own.
func TestTargetDialMany(t *testing.T) { // not parallel: it counts goroutines
	const many = 1000
	server := serve(t, &Server{Loops: 2, Events: Events{Message: echo}})
	var answers, connected atomic.Int64
	over := make(chan struct{})
	events := Events{Message: func(c Conn, _ codec.Opcode, payload []byte) {
		if string(payload) != *c.Data().(*string) {
			t.Errorf("got %q", payload)
		}
		if answers.Add(1) == many {
			close(over)
		}
	}}
	s := startDialing(t, &Server{Loops: 2, Events: Events{Message: func(Conn, codec.Opcode, []byte) { t.Error("the wrong callback") }}})
	target, err := s.Target(t.Context(), "ws://"+server.addr, &DialOptions{
		Events: &events, Connected: func(any) { connected.Add(1) },
	})
	if err != nil {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	for i := range many {
		text := strings.Repeat("d", i%7)
		err := target.Dial(&text, func(c Conn, err error) {
			if err != nil {
				t.Error(err)
			}
			c.SendText(text)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := runtime.NumGoroutine(); n > before+50 {
		t.Errorf("%d goroutines, %d before", n, before)
	}
	await(t, over, "all answers")
	if connected.Load() != many || s.Stats().Dials != many {
		t.Errorf("%d connected, %d dialed", connected.Load(), s.Stats().Dials)
	}
}

// A server's Shutdown closes the connections it dialed, and those on their way.
func TestShutdownClosesDialed(t *testing.T) {
	t.Parallel()
	far := newFarServer(t)
	tr := newTrace()
	s := startDialing(t, &Server{Events: tr.events()})
	go s.Dial(t.Context(), far.url(), nil)
	a := far.take()
	a.write(a.answer())
	results := make(chan error, 1)
	target, err := s.Target(t.Context(), far.url(), nil)
	if err != nil {
		t.Fatal(err)
	}
	target.Dial(nil, func(_ Conn, err error) { results <- err })
	far.take() // which is not answered
	poll(t, "the first connection", func() bool { return s.Stats().Dials == 1 })
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(context.Background()) }()
	a.expectClose(codec.StatusGoingAway)
	a.write(serverFrame(true, codec.OpcodeClose, "\x03\xe9"))
	a.Close()
	if err := await(t, results, "the failure of the second"); !errors.Is(err, ErrServerClosed) {
		t.Errorf("the second one ended with %v", err)
	}
	if err := await(t, down, "Shutdown"); err != nil {
		t.Error(err)
	}
	if _, err := s.Dial(t.Context(), far.url(), nil); !errors.Is(err, ErrServerClosed) {
		t.Errorf("Dial after Shutdown: %v", err)
	}
}

// A panic in Open ends the connection, and who waits for it hears of it all the same.
func TestDialPanicInOpen(t *testing.T) {
	t.Parallel()
	server := serve(t, &Server{})
	s := startDialing(t, &Server{Events: Events{Open: func(Conn) { panic("in Open") }}})
	if _, err := s.Dial(t.Context(), "ws://"+server.addr, nil); err != nil {
		t.Error(err)
	}
	poll(t, "the panic to be counted", func() bool { return s.Stats().Panics == 1 })
}

// The package's Dial takes its server along when the connection ends.
func TestPackageDial(t *testing.T) {
	server := serve(t, &Server{Events: Events{Message: echo}})
	server.open() // so that it runs
	before := runtime.NumGoroutine()
	tr := newTrace()
	tr.message = func(c Conn, _ codec.Opcode, _ []byte) { c.Close(codec.StatusNormalClosure, "") }
	c, err := Dial(t.Context(), "ws://"+server.addr, tr.events())
	if err != nil {
		t.Fatal(err)
	}
	c.SendText("x")
	await(t, tr.gone, "Close")
	poll(t, "its loop to end", func() bool { return runtime.NumGoroutine() <= before })
	if _, err := Dial(t.Context(), "ws://"+closedPort(t).String(), Events{}); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("Dial of a closed port: %v", err)
	}
	poll(t, "its loop to end", func() bool { return runtime.NumGoroutine() <= before })
}

// A client's messages cost no allocation.
func TestDialedAllocs(t *testing.T) {
	if raceBuild {
		t.Skip("the race detector allocates")
	}
	far := newFarServer(t)
	s := startDialing(t, &Server{Loops: 1})
	conns := make(chan Conn, 1)
	go func() {
		c, _ := s.Dial(t.Context(), far.url(), nil)
		conns <- c
	}()
	a := far.take()
	a.write(a.answer())
	go io.Copy(io.Discard, a.in)
	c := await(t, conns, "the connection")
	payload := make([]byte, 125)
	if n := testing.AllocsPerRun(1000, func() { c.SendWait(t.Context(), codec.OpcodeBinary, payload) }); n >= 1 {
		t.Errorf("%v allocations for a message", n)
	}
}

// A DialError says how far it came, and why it came no further.
func TestDialErrors(t *testing.T) {
	t.Parallel()
	s := startDialing(t, &Server{HandshakeTimeout: never, MaxHeadBytes: 400, MaxConnections: 3})
	far := newFarServer(t)
	for _, c := range []struct {
		name, url string
		answer    string // of far
		op        DialOp
		is        error
		status    int
	}{
		{name: "scheme", url: "http://127.0.0.1/", op: DialResolve, is: errScheme},
		{name: "fragment", url: "ws://127.0.0.1/#", op: DialResolve, is: errFragment},
		{name: "user", url: "ws://u:p@127.0.0.1/", op: DialResolve, is: errUserinfo},
		{name: "no host", url: "ws:///x", op: DialResolve, is: errHost},
		{name: "port 0", url: "ws://127.0.0.1:0/", op: DialResolve},
		{name: "no URL", url: "://", op: DialResolve},
		{name: "closed port", url: "ws://" + closedPort(t).String(), op: DialConnect, is: syscall.ECONNREFUSED},
		{name: "302", answer: "HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", op: DialHandshake, is: handshake.ErrAnswerStatus, status: 302},
		{name: "403", answer: "HTTP/1.1 403 No\r\n\r\n", op: DialHandshake, is: handshake.ErrAnswerStatus, status: 403},
		{name: "too long", answer: "HTTP/1.1 101 Switching Protocols\r\nX: " + strings.Repeat("x", 500), op: DialHandshake, is: handshake.ErrAnswerTooLarge},
	} {
		if c.answer != "" {
			c.url = far.url()
			go func() {
				a := far.take()
				a.write(c.answer)
				io.Copy(io.Discard, a.in)
			}()
		}
		conn, err := s.Dial(t.Context(), c.url, nil)
		var failure *DialError
		if !errors.As(err, &failure) || failure.Op != c.op || c.is != nil && !errors.Is(err, c.is) || conn != (Conn{}) {
			t.Errorf("%s: %v, want %v: %v", c.name, err, c.op, c.is)
			continue
		}
		var answer *handshake.AnswerError
		if errors.As(err, &answer); c.status != 0 && (answer == nil || answer.Status != c.status) {
			t.Errorf("%s: %v, want status %d", c.name, err, c.status)
		}
		if !strings.Contains(err.Error(), c.op.String()+": ") {
			t.Errorf("%s: %q does not name the step", c.name, err)
		}
	}
	if _, err := new(Server).Dial(t.Context(), far.url(), nil); !errors.Is(err, errNotServing) {
		t.Errorf("Dial of a server that does not serve: %v", err)
	}
}

// Who gives up is told so, and leaves nothing behind; so is who waits for a server that says nothing.
func TestDialGivesUp(t *testing.T) {
	t.Parallel()
	far := newFarServer(t)
	s := startDialing(t, &Server{HandshakeTimeout: time.Millisecond})
	_, err := s.Dial(t.Context(), far.url(), nil)
	var failure *DialError
	if !errors.As(err, &failure) || failure.Op != DialHandshake || !errors.Is(err, ErrTimeout) {
		t.Errorf("a silent server: %v", err)
	}
	patient := startDialing(t, &Server{HandshakeTimeout: never})
	ctx, cancel := context.WithCancel(t.Context())
	results := make(chan error, 1)
	go func() {
		_, err := patient.Dial(ctx, far.url(), nil)
		results <- err
	}()
	far.take()
	a := far.take()
	cancel()
	if err := await(t, results, "Dial to return"); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	a.expectEOF()
	poll(t, "the connection to go", func() bool { return patient.Stats().Connections == 0 })
}

// MaxConnections holds for dialed connections, too.
func TestDialMaxConnections(t *testing.T) {
	t.Parallel()
	server := serve(t, &Server{})
	s := startDialing(t, &Server{MaxConnections: 1})
	if _, err := s.Dial(t.Context(), "ws://"+server.addr, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Dial(t.Context(), "ws://"+server.addr, nil); !errors.Is(err, ErrTooMany) {
		t.Errorf("one too many: %v", err)
	}
}

// A connection that Close overtakes ends with ErrServerClosed, whatever it waits for; and so does one that is asked for later.
func TestCloseOvertakesDial(t *testing.T) {
	t.Parallel()
	far := newFarServer(t)
	for range 50 {
		s := &Server{Loops: 1}
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		target, err := s.Target(t.Context(), far.url(), nil)
		if err != nil {
			t.Fatal(err)
		}
		results := make(chan error, 3)
		for range cap(results) {
			if err := target.Dial(nil, func(_ Conn, err error) { results <- err }); err != nil {
				t.Fatal(err)
			}
		}
		s.Close()
		for range cap(results) {
			if err := await(t, results, "done"); !errors.Is(err, ErrServerClosed) {
				t.Fatalf("done with %v", err)
			}
		}
		<-s.done
		if n := s.live.Load(); n != 0 {
			t.Fatalf("%d connections are counted at the end", n)
		}
	}
}

// A burst makes no more sockets than there may be connections.
func TestDialBurst(t *testing.T) {
	t.Parallel()
	far := newFarServer(t)
	s := startDialing(t, &Server{MaxConnections: 5})
	target, err := s.Target(t.Context(), far.url(), nil)
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for range 100 {
		if err := target.Dial(nil, func(Conn, error) {}); errors.Is(err, ErrTooMany) {
			refused++
		}
	}
	if refused != 95 {
		t.Errorf("%d of 100 were refused", refused)
	}
}
