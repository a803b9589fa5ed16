package gnetdriver

import (
	"net"
	"net/netip"
	"sync/atomic"

	"github.com/panjf2000/gnet/v2"

	"github.com/wsloop/wsloop/poller"
)

// conn is a connection. Only its loop touches it, but for token and addr, which do not change once others can see it,
// and what says otherwise.
type conn struct {
	loop    *loop
	token   poller.Token // 0 until it is open
	addr    netip.AddrPort
	flags   connFlags
	rest    []byte      // input that the handler has not consumed
	queue   queue       // output that the socket did not take
	settled atomic.Bool // it is open, or gnet did not take it: who sets it decides

	gnet    gnet.Conn // nil while gnet does not know it
	leaving bool      // gnet is closing it, or told to
	wire
}

type connFlags uint8

const (
	connPaused      connFlags = 1 << iota // the handler wants no Data
	connKept                              // bytes came that it was not told of
	connEOF                               // the peer sent FIN
	connEOFTold                           // and the handler knows
	connWriteClosed                       // CloseWrite was called
	connDead                              // Close was called; Closed follows in this turn
	connAgain                             // stands in loop.again
	connDraining                          // a goroutine waits for room for the queue, or writes
)

func newConn(l *loop, nc net.Conn) *conn {
	c := &conn{loop: l}
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		from := a.AddrPort()
		c.addr = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	}
	return c
}

// wantsInput says that bytes may be presented, and newer ones read.
func (c *conn) wantsInput() bool { return c.flags&connPaused == 0 && c.rest == nil }

// action is what gnet is to do with the connection of which it told.
func (c *conn) action() gnet.Action {
	if c.leaving {
		return gnet.Close
	}
	return gnet.None
}

// find finds the connection that t names, or nil. Any goroutine may call it.
func (l *loop) find(t poller.Token) *conn {
	if int(t.Slot()) >= l.slots.Len() {
		return nil
	}
	c := l.slots.At(t.Slot()).conn.Load()
	if c == nil || c.token != t {
		return nil
	}
	return c
}

// lookup finds it if it is not closed.
func (l *loop) lookup(t poller.Token) *conn {
	c := l.find(t)
	if c == nil || c.flags&connDead != 0 {
		return nil
	}
	return c
}

// opened gives a connection a slot, and tells the handler.
func (l *loop) opened(c *conn, gc gnet.Conn) {
	if c.settled.Swap(true) {
		c.flags |= connDead
		c.leaving = true
		return
	}
	var n uint32
	if last := len(l.freeSlots) - 1; last >= 0 {
		n = l.freeSlots[last]
		l.freeSlots = l.freeSlots[:last]
	} else {
		n = l.usedSlots
		l.usedSlots++
		l.slots.Grow(n)
		l.slots.At(n).generation = 1
	}
	s := l.slots.At(n)
	c.token = poller.MakeToken(n, s.generation)
	c.taken(gc)
	s.conn.Store(c)
	l.handler.Open(c.token)
}

// release gives up the slot, and then the descriptor: who finds the conn in its slot afterwards finds the descriptor
// unchanged, too.
func (l *loop) release(c *conn) {
	s := l.slots.At(c.token.Slot())
	s.generation++
	if s.generation == 0 {
		s.generation = 1
	}
	s.conn.Store(nil)
	l.freeSlots = append(l.freeSlots, c.token.Slot())
	l.count.Add(-1)
	l.free(c)
}

// letGo has gnet close what it knows: at once, or when it is done with the event that it tells of.
func (l *loop) letGo(c *conn) {
	if c.leaving {
		return
	}
	c.leaving = true
	if c != l.current {
		_ = l.gnet.Close(c.gnet) // calls OnClose; nothing is to be done about a close that fails
	}
}

// Close implements poller.Loop.
func (l *loop) Close(t poller.Token, err error) {
	c := l.lookup(t)
	if c == nil {
		return
	}
	c.flags |= connDead
	c.queue.drop(&l.buffers)
	l.dropRest(c)
	l.dead = append(l.dead, death{c, err})
	if !l.running.Load() {
		l.Wake()
	}
}

// RemoteAddr implements poller.Loop.
func (l *loop) RemoteAddr(t poller.Token) (netip.AddrPort, error) {
	c := l.find(t)
	if c == nil {
		return netip.AddrPort{}, poller.ErrClosed
	}
	return c.addr, nil
}

// Held implements poller.Loop.
func (l *loop) Held(t poller.Token) int {
	c := l.lookup(t)
	if c == nil {
		return 0
	}
	return c.queue.held() + cap(c.rest)
}
