package gnetdriver

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/wsloop/wsloop/poller"
)

// patience bounds every wait of a test; nothing is measured by it.
const patience = 60 * time.Second

// A rig is a driver of one loop, with a handler whose callbacks the test chooses. Those left nil do nothing, and
// onData takes all.
type rig struct {
	t      *testing.T
	driver *Driver
	loop   *loop
	addr   string
	served chan error
	opened chan poller.Token
	closed chan error

	onData func(t poller.Token, b []byte) int
	onEOF  func(t poller.Token)
}

// rigHandler implements poller.Handler.
type rigHandler struct{ *rig }

func (h rigHandler) Open(t poller.Token)            { h.opened <- t }
func (h rigHandler) Dialing(poller.Token, any)      { h.t.Error("Dialing") }
func (h rigHandler) Connected(poller.Token)         { h.t.Error("Connected") }
func (h rigHandler) Buffer(poller.Token) []byte     { h.t.Error("Buffer"); return nil }
func (h rigHandler) Progress(poller.Token, int)     {}
func (h rigHandler) Drained(poller.Token)           {}
func (h rigHandler) Flush()                         {}
func (h rigHandler) Tick(time.Duration)             {}
func (h rigHandler) Closed(_ poller.Token, e error) { h.closed <- e }

func (h rigHandler) Data(t poller.Token, b []byte) int {
	if h.onData != nil {
		return h.onData(t, b)
	}
	return len(b)
}

func (h rigHandler) EOF(t poller.Token) {
	if h.onEOF != nil {
		h.onEOF(t)
	}
}

// newRig makes a driver that does not serve yet.
func newRig(t *testing.T, ln net.Listener) *rig {
	t.Helper()
	d, err := New(Options{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.AddListener(ln); err != nil {
		t.Fatal(err)
	}
	return &rig{
		t: t, driver: d, loop: d.loops[0], addr: ln.Addr().String(), served: make(chan error, 1),
		opened: make(chan poller.Token, 100), closed: make(chan error, 100),
	}
}

// serve serves, and has the driver stopped at the end of the test.
func (r *rig) serve() *rig {
	go func() {
		r.served <- r.driver.Serve(func(poller.Loop) poller.Handler { return rigHandler{r} })
	}()
	r.t.Cleanup(sync.OnceFunc(func() {
		r.driver.Stop()
		receive(r.t, r.served, "Serve")
	}))
	return r
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// dial connects a client that gives up at the deadline.
func (r *rig) dial() *net.TCPConn {
	r.t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// open connects a client and returns both ends.
func (r *rig) open() (*net.TCPConn, poller.Token) {
	r.t.Helper()
	c := r.dial()
	return c, receive(r.t, r.opened, "Open")
}

// do runs f on the loop.
func (r *rig) do(f func()) {
	r.t.Helper()
	done := make(chan struct{})
	r.loop.post(func() { f(); close(done) })
	receive(r.t, done, "a turn")
}

// await has the loop look until something is so.
func (r *rig) await(what string, is func() bool) {
	r.t.Helper()
	for start := time.Now(); ; {
		var done bool
		r.do(func() { done = is() })
		if done {
			return
		}
		if time.Since(start) > patience {
			r.t.Fatalf("gave up waiting for %s", what)
		}
	}
}

func receive[T any](t testing.TB, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("gave up waiting for %s", what)
		panic("unreachable")
	}
}
