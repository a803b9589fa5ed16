//go:build linux || darwin || freebsd

package sim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/wsloop/wsloop/poller"
)

const (
	bufferMost = 3000
	unused     = 0xa5 // fills what must not be written
)

var (
	unusedBytes = bytes.Repeat([]byte{unused}, bufferMost+64)
	errTest     = errors.New("closed by the test")
)

// A trial is one run of a random script against a handler that echoes as it likes and checks what package
// poller promises. Most runs come to a clean end, the others stop in the middle.
type trial struct {
	testing.TB
	w        *World
	meter    atomic.Int64
	handlers []*echoer
	clients  []*client
	script   func(*World)
	opened   int
	closed   int
	tried    int  // calls of TryWrite with bytes
	taken    int  // that it took
	dialed   int  // times that Dial returned nil
	dialings int  // and Dialing came
	orderly  bool // the handler ends no connection by itself any more, and pauses none
	lossy    bool // system calls fail for good: connections may end at any time
}

// A client is a peer and what is known of it. One that the driver dials has no Peer until there is a
// connection.
type client struct {
	*Peer
	sent    int // bytes of its pattern
	got     int // that were echoed
	conn    *conn
	healthy bool // nobody ended it before its time
	left    bool // it closed or reset the connection
	ended   bool // the server's FIN came
}

// An echoer is the handler of one loop.
type echoer struct {
	*trial
	loop   poller.Loop
	conns  []*conn // by slot
	buffer []byte  // of which Buffer answers a part, for all connections
	inside string  // the callback that runs
	busy   bool    // something was called on this turn
	asked  int     // wakes
	seen   int     // of which Flush knows
	gone   []poller.Token
	tick   time.Duration
}

// A conn is a connection as its handler sees it.
type conn struct {
	token      poller.Token
	connecting bool // it was dialed and is not made
	over       bool
	client     *client // nil if its address could not be learned
	got        int     // bytes consumed
	perTurn    int     // calls of Data on this turn
	buffer     []byte  // what Buffer answered last; what lies behind it must not be written
	left       bool    // Data left bytes
	eof        bool
	paused     bool
	shut       bool
	ended      bool // the handler called Close
	reason     error
}

// pattern is byte i of what client id sends.
func pattern(id, i int) byte { return byte(id*31 + i ^ i>>8*7 ^ i>>16) }

func patternBytes(id, from, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = pattern(id, from+i)
	}
	return b
}

func (h *echoer) check(ok bool, format string, args ...any) {
	if !ok {
		h.Helper()
		h.Fatalf("seed %d at %v: %s", h.w.Seed(), h.w.Now(), fmt.Sprintf(format, args...))
	}
}

// enter finds the connection of a callback.
func (h *echoer) enter(name string, t poller.Token) *conn {
	h.check(h.inside == "", "%s inside %s", name, h.inside)
	h.inside = name
	h.busy = h.busy || name != "Flush" && name != "Buffer"
	if t == 0 {
		return nil
	}
	h.check(int(t.Slot()) < len(h.conns) && h.conns[t.Slot()] != nil && h.conns[t.Slot()].token == t,
		"%s of %#x, which is not open", name, uint64(t))
	c := h.conns[t.Slot()]
	h.check(!c.ended || name == "Closed", "%s after Close", name)
	h.check(!c.connecting || name == "Connected" || name == "Closed", "%s before Connected", name)
	return c
}

func (h *echoer) leave() { h.inside = "" }

func (h *echoer) chance(n int) bool { return h.w.random.IntN(n) == 0 }

// begin notes a new connection.
func (h *echoer) begin(name string, t poller.Token) *conn {
	slot := int(t.Slot())
	if slot >= len(h.conns) {
		h.conns = append(h.conns, make([]*conn, slot+1-len(h.conns))...)
	}
	h.check(t.Generation() != 0 && h.conns[slot] == nil, "%s of %#x in a slot that is in use", name, uint64(t))
	c := &conn{token: t}
	h.conns[slot] = c
	h.opened++
	return c
}

func (h *echoer) Open(t poller.Token) {
	h.enter("Open", 0)
	defer h.leave()
	c := h.begin("Open", t)
	if addr, err := h.loop.RemoteAddr(t); err == nil {
		a := addr.Addr().As4()
		c.client = h.clients[int(a[1])<<16|int(a[2])<<8|int(a[3])]
		h.check(c.client.conn == nil, "peer %d is accepted twice", c.client.ID())
		c.client.conn = c
	}
	h.meddle(c)
}

