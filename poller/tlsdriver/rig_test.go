package tlsdriver_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/tlsdriver"
)

// rig is a driver that serves handlers made of functions.
type rig struct {
	t      testing.TB
	driver *tlsdriver.Driver
	addr   string
	closed chan error
	opened chan poller.Token
	served chan error
	loops  []*handler
	once   sync.Once
}

// handler echoes, unless its functions say otherwise. They run on the loop.
type handler struct {
	rig    *rig
	loop   poller.Loop
	opens  func(h *handler, t poller.Token)
	data   func(h *handler, t poller.Token, b []byte) int
	eof    func(h *handler, t poller.Token)
	mu     sync.Mutex
	posted []func()
	queued map[poller.Token]bool // ended, with output that waits
}

func (h *handler) Open(t poller.Token) {
	if h.opens != nil {
		h.opens(h, t)
	}
	h.rig.opened <- t
}

func (h *handler) Dialing(poller.Token, any)      {}
func (h *handler) Connected(t poller.Token)       { h.rig.opened <- t }
func (h *handler) Buffer(poller.Token) []byte     { return nil }
func (h *handler) Progress(poller.Token, int)     {}
func (h *handler) Tick(time.Duration)             {}
func (h *handler) Closed(_ poller.Token, e error) { h.rig.closed <- e }

func (h *handler) Drained(t poller.Token) {
	if h.queued[t] {
		h.loop.Close(t, nil)
	}
}

func (h *handler) Data(t poller.Token, b []byte) int {
	if h.data != nil {
		return h.data(h, t, b)
	}
	_ = h.loop.Write(t, b)
	return len(b)
}

func (h *handler) EOF(t poller.Token) {
	switch {
	case h.eof != nil:
		h.eof(h, t)
	case h.loop.Pending(t) > 0:
		h.queued[t] = true
	default:
		h.loop.Close(t, nil)
	}
}

func (h *handler) Flush() {
	h.mu.Lock()
	posted := h.posted
	h.posted = nil
	h.mu.Unlock()
	for _, f := range posted {
		f()
	}
}

// do runs f on the loop and waits for it.
func (h *handler) do(f func()) {
	done := make(chan struct{})
	h.mu.Lock()
	h.posted = append(h.posted, func() { f(); close(done) })
	h.mu.Unlock()
	h.loop.Wake()
	receive(h.rig.t, done, "the loop to take a turn")
}

// newRig serves an echo, on two loops if change does not say otherwise.
func newRig(t testing.TB, o tlsdriver.Options, loops int, change func(*handler)) *rig {
	t.Helper()
	return serveRig(t, wrapNative(t, loops, o), loops, change)
}

func serveRig(t testing.TB, d *tlsdriver.Driver, loops int, change func(*handler)) *rig {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(context.Background(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{
		t: t, driver: d, addr: ln.Addr().String(),
		closed: make(chan error, 1<<15), opened: make(chan poller.Token, 1<<15), served: make(chan error, 1),
	}
	if err := r.driver.AddListener(ln); err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	go func() {
		r.served <- r.driver.Serve(func(l poller.Loop) poller.Handler {
			h := &handler{rig: r, loop: l, queued: map[poller.Token]bool{}}
			if change != nil {
				change(h)
			}
			if r.loops = append(r.loops, h); len(r.loops) == loops {
				close(ready)
			}
			return h
		})
	}()
	t.Cleanup(r.stop)
	receive(t, ready, "the loops")
	return r
}

func (r *rig) stop() {
	r.once.Do(func() {
		r.driver.Stop()
		if err := receive(r.t, r.served, "Serve to return"); err != nil {
			r.t.Errorf("Serve: %v", err)
		}
	})
}

// dial connects a socket.
func (r *rig) dial() *net.TCPConn {
	r.t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(deadline)); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// secure connects a TLS client and does the handshake.
func (r *rig) secure(config *tls.Config) *tls.Conn {
	r.t.Helper()
	c := tls.Client(r.dial(), config)
	if err := c.Handshake(); err != nil {
		r.t.Fatalf("handshake: %v", err)
	}
	return c
}

// echo sends bytes and expects them back.
func echo(t testing.TB, c net.Conn, message []byte) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := c.Write(message)
		done <- err
	}()
	got := make([]byte, len(message))
	if n, err := io.ReadFull(c, got); err != nil {
		t.Fatalf("read %d of %d bytes: %v", n, len(got), err)
	}
	if !bytes.Equal(got, message) {
		t.Fatal("the echo differs")
	}
	if err := receive(t, done, "the message to be sent"); err != nil {
		t.Fatalf("write: %v", err)
	}
}

// expectAlert reads records until one is an alert in plaintext, and checks it.
func expectAlert(t testing.TB, c net.Conn, want byte) {
	t.Helper()
	for {
		header := make([]byte, 5)
		if _, err := io.ReadFull(c, header); err != nil {
			t.Fatalf("no alert came, but %v", err)
		}
		payload := make([]byte, binary.BigEndian.Uint16(header[3:]))
		if _, err := io.ReadFull(c, payload); err != nil {
			t.Fatal(err)
		}
		if header[0] == 21 {
			if !bytes.Equal(payload, []byte{2, want}) {
				t.Fatalf("alert %v, want %d", payload, want)
			}
			return
		}
	}
}

// expectEnd reads until the connection ends.
func expectEnd(t testing.TB, c net.Conn) {
	t.Helper()
	_, err := io.Copy(io.Discard, c)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatal("the connection does not end")
	}
}

// receive takes the next value, or fails the test at the deadline.
func receive[T any](t testing.TB, from <-chan T, what string) T {
	t.Helper()
	timer := time.NewTimer(deadline)
	defer timer.Stop()
	select {
	case v := <-from:
		return v
	case <-timer.C:
		t.Fatalf("gave up waiting for %s", what)
		panic("unreachable")
	}
}

// pattern is n bytes that differ from place to place.
func pattern(n int) []byte {
	b := make([]byte, n)
	state := uint64(n)
	for i := range b {
		state = state*6364136223846793005 + 1442695040888963407
		b[i] = byte(state >> 56)
	}
	return b
}

// tap is a net.Conn that keeps what crypto/tls writes after some writes, for the test to send as it likes.
type tap struct {
	net.Conn
	through int // writes that still pass
	kept    []byte
}

func (c *tap) Write(b []byte) (int, error) {
	if c.through > 0 {
		c.through--
		return c.Conn.Write(b)
	}
	c.kept = append(c.kept, b...)
	return len(b), nil
}

// SetWriteDeadline is how crypto/tls forbids writes behind close_notify; the test goes on to write.
func (*tap) SetWriteDeadline(time.Time) error { return nil }

// failures adds up all classes.
func failures(d *tlsdriver.Driver) (n uint64) {
	for _, class := range tlsdriver.Classes() {
		count, _ := d.Stats().Failed(class)
		n += count
	}
	return n
}
