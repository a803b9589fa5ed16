package engine

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
)

// shutdown calls Shutdown in a goroutine and returns what it will return.
func (r *running) shutdown(ctx context.Context) <-chan error {
	done := make(chan error, 1)
	go func() { done <- r.Shutdown(ctx) }()
	return done
}

// Shutdown sends everything that was sent before, then a Close frame with 1001, to connections of
// every loop, and returns when the last has answered.
func TestShutdownDrains(t *testing.T) {
	t.Parallel()
	const clients = 12
	var mu sync.Mutex
	var closures []Closure
	s := serve(t, &Server{Loops: 3, CloseTimeout: never, Events: Events{
		Open: func(c Conn) { _, _ = c.Send(codec.OpcodeBinary, make([]byte, 1<<20)) },
		Close: func(_ Conn, how Closure) {
			mu.Lock()
			defer mu.Unlock()
			closures = append(closures, how)
		},
	}})
	var all []*client
	for range clients {
		all = append(all, s.open())
	}
	done := s.shutdown(t.Context())
	for _, c := range all {
		if f := c.read(); len(f.payload) != 1<<20 {
			t.Fatalf("got %v", f)
		}
		c.expectClose(codec.StatusGoingAway)
	}
	select {
	case err := <-done:
		t.Fatalf("Shutdown returned %v before the answers", err)
	default:
	}
	for _, c := range all {
		c.write(closeFrame(codec.StatusGoingAway, ""))
		c.expectEOF()
	}
	if err := await(t, done, "Shutdown"); err != nil {
		t.Error(err)
	}
	s.stop()
	if len(closures) != clients {
		t.Errorf("%d calls of Close", len(closures))
	}
	for _, how := range closures {
		if how.Err != nil || how.Code != codec.StatusGoingAway {
			t.Errorf("closed by %+v", how)
		}
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("second Shutdown: %v", err)
	}
}

// W87: during the drain a new connection is refused, at the latest with 503, and so is one whose
// opening handshake the shutdown overtook.
func TestNewConnectionsDuringDrainW87(t *testing.T) {
	t.Parallel()
	s := serve(t, &Server{CloseTimeout: never})
	open, late := s.open(), s.dial()
	late.write("GET / HTTP/1.1\r\n")
	other := s.open() // accepted after late, so late is known to the server
	done := s.shutdown(t.Context())
	open.expectClose(codec.StatusGoingAway)
	other.expectClose(codec.StatusGoingAway)
	if status, fields, _ := late.response(); status != 503 || !strings.Contains(fields, "Connection: close\r\n") {
		t.Errorf("status %d, %q", status, fields)
	}
	late.expectEOF()
	if conn, err := net.Dial(s.network, s.addr); err == nil {
		// Its SYN may have come before the listener was closed.
		conn.SetDeadline(time.Now().Add(patience))
		conn.Write([]byte(head("/")))
		var b [12]byte
		if n, _ := conn.Read(b[:]); n > 0 && string(b[:n]) != "HTTP/1.1 503" {
			t.Errorf("a new connection was answered %q", b[:n])
		}
		conn.Close()
	}
	for _, c := range []*client{late, open, other} {
		c.Close()
	}
	if err := await(t, done, "Shutdown"); err != nil {
		t.Error(err)
	}
}

// W87: a connection that comes to a loop after the shutdown did, handed over by another one.
func TestConnectionHandedOverDuringDrainW87(t *testing.T) {
	s := &Server{}
	m := newMemory(t, s)
	s.shuttingDown.Store(true)
	m.turn()
	c := m.accept()
	m.turn()
	if sent := string(m.take(c)); !m.over(c) || !strings.HasPrefix(sent, "HTTP/1.1 503 ") {
		t.Errorf("over %t, sent %q", m.over(c), sent)
	}
	m.eof(c)
}

// W88: peers that ignore the Close frame, and one that never sends its request, are cut off when the
// close timeout has passed; Shutdown then returns without an error.
func TestShutdownOfPeersThatIgnoreItW88(t *testing.T) {
	t.Parallel()
	s := serve(t, &Server{CloseTimeout: time.Millisecond})
	silent, open := s.dial(), s.open()
	done := s.shutdown(t.Context())
	open.expectClose(codec.StatusGoingAway)
	open.expectEOF()
	silent.expectGone()
	if err := await(t, done, "Shutdown"); err != nil {
		t.Error(err)
	}
}