func (h *echoer) Buffer(t poller.Token) []byte {
	c := h.enter("Buffer", t)
	defer h.leave()
	h.check(!c.paused && !c.eof && !c.left, "a buffer is asked for, paused %v, after EOF %v, with bytes left %v", c.paused, c.eof, c.left)
	copy(h.buffer, unusedBytes)
	c.buffer = nil
	if h.chance(2) {
		c.buffer = h.buffer[:h.w.random.IntN(bufferMost)]
	}
	return c.buffer
}

// checkBuffer holds that b lies where Buffer said, and nothing behind that was written.
func (h *echoer) checkBuffer(c *conn, b []byte) {
	if len(c.buffer) > 0 && !c.left {
		h.check(len(b) <= len(c.buffer) && &b[0] == &c.buffer[0], "Data of %d bytes is not in the buffer of %d", len(b), len(c.buffer))
	}
	behind := h.buffer[len(c.buffer):]
	h.check(c.left || bytes.Count(behind, []byte{unused}) == len(behind), "bytes behind a buffer of %d were written", len(c.buffer))
}

func (h *echoer) Dialing(t poller.Token, tag any) {
	h.enter("Dialing", 0)
	defer h.leave()
	c := h.begin("Dialing", t)
	c.connecting = true
	c.client = tag.(*client)
	h.check(c.client.conn == nil, "a tag comes twice")
	c.client.conn = c
	h.dialings++
	h.check(errors.Is(h.loop.Write(t, []byte("early")), poller.ErrClosed), "Write before Connected succeeded")
	h.meddle(c)
}

func (h *echoer) Connected(t poller.Token) {
	c := h.enter("Connected", t)
	defer h.leave()
	h.check(c.connecting && c.client.Peer != nil, "Connected without a connection, connecting %v", c.connecting)
	c.connecting = false
	h.check(h.loop.Write(t, nil) == nil, "Write inside Connected failed")
	h.meddle(c)
}

func (h *echoer) Data(t poller.Token, b []byte) int {
	c := h.enter("Data", t)
	defer h.leave()
	c.perTurn++
	h.checkBuffer(c, b)
	h.check(len(b) > 0 && !c.eof && !c.paused && c.perTurn <= 2, "Data of %d bytes, after EOF %v, paused %v, %d times on one turn", len(b), c.eof, c.paused, c.perTurn)
	if c.client != nil {
		i := slices.IndexFunc(b, func(x byte) bool { c.got++; return x != pattern(c.client.ID(), c.got-1) })
		c.got -= len(b)
		h.check(i < 0, "peer %d: a wrong byte at %d", c.client.ID(), c.got+i)
		h.check(c.got+len(b) <= c.client.sent, "peer %d: %d bytes came, %d were sent", c.client.ID(), c.got+len(b), c.client.sent)
	}
	n := len(b)
	switch {
	case h.orderly || h.chance(2):
	case h.chance(3):
		n = 0
	default:
		n = h.w.random.IntN(n + 1)
	}
	if n > 0 && !c.shut {
		h.write(c, b[:n])
	}
	c.got += n
	clear(b[:n])
	c.left = n < len(b)
	h.meddle(c)
	return n
}

// write echoes in one piece or in many, or leaves to Write what TryWrite does not take.
func (h *echoer) write(c *conn, b []byte) {
	if h.loop.Pending(c.token) == 0 && h.chance(3) {
		cut := h.w.random.IntN(len(b) + 1)
		n := h.loop.TryWrite(c.token, b[:cut], b[cut:])
		h.tried++
		h.taken += n
		h.check(n >= 0 && n <= len(b), "TryWrite took %d of %d bytes", n, len(b))
		if b = b[n:]; len(b) == 0 {
			return
		}
	}
	if h.chance(2) {
		h.check(h.loop.Write(c.token, b) == nil, "Write of an open connection failed")
		return
	}
	var vec [][]byte
	for piece := range slices.Chunk(b, 1+h.w.random.IntN(len(b))) {
		vec = append(vec, piece)
		if h.chance(5) {
			vec = append(vec, nil)
		}
	}
	h.check(h.loop.Writev(c.token, vec) == nil, "Writev of an open connection failed")
}

