package pollertest

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsloop/wsloop/poller"
)

// A behaviour is what a test does in the callbacks. Functions left nil do nothing,
// and data consumes all. They run on the loop.
type behaviour struct {
	dialing func(*conn)
	open    func(*conn) // also of a dialed connection, when it is made
	buffer  func(*conn) []byte
	data    func(c *conn, b []byte) (consumed int)
	eof     func(*conn)
	drained func(*conn)
	closed  func(c *conn, err error)
	flush   func(*handler)
	tick    func(h *handler, now time.Duration)
}

// A handler checks what holds for every driver and lets the behaviour act.
type handler struct {
	server *server
	loop   poller.Loop
	inside atomic.Bool // a callback is running

	conns   map[poller.Token]*conn
	turn    int // calls of Flush
	lastNow time.Duration

	mu     sync.Mutex
	posted []func()
}

// A conn is one connection as the handler saw it. Its fields are the loop's.
type conn struct {
	h     *handler
	token poller.Token

	dialed     bool // it was asked for by Dial
	connecting bool // and is being made
	tag        any

	buffer []byte // what was answered last
	left   bool   // Data left bytes

	eof    bool
	closed bool
	paused bool
	closer error // what the test passed to Close
	ended  bool  // the test called Close
}

var _ poller.Handler = (*handler)(nil)

// enter and leave enclose each callback.
func (h *handler) enter(name string) {
	if !h.inside.CompareAndSwap(false, true) {
		h.server.t.Errorf("%s was called inside another callback of its loop", name)
	}
}

func (h *handler) leave() { h.inside.Store(false) }

// find checks that the connection may receive the callback.
func (h *handler) find(name string, t poller.Token) *conn {
	c := h.conns[t]
	if c == nil {
		h.server.t.Errorf("%s of a connection that is not open: %#x", name, uint64(t))
		return &conn{h: h, token: t, closed: true}
	}
	if c.ended && name != "Closed" {
		h.server.t.Errorf("%s after Loop.Close", name)
	}
	if c.connecting && name != "Connected" && name != "Closed" {
		h.server.t.Errorf("%s before Connected", name)
	}
	return c
}

// begin notes a new connection.
func (h *handler) begin(name string, t poller.Token) *conn {
	if t.Generation() == 0 {
		h.server.t.Errorf("%s with generation 0: %#x", name, uint64(t))
	}
	for other := range h.conns {
		if other.Slot() == t.Slot() {
			h.server.t.Errorf("%s of %#x in the slot of %#x, which is not closed", name, uint64(t), uint64(other))
		}
	}
	c := &conn{h: h, token: t}
	h.conns[t] = c
	return c
}

// Open implements poller.Handler.
func (h *handler) Open(t poller.Token) {
	h.enter("Open")
	defer h.leave()
	c := h.begin("Open", t)
	if h.server.behaviour.open != nil {
		h.server.behaviour.open(c)
	}
	h.server.opened <- c
}

// Buffer implements poller.Handler.
func (h *handler) Buffer(t poller.Token) []byte {
	h.enter("Buffer")
	defer h.leave()
	c := h.find("Buffer", t)
	c.buffer = nil
	if h.server.behaviour.buffer != nil {
		c.buffer = h.server.behaviour.buffer(c)
	}
	return c.buffer
}

// Dialing implements poller.Handler.
func (h *handler) Dialing(t poller.Token, tag any) {
	h.enter("Dialing")
	defer h.leave()
	c := h.begin("Dialing", t)
	c.dialed, c.connecting, c.tag = true, true, tag
	if h.server.behaviour.dialing != nil {
		h.server.behaviour.dialing(c)
	}
}

// Connected implements poller.Handler.
func (h *handler) Connected(t poller.Token) {
	h.enter("Connected")
	defer h.leave()
	c := h.find("Connected", t)
	if !c.connecting {
		h.server.t.Errorf("Connected of %#x, which was dialed: %v", uint64(t), c.dialed)
	}
	c.connecting = false
	if h.server.behaviour.open != nil {
		h.server.behaviour.open(c)
	}
	h.server.opened <- c
}

