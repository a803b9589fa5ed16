package engine

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
)

// patience bounds every wait of a test, so that what never comes fails it. Nothing is measured by
// it.
const patience = 60 * time.Second

// never is a timeout that must not play a part.
const never = time.Hour

// running is a server under test.
type running struct {
	*Server
	t             testing.TB
	network, addr string
	served        chan error
	stopOnce      sync.Once
	opens, closes atomic.Int64
}

// serve runs s on a free port until the test ends. Whatever the test does, the server must end with
// ErrServerClosed, no connection, and as many calls of Close as of Open.
func serve(t testing.TB, s *Server) *running {
	t.Helper()
	return serveOn(t, s, "tcp", "127.0.0.1:0")
}

func serveOn(t testing.TB, s *Server, network, address string) *running {
	t.Helper()
	listeners, err := s.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	return serveListeners(t, s, listeners...)
}

// serveListeners is serve with listeners of the test's; its clients dial the first.
func serveListeners(t testing.TB, s *Server, listeners ...net.Listener) *running {
	t.Helper()
	addr := listeners[0].Addr()
	r := &running{Server: s, t: t, network: addr.Network(), addr: addr.String(), served: make(chan error, 1)}
	r.count(&s.Events)
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	go func() { r.served <- s.Serve(listeners...) }()
	t.Cleanup(r.stop)
	return r
}

func (r *running) count(e *Events) {
	open, closed := e.Open, e.Close
	e.Open = func(c Conn) {
		r.opens.Add(1)
		if open != nil {
			open(c)
		}
	}
	e.Close = func(c Conn, how Closure) {
		r.closes.Add(1)
		if closed != nil {
			closed(c, how)
		}
	}
}

// stop closes the server and checks what it leaves.
func (r *running) stop() {
	r.t.Helper()
	r.stopOnce.Do(func() {
		r.Close()
		if err := await(r.t, r.served, "Serve to return"); !errors.Is(err, ErrServerClosed) {
			r.t.Errorf("Serve returned %v", err)
		}
		if r.web != nil { // a goroutine of net/http may be about to close one
			poll(r.t, "net/http to let go", func() bool { return r.Stats().Connections == 0 })
		}
		if n := r.Stats().Connections; n != 0 {
			r.t.Errorf("%d connections after Serve returned", n)
		}
		if opens, closes := r.opens.Load(), r.closes.Load(); opens != closes {
			r.t.Errorf("%d calls of Open, %d of Close", opens, closes)
		}
	})
}

// await takes a value from a channel.
func await[T any](t testing.TB, from <-chan T, what string) (v T) {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case v = <-from:
	case <-timer.C:
		t.Fatalf("waited in vain for %s", what)
	}
	return v
}

// poll waits until something holds.
func poll(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); !holds(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// expectRefusal expects that nobody listens at an address. Another test, or a program beside it, may do so for a while, if it was given the
// port that was closed.
func expectRefusal(t testing.TB, addr net.Addr) {
	t.Helper()
	poll(t, "the listener to be closed", func() bool {
		conn, err := net.Dial(addr.Network(), addr.String())
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
}

// client is the far end of a connection. It sends what it is told, legal or not. It is written
// without package codec's decoder, so that the two do not share their mistakes.
type client struct {
	net.Conn
	t  testing.TB
	in *bufio.Reader
}

// dial connects and sends nothing.
func (r *running) dial() *client {
	r.t.Helper()
	conn, err := net.Dial(r.network, r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.adopt(conn)
}

// adopt makes a client of a connection that was dialed.
func (r *running) adopt(conn net.Conn) *client {
	conn.SetDeadline(time.Now().Add(patience))
	r.t.Cleanup(func() { conn.Close() })
	return &client{Conn: conn, t: r.t, in: bufio.NewReaderSize(conn, 4<<10)}
}

// open connects and completes the opening handshake.
func (r *running) open() *client {
	r.t.Helper()
	c := r.dial()
	c.write(head("/"))
	if status, _, _ := c.response(); status != 101 {
		r.t.Fatalf("status %d, want 101", status)
	}
	return c
}

// head is a request head that asks for a WebSocket, with further fields.
func head(target string, fields ...string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
		strings.Join(append(fields, ""), "\r\n") + "\r\n"
}

func (c *client) write(b string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, b); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

// response reads an HTTP response: its status, its head, and its body if it has a length.
func (c *client) response() (status int, fields, body string) {
	c.t.Helper()
	status, fields, length := c.responseHead()
	b := make([]byte, length)
	if _, err := io.ReadFull(c.in, b); err != nil {
		c.t.Fatalf("read body: %v", err)
	}
	return status, fields, string(b)
}

func (c *client) responseHead() (status int, fields string, length int) {
	c.t.Helper()
	line, err := c.in.ReadString('\n')
	if _, scanErr := fmt.Sscanf(line, "HTTP/1.1 %d", &status); scanErr != nil {
		c.t.Fatalf("status line %q: %v", line, err)
	}
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			c.t.Fatalf("read head: %v", err)
		}
		if line == "\r\n" {
			return status, fields, length
		}
		fields += line
		fmt.Sscanf(line, "Content-Length: %d", &length)
	}
}

func (c *client) send(op codec.Opcode, payload string) {
	c.t.Helper()
	c.write(masked(true, op, payload))
}

func (c *client) read() frame {
	c.t.Helper()
	f, err := readFrame(c.in)
	if err != nil {
		c.t.Fatalf("read frame: %v", err)
	}
	return f
}

// expect reads a frame that must be this one, unfragmented.
func (c *client) expect(op codec.Opcode, payload string) {
	c.t.Helper()
	if f := c.read(); f.op != op || !f.fin || string(f.payload) != payload {
		c.t.Fatalf("got %v, want %v %.40q", f, op, payload)
	}
}

func (c *client) expectClose(want codec.StatusCode) {
	c.t.Helper()
	if f := c.read(); f.op != codec.OpcodeClose || code(f.payload) != want {
		c.t.Fatalf("got %v, want close %d", f, want)
	}
}

// expectEOF reads the end of the connection, with nothing before it.
func (c *client) expectEOF() {
	c.t.Helper()
	rest, err := io.ReadAll(c.in)
	if err != nil || len(rest) > 0 {
		c.t.Fatalf("got %.60q, %v; want EOF", rest, err)
	}
}

// expectGone reads the end of a connection that the server may have reset.
func (c *client) expectGone() {
	c.t.Helper()
	if _, err := io.Copy(io.Discard, c.in); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		c.t.Fatalf("got %v, want the end", err)
	}
}

// closeWrite sends FIN.
func (c *client) closeWrite() {
	c.t.Helper()
	if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		c.t.Fatal(err)
	}
}

// reset ends the connection by RST.
func (c *client) reset() {
	c.Conn.(*net.TCPConn).SetLinger(0)
	c.Close()
}

// errorOf leaves the error of a Send.
func errorOf(_ Sent, err error) error { return err }

// echo is the callback of an echo server.
func echo(c Conn, op codec.Opcode, payload []byte) { _, _ = c.Send(op, payload) }