// meddle pauses, resumes, wakes and ends connections, this one and others.
func (h *echoer) meddle(c *conn) {
	if h.orderly {
		return
	}
	if h.chance(3) {
		c = h.conns[h.w.random.IntN(len(h.conns))]
	}
	if c == nil || c.ended {
		return
	}
	switch h.w.random.IntN(120) {
	case 0, 1, 2, 3, 4, 5, 6, 7, 8, 9:
		c.paused = true
		h.loop.Pause(c.token)
	case 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21:
		h.resume(c)
	case 22, 23, 24, 25:
		h.wake()
	case 26:
		if c.connecting {
			h.loop.CloseWrite(c.token)
			break
		}
		h.sick(c)
		c.shut = true
		h.loop.CloseWrite(c.token)
		h.check(errors.Is(h.loop.Write(c.token, []byte("x")), poller.ErrClosed), "Write after CloseWrite succeeded")
		h.check(h.loop.Pending(c.token) > 0 || h.loop.TryWrite(c.token, []byte("x"), nil) == 0, "TryWrite after CloseWrite took a byte")
	case 27:
		h.end(c, errTest)
	case 30, 31, 32, 33:
		// It takes the socket's error if there is one, and nobody writes then.
		h.check(c.connecting || h.loop.TryWrite(c.token, nil, nil) == 0, "TryWrite took something of nothing")
	case 28, 29:
		h.w.Block(time.Duration(h.w.random.Int64N(int64(3 * time.Second))))
	}
}

func (h *echoer) sick(c *conn) {
	if c.client != nil {
		c.client.healthy = false
	}
}

func (h *echoer) resume(c *conn) {
	c.paused = false
	h.loop.Resume(c.token)
}

func (h *echoer) wake() {
	h.asked++
	h.loop.Wake()
}

// end closes a connection before its time.
func (h *echoer) end(c *conn, err error) {
	h.sick(c)
	h.close(c, err)
}

func (h *echoer) close(c *conn, err error) {
	if !c.ended {
		c.ended, c.reason = true, err
	}
	h.loop.Close(c.token, err)
	h.check(h.loop.Pending(c.token) == 0 && h.loop.Held(c.token) == 0, "a closed connection holds bytes")
}

func (h *echoer) EOF(t poller.Token) {
	c := h.enter("EOF", t)
	defer h.leave()
	h.check(!c.eof && !c.paused, "EOF, again %v, paused %v", c.eof, c.paused)
	c.eof = true
	if c.client != nil && !h.lossy {
		h.check(c.got == c.client.sent, "peer %d: EOF after %d of %d bytes", c.client.ID(), c.got, c.client.sent)
	}
	h.finish(c)
}

// finish closes what its peer ended, once all is sent, or later.
func (h *echoer) finish(c *conn) {
	if c.eof && h.loop.Pending(c.token) == 0 && (h.orderly || h.chance(2)) {
		h.close(c, nil)
	}
}

func (h *echoer) Progress(t poller.Token, pending int) {
	h.enter("Progress", t)
	defer h.leave()
	h.check(pending > 0 && h.loop.Pending(t) == pending, "Progress(%d) with %d pending", pending, h.loop.Pending(t))
}

func (h *echoer) Drained(t poller.Token) {
	c := h.enter("Drained", t)
	defer h.leave()
	h.check(h.loop.Pending(t) == 0, "Drained with %d bytes pending", h.loop.Pending(t))
	h.finish(c)
	h.meddle(c)
}

func (h *echoer) Closed(t poller.Token, err error) {
	c := h.enter("Closed", t)
	defer h.leave()
	if c.ended {
		// A write may have failed before, which is the reason then.
		var errno syscall.Errno
		h.check(errors.Is(err, c.reason) || errors.As(err, &errno), "Closed with %v, Close was called with %v", err, c.reason)
	} else {
		h.sick(c)
		over := errors.Is(err, poller.ErrStopped) || errors.Is(err, io.EOF) && c.eof && c.shut
		h.check(over || h.lossy || c.client == nil || c.client.left || c.connecting && h.fitsDial(err), "Closed with %v, and nobody did it", err)
	}
	c.over = true
	h.check(errors.Is(h.loop.Write(t, []byte("late")), poller.ErrClosed), "Write inside Closed succeeded")
	h.conns[t.Slot()] = nil
	h.gone = append(h.gone, t)
	h.closed++
}

// fitsDial says that err is a reason why a connection could not be made.
func (h *echoer) fitsDial(err error) bool {
	f := &h.w.options.Faults
	switch err {
	case syscall.ECONNREFUSED:
		return f.DialRefused > 0
	case syscall.ECONNRESET:
		return f.DialReset > 0
	case syscall.ENOSPC, syscall.ENOMEM:
		return f.AddFails > 0
	}
	return false
}