// Data implements poller.Handler.
func (h *handler) Data(t poller.Token, b []byte) int {
	h.enter("Data")
	defer h.leave()
	c := h.find("Data", t)
	if c.eof || c.paused || len(b) == 0 {
		h.server.t.Errorf("Data of %d bytes, after EOF: %v, paused: %v", len(b), c.eof, c.paused)
	}
	if len(c.buffer) > 0 && !c.left && (len(b) > len(c.buffer) || &b[0] != &c.buffer[0]) {
		h.server.t.Errorf("Data of %d bytes is not at the beginning of the buffer of %d", len(b), len(c.buffer))
	}
	c.buffer = nil
	consumed := len(b)
	if h.server.behaviour.data != nil {
		consumed = h.server.behaviour.data(c, b)
	}
	c.left = consumed < len(b)
	return consumed
}

// EOF implements poller.Handler.
func (h *handler) EOF(t poller.Token) {
	h.enter("EOF")
	defer h.leave()
	c := h.find("EOF", t)
	if c.eof || c.paused {
		h.server.t.Errorf("EOF, again: %v, paused: %v", c.eof, c.paused)
	}
	c.eof = true
	if h.server.behaviour.eof != nil {
		h.server.behaviour.eof(c)
	}
}

// Progress implements poller.Handler.
func (h *handler) Progress(t poller.Token, pending int) {
	h.enter("Progress")
	defer h.leave()
	h.find("Progress", t)
	if n := h.loop.Pending(t); n != pending || n == 0 {
		h.server.t.Errorf("Progress(%d) with %d bytes pending", pending, n)
	}
}

// Drained implements poller.Handler.
func (h *handler) Drained(t poller.Token) {
	h.enter("Drained")
	defer h.leave()
	c := h.find("Drained", t)
	if n := h.loop.Pending(t); n != 0 {
		h.server.t.Errorf("Drained with %d bytes pending", n)
	}
	if h.server.behaviour.drained != nil {
		h.server.behaviour.drained(c)
	}
}

// Closed implements poller.Handler.
func (h *handler) Closed(t poller.Token, err error) {
	h.enter("Closed")
	defer h.leave()
	c := h.find("Closed", t)
	if c.ended && !errors.Is(err, c.closer) {
		h.server.t.Errorf("Closed with %v, Close was called with %v", err, c.closer)
	}
	c.closed = true
	delete(h.conns, t)
	if werr := h.loop.Write(t, []byte("late")); !errors.Is(werr, poller.ErrClosed) {
		h.server.t.Errorf("Write inside Closed: %v, want ErrClosed", werr)
	}
	if h.server.behaviour.closed != nil {
		h.server.behaviour.closed(c, err)
	}
	h.server.closed <- ending{c, err}
}

// Flush implements poller.Handler. It runs what the test posted.
func (h *handler) Flush() {
	h.enter("Flush")
	defer h.leave()
	h.turn++
	h.mu.Lock()
	posted := h.posted
	h.posted = nil
	h.mu.Unlock()
	for _, f := range posted {
		f()
	}
	if h.server.behaviour.flush != nil {
		h.server.behaviour.flush(h)
	}
}

// Tick implements poller.Handler.
func (h *handler) Tick(now time.Duration) {
	h.enter("Tick")
	defer h.leave()
	if now < h.lastNow || now != h.loop.Now() {
		h.server.t.Errorf("Tick at %v after %v, while Loop.Now is %v", now, h.lastNow, h.loop.Now())
	}
	h.lastNow = now
	if h.server.behaviour.tick != nil {
		h.server.behaviour.tick(h, now)
	}
}

// do runs f in a later Flush of the loop and waits for it.
func (h *handler) do(f func()) {
	h.server.t.Helper()
	done := make(chan struct{})
	h.mu.Lock()
	h.posted = append(h.posted, func() { f(); close(done) })
	h.mu.Unlock()
	h.loop.Wake()
	receive(h.server.t, done, "the loop to take a turn")
}

// turns lets the loop take n turns.
func (h *handler) turns(n int) {
	for range n {
		h.do(func() {})
	}
}

// Methods of a conn run on the loop.

func (c *conn) write(b []byte) error { return c.h.loop.Write(c.token, b) }

func (c *conn) pending() int { return c.h.loop.Pending(c.token) }

func (c *conn) pause() { c.paused = true; c.h.loop.Pause(c.token) }

func (c *conn) resume() { c.paused = false; c.h.loop.Resume(c.token) }

// close ends the connection and lets the handler check what follows.
func (c *conn) close(err error) {
	if !c.closed && !c.ended {
		c.ended, c.closer = true, err
	}
	c.h.loop.Close(c.token, err)
}
