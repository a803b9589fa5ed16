package proxydriver_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/proxydriver"
)

// rig is a driver over real sockets that echoes.
type rig struct {
	t      testing.TB
	driver *proxydriver.Driver
	addr   string
	opened chan opening
	closed chan poller.Token
	served chan error
}

// opening is a call of Open.
type opening struct {
	loop  poller.Loop
	token poller.Token
	addr  netip.AddrPort
}

// echoer is the handler of one loop.
type echoer struct {
	rig  *rig
	loop poller.Loop
}

func (h *echoer) Open(t poller.Token) {
	addr, _ := h.loop.RemoteAddr(t)
	h.rig.opened <- opening{h.loop, t, addr}
}

func (h *echoer) Data(t poller.Token, b []byte) int {
	_ = h.loop.Write(t, b)
	return len(b)
}

func (h *echoer) EOF(t poller.Token)             { h.loop.Close(t, nil) }
func (h *echoer) Closed(t poller.Token, _ error) { h.rig.closed <- t }
func (h *echoer) Dialing(poller.Token, any)      {}
func (h *echoer) Connected(poller.Token)         {}
func (h *echoer) Buffer(poller.Token) []byte     { return nil }
func (h *echoer) Progress(_ poller.Token, _ int) {}
func (h *echoer) Drained(poller.Token)           {}
func (h *echoer) Flush()                         {}
func (h *echoer) Tick(time.Duration)             {}

// newRig serves an echo.
func newRig(t testing.TB, loops int, o proxydriver.Options) *rig {
	t.Helper()
	ln := listen(t)
	r := &rig{
		t: t, driver: wrapNative(t, loops, o), addr: ln.Addr().String(),
		opened: make(chan opening, 1<<15), closed: make(chan poller.Token, 1<<15), served: make(chan error, 1),
	}
	if err := r.driver.AddListener(ln); err != nil {
		t.Fatal(err)
	}
	go func() {
		r.served <- r.driver.Serve(func(l poller.Loop) poller.Handler { return &echoer{r, l} })
	}()
	t.Cleanup(func() {
		r.driver.Stop()
		if err := receive(t, r.served, "Serve to return"); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return r
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(context.Background(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(deadline)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func send(t testing.TB, c net.Conn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

func expect(t testing.TB, c net.Conn, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil {
		t.Fatalf("read %d of %d bytes: %v", n, len(got), err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("read %q, want %q", got, want)
	}
}

// expectEnd reads the end, by FIN or RST, and nothing before it.
func expectEnd(t testing.TB, c net.Conn) {
	t.Helper()
	b, err := io.ReadAll(c)
	var timeout net.Error
	if len(b) > 0 || errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatalf("read %q and %v, want the end", b, err)
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

// readers ask for addresses all the time until they are stopped.
func readers(n int, ask func()) (stop func()) {
	over := make(chan struct{})
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
					ask()
					runtime.Gosched()
				}
			}
		})
	}
	return func() {
		close(over)
		all.Wait()
	}
}