func (h *echoer) Flush() {
	h.enter("Flush", 0)
	defer h.leave()
	// A turn in which nothing happens must have no consequences: it would hide a loop that spins.
	busy := h.busy || h.seen != h.asked
	h.seen, h.busy = h.asked, false
	if !busy {
		return
	}
	clear(h.buffer) // which may be another's next
	for _, t := range h.gone {
		h.check(h.loop.TryWrite(t, []byte("late"), nil) == 0, "TryWrite to a connection that is closed took something")
	}
	for _, c := range h.conns {
		if c == nil {
			continue
		}
		c.perTurn = 0
		if !c.ended {
			h.finish(c)
		}
		if !c.ended && c.paused && (h.orderly || h.chance(8)) {
			h.resume(c)
		}
	}
	if len(h.conns) > 0 && h.chance(4) {
		if c := h.conns[h.w.random.IntN(len(h.conns))]; c != nil {
			h.meddle(c)
		}
	}
}

func (h *echoer) Tick(now time.Duration) {
	h.enter("Tick", 0)
	defer h.leave()
	h.check(now == h.loop.Now() && (h.tick == 0 || now >= h.tick+poller.TickInterval), "Tick at %v after %v", now, h.tick)
	h.tick = now
}

// run plays a script of so many acts and ends it in good order.
func (r *trial) run(o Options, acts int) {
	r.Helper()
	o.Meter = &r.meter
	o.Main = func(w *World) {
		w.OnDial(r.reached)
		if r.script != nil {
			r.script(w)
		}
		for range acts {
			r.act()
		}
		if r.script != nil || w.random.IntN(4) > 0 {
			r.conclude()
			return
		}
		for range w.random.IntN(4) {
			r.dial()
			r.call(w.random.IntN(2) == 0)
			w.Step()
		}
	}
	r.w = New(o)
	if err := r.w.Serve(func(l poller.Loop) poller.Handler {
		h := &echoer{trial: r, loop: l, buffer: bytes.Clone(unusedBytes)}
		r.handlers = append(r.handlers, h)
		return h
	}); err != nil {
		r.Fatal(err)
	}
	r.w.Settle()
	h := r.handlers[0]
	h.check(r.dialed == r.dialings, "Dialing came %d times for %d dials", r.dialings, r.dialed)
	h.check(r.opened == r.closed, "%d connections were opened, %d closed", r.opened, r.closed)
	h.check(r.meter.Load() == 0, "the meter says %d at the end", r.meter.Load())
	h.check(r.w.table.open == 0, "%d descriptors are open at the end", r.w.table.open)
	h.check(r.w.count == uint32(len(r.clients)), "%d sockets of %d clients", r.w.count, len(r.clients))
}

// act has something be done to the world.
func (r *trial) act() {
	w := r.w
	if len(r.clients) == 0 || len(r.clients) < 12 && w.random.IntN(8) == 0 {
		if w.random.IntN(3) == 0 {
			r.call(w.random.IntN(2) == 0)
		} else {
			r.dial()
		}
		return
	}
	c := r.clients[w.random.IntN(len(r.clients))]
	if c.Peer == nil {
		w.Step()
		return
	}
	switch w.random.IntN(20) {
	case 0, 1, 2:
		// Not so much that it takes thousands of moves through small buffers.
		most := min(100_000, 40*min(w.options.SendBuffer, w.options.ReceiveBuffer))
		c.send(w.random.IntN(1 + w.random.IntN(most)))
	case 3, 4:
		c.Window(w.random.IntN(3000) - 1)
	case 5:
		if w.random.IntN(6) == 0 {
			c.leave([]func(){c.CloseWrite, c.CloseWrite, c.Close, c.Reset, c.Vanish}[w.random.IntN(5)])
		}
	case 6:
		w.Advance(time.Duration(w.random.IntN(400)) * time.Millisecond)
		r.checkWakes()
	case 7:
		h := r.handlers[w.random.IntN(len(r.handlers))]
		w.Go(h.wake)
	case 8:
		h := r.handlers[w.random.IntN(len(r.handlers))]
		w.After(time.Duration(w.random.IntN(int(time.Second))), h.wake)
	case 9:
		w.Settle()
		r.checkWakes()
	default:
		for range w.random.IntN(40) {
			w.Step()
		}
	}
}

// leave ends a connection in one of the peer's ways.
func (c *client) leave(way func()) {
	way()
	c.healthy = false
	c.left = c.left || c.w.socket(c.id).has(peerClosed|peerOver)
}