// When its context ends first, Shutdown cuts the rest off and says why.
func TestShutdownEndsWithItsContext(t *testing.T) {
	t.Parallel()
	tr := newTrace()
	s := serve(t, &Server{CloseTimeout: never, Events: tr.events()})
	c := s.open()
	ctx, cancel := context.WithCancel(t.Context())
	done := s.shutdown(ctx)
	c.expectClose(codec.StatusGoingAway)
	cancel()
	if err := await(t, done, "Shutdown"); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown returned %v", err)
	}
	c.expectGone()
	s.stop()
	tr.expect(t, "open", "close 1006 , poller: driver stopped")
}

// Shutdown heeds its context though a callback blocks its loop, and so Serve.
func TestShutdownWhileACallbackBlocks(t *testing.T) {
	t.Parallel()
	blocked, release := make(chan struct{}), make(chan struct{})
	s := serve(t, &Server{Loops: 1, CloseTimeout: never, Events: Events{Message: func(Conn, codec.Opcode, []byte) {
		close(blocked)
		<-release
	}}})
	defer close(release)
	s.open().send(codec.OpcodeText, "block")
	await(t, blocked, "the callback")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := await(t, s.shutdown(ctx), "Shutdown"); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown returned %v", err)
	}
}

// W71: a callback starts the shutdown of the whole server, in a goroutine.
func TestShutdownFromACallbackW71(t *testing.T) {
	t.Parallel()
	done := make(chan error, 1)
	server := &Server{Loops: 2, CloseTimeout: never}
	server.Events.Message = func(c Conn, op codec.Opcode, payload []byte) {
		echo(c, op, payload)
		go func() { done <- server.Shutdown(context.Background()) }()
	}
	s := serve(t, server)
	a, b := s.open(), s.open()
	a.send(codec.OpcodeText, "stop")
	a.expect(codec.OpcodeText, "stop")
	for _, c := range []*client{a, b} {
		c.expectClose(codec.StatusGoingAway)
		c.write(closeFrame(codec.StatusGoingAway, ""))
		c.expectEOF()
	}
	if err := await(t, done, "Shutdown"); err != nil {
		t.Error(err)
	}
}

// Server.Close sends no Close frame, may be called in a callback and twice, and Close is called for
// every connection before Serve returns.
func TestServerCloseIsAbrupt(t *testing.T) {
	t.Parallel()
	tr := newTrace()
	server := &Server{Loops: 1, CloseTimeout: never}
	tr.message = func(Conn, codec.Opcode, []byte) {
		if err := errors.Join(server.Close(), server.Close()); err != nil {
			t.Error(err)
		}
	}
	server.Events = tr.events()
	s := serve(t, server)
	c, handshaking := s.open(), s.dial()
	addr := c.RemoteAddr()
	c.send(codec.OpcodeText, "stop")
	c.expectGone()
	handshaking.expectGone()
	s.stop()
	tr.expect(t, "open", "text stop", "close 1006 , poller: driver stopped")
	expectRefusal(t, addr)
}

// Close at any moment of the start lets Serve return ErrServerClosed.
func TestServerCloseRacesWithServe(t *testing.T) {
	t.Parallel()
	for i := range 200 {
		s := serve(t, &Server{Loops: 1 + i%2})
		if i%3 == 0 {
			if err := s.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		}
		s.stop()
	}
}

// The moment in between, when the driver is there and does not run yet.
func TestServerCloseBeforeTheDriverRuns(t *testing.T) {
	t.Parallel()
	s := &Server{}
	listeners, err := s.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	driver, err := s.start(listeners, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := s.run(driver); !errors.Is(err, ErrServerClosed) {
		t.Errorf("Serve returned %v", err)
	}
}

// A server that was stopped before it served refuses to, and gives its listeners back.
func TestServeAfterClose(t *testing.T) {
	t.Parallel()
	for _, stop := range []func(*Server) error{
		func(s *Server) error { return s.Close() },
		func(s *Server) error { return s.Shutdown(t.Context()) },
	} {
		s := &Server{}
		if err := stop(s); err != nil {
			t.Error(err)
		}
		listeners, err := s.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Serve(listeners...); !errors.Is(err, ErrServerClosed) {
			t.Errorf("Serve returned %v", err)
		}
		expectRefusal(t, listeners[0].Addr())
	}
}