// checkWakes holds that once nothing happens, Flush followed every wake.
func (r *trial) checkWakes() {
	for _, h := range r.handlers {
		h.check(h.seen == h.asked || r.lossy, "Flush saw %d of %d wakes", h.seen, h.asked)
	}
}

func (r *trial) dial() {
	c := &client{healthy: true}
	r.clients = append(r.clients, c)
	r.meet(c, r.w.Dial())
}

// call has the driver dial a client, which is there if and when the connection is made.
func (r *trial) call(local bool) {
	w := r.w
	c := &client{healthy: true}
	order := poller.Dial{Addr: netip.MustParseAddrPort("192.0.2.1:80"), Loop: w.random.IntN(1+len(r.handlers)) - 1, Tag: c}
	if local {
		order.Local = netip.MustParseAddrPort("10.255.0.1:0")
	}
	before := w.count
	err := w.Driver().Dial(&order)
	if w.count != before {
		r.clients = append(r.clients, c) // the socket has a number, whatever became of it
	}
	if err == nil {
		r.dialed++
		return
	}
	c.healthy = false
	f := &w.options.Faults
	r.handlers[0].check(r.lossy || errors.Is(err, syscall.EMFILE) && (f.EMFILE > 0 || w.options.Descriptors > 0), "Dial: %v", err)
}

// reached is told of the far end of a connection that the driver dialed.
func (r *trial) reached(p *Peer) {
	c := r.clients[p.ID()]
	r.handlers[0].check(c.Peer == nil && p.State() == Open, "peer %d is dialed twice, or %v", p.ID(), p.State())
	r.meet(c, p)
	if r.w.random.IntN(4) == 0 {
		c.send(r.w.random.IntN(100))
	}
	if !r.orderly && r.w.random.IntN(20) == 0 {
		c.leave([]func(){c.CloseWrite, c.Close, c.Reset}[r.w.random.IntN(3)])
	}
}

// meet has a client listen to its peer.
func (r *trial) meet(c *client, p *Peer) {
	c.Peer = p
	c.Cut([]Cut{CutAnywhere, CutAnywhere, CutNowhere}[r.w.random.IntN(3)])
	h := r.handlers[0]
	c.OnData(func(b []byte) {
		h.check(c.got+len(b) <= c.sent, "peer %d: %d bytes came back of %d", c.ID(), c.got+len(b), c.sent)
		h.check(bytes.Equal(b, patternBytes(c.ID(), c.got, len(b))), "peer %d: the echo differs behind %d", c.ID(), c.got)
		c.got += len(b)
	})
	c.OnEnd(func(error) { h.check(!c.ended || c.State() == Reset, "peer %d: two ends", c.ID()); c.ended = true })
}

func (c *client) send(n int) {
	if s := c.w.socket(c.id); s.has(finSent | peerOver | vanished) {
		return
	}
	c.Send(patternBytes(c.ID(), c.sent, n))
	c.sent += n
}

// conclude has all that can still be echoed be echoed, and everybody leave.
func (r *trial) conclude() {
	w := r.w
	w.Calm()
	r.orderly = true
	for _, h := range r.handlers {
		h.wake()
	}
	for _, c := range r.clients {
		if c.Peer != nil {
			c.Window(-1)
		}
	}
	w.Advance(time.Second + maxDialDelay)
	r.checkWakes()
	for _, c := range r.clients {
		h := r.handlers[0]
		if c.Peer == nil {
			h.check(c.conn == nil || c.conn.over || r.lossy, "a dial has come to no end")
			continue
		}
		if s := w.socket(c.id); s.has(accepted) && c.conn != nil && c.conn.shut && !r.lossy && !s.has(vanished|peerClosed|peerOver) {
			h.check(c.ended, "peer %d has not seen the server's FIN", c.ID())
		}
		waits := c.State() == Open && c.conn == nil && !w.socket(c.id).has(accepted|orphaned)
		h.check(!waits || r.lossy || w.options.Descriptors > 0, "peer %d was not accepted", c.ID())
		if c.conn == nil || !c.healthy {
			continue
		}
		h.check(c.got == c.sent && c.State() == Open, "peer %d is %v and got %d of %d bytes back", c.ID(), c.State(), c.got, c.sent)
		c.CloseWrite()
		w.Settle()
		h.check(c.State() == Gone && c.ended, "peer %d is %v after both ends closed", c.ID(), c.State())
	}
}
