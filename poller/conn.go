//go:build linux || darwin || freebsd

package poller

import (
	"io"
	"sync/atomic"
	"syscall"
)

// conn is what every connection costs the driver: 16 bytes without pointers. fd and
// generation are written by the loop alone; ask reads them from other goroutines.
type conn struct {
	fd         atomic.Int32  // while the slot is free: the next free slot
	generation atomic.Uint32 // of the slot, raised when a connection leaves it
	extra      uint32        // index in loop.extras, 0 for none
	interest   interest
	flags      connFlags
}

type connFlags uint8

const (
	connPaused      connFlags = 1 << iota // the handler wants no Data
	connEOF                               // the peer sent FIN
	connWriteClosed                       // CloseWrite was called
	connDead                              // Close was called; Closed follows in this turn
	connAgain                             // stands in loop.rests
	connConnecting                        // dialed, and not connected yet
	connHeld                              // the system may hold back what WriteLast wrote
)

// lookup finds the live connection that t names, or nil.
func (l *loop) lookup(t Token) *conn {
	if int(t.Slot()) >= l.conns.Len() {
		return nil
	}
	c := l.conns.At(t.Slot())
	if c.generation.Load() != t.Generation() || c.flags&connDead != 0 {
		return nil
	}
	return c
}

// open takes an accepted descriptor in, watches it and tells the handler.
func (l *loop) open(fd int) {
	t, c := l.occupy(fd)
	c.interest = interestRead
	if errno := l.mechanism.add(fd, t, interestRead); errno != 0 {
		l.driver.stats.AcceptErrors.Add(1)
		l.release(c, t.Slot())
		return
	}
	l.handler.Open(t)
}

// occupy gives the descriptor a slot.
func (l *loop) occupy(fd int) (Token, *conn) {
	slot := l.freeSlot
	if slot != noSlot {
		l.freeSlot = uint32(l.conns.At(slot).fd.Load())
	} else {
		slot = l.usedSlots
		l.usedSlots++
		l.conns.Grow(slot)
		l.conns.At(slot).generation.Store(1)
	}
	c := l.conns.At(slot)
	c.fd.Store(int32(fd))
	c.flags, c.interest, c.extra = 0, 0, 0
	return MakeToken(slot, c.generation.Load()), c
}

// release closes the descriptor and gives the slot up. The generation is raised
// before the descriptor can become another's: ask and TryWrite rely on it.
func (l *loop) release(c *conn, slot uint32) {
	t := MakeToken(slot, c.generation.Load())
	generation := t.Generation() + 1
	if generation == 0 {
		generation = 1
	}
	c.generation.Store(generation)
	if c.flags&connHeld != 0 {
		// Where input is unread, close alone would drop what is held.
		l.kernel.closeWrite(int(c.fd.Load()))
	}
	l.closePinned(t, int(c.fd.Load()))
	c.flags = connDead
	c.fd.Store(int32(l.freeSlot))
	l.freeSlot = slot
	l.count.Add(-1)
}

// readable reads once: level triggering brings the rest on later turns, after the
// others had theirs.
func (l *loop) readable(t Token, c *conn) {
	b := l.handler.Buffer(t)
	if len(b) == 0 {
		b = l.buffer
	}
	n, errno := l.kernel.read(int(c.fd.Load()), b)
	l.received(t, c, b, n, errno)
}

// received is what a read of the socket brought: n bytes of b, the end or an error.
func (l *loop) received(t Token, c *conn, b []byte, n int, errno syscall.Errno) {
	switch {
	case errno == syscall.EAGAIN || errno == syscall.EINTR:
	case errno != 0:
		l.Close(t, errno)
	case n == 0:
		if !l.isEnd(t, c) {
			return
		}
		c.flags |= connEOF
		l.handler.EOF(t)
		if c.flags&connDead == 0 { // most handlers close the connection, which saves a system call
			l.watch(t, c, c.interest&^interestRead)
		}
	default:
		l.present(t, c, b[:n])
	}
}

// present hands b up and keeps what the handler leaves.
func (l *loop) present(t Token, c *conn, b []byte) {
	consumed := l.handler.Data(t, b)
	if consumed >= len(b) || c.flags&connDead != 0 {
		return
	}
	l.keep(c, b[consumed:])
	l.presentLater(t, c)
}

// keep copies what the handler has not consumed.
func (l *loop) keep(c *conn, b []byte) { l.extra(c).rest = append(l.buffers.Get(len(b)), b...) }

// presentLater lists the connection for the next turn, once however often it is
// paused and resumed meanwhile.
func (l *loop) presentLater(t Token, c *conn) {
	if c.flags&(connPaused|connAgain) == 0 {
		c.flags |= connAgain
		l.rests = append(l.rests, t)
	}
}

// presentRests brings again what was not consumed. Connections that leave bytes
// once more come back on the next turn.
func (l *loop) presentRests() {
	l.rests, l.restsNow = l.restsNow[:0], l.rests
	for _, t := range l.restsNow {
		c := l.lookup(t)
		if c == nil {
			continue
		}
		c.flags &^= connAgain
		if c.flags&connPaused != 0 || c.extra == 0 {
			continue
		}
		x := l.extras[c.extra]
		rest := x.rest
		if rest == nil {
			continue
		}
		x.rest = nil
		l.present(t, c, rest)
		l.buffers.Put(rest)
		l.tidy(c)
	}
}

// hangup is told of a connection that is not read: paused, or past the peer's FIN. It
// ends it, but for one that is paused and has no error: there the peer closed, and what it
// sent waits for Resume. Level triggering would report either for ever.
func (l *loop) hangup(t Token, c *conn, failed bool) {
	switch {
	case c.flags&connEOF == 0 && !failed:
		l.watch(t, c, 0)
	case c.flags&connEOF != 0 && c.flags&connWriteClosed != 0:
		l.Close(t, io.EOF)
	default:
		l.Close(t, syscall.ECONNRESET)
	}
}

// watch changes the interest; a mechanism that refuses ends the connection.
func (l *loop) watch(t Token, c *conn, to interest) {
	if c.interest == to {
		return
	}
	if errno := l.mechanism.modify(int(c.fd.Load()), t, c.interest, to); errno != 0 {
		l.Close(t, errno)
		return
	}
	c.interest = to
}

// Held implements Loop.
func (l *loop) Held(t Token) int {
	c := l.lookup(t)
	if c == nil || c.extra == 0 {
		return 0
	}
	x := l.extras[c.extra]
	return x.queue.held() + cap(x.rest)
}

// Pause implements Loop.
func (l *loop) Pause(t Token) {
	c := l.lookup(t)
	if c == nil || c.flags&connPaused != 0 {
		return
	}
	c.flags |= connPaused
	l.watch(t, c, c.interest&^interestRead)
}

// Resume implements Loop.
func (l *loop) Resume(t Token) {
	c := l.lookup(t)
	if c == nil || c.flags&connPaused == 0 {
		return
	}
	c.flags &^= connPaused
	if c.flags&connEOF == 0 {
		to := c.interest | interestRead
		if l.pending(c) > 0 {
			to |= interestWrite // which a hang-up took away
		}
		l.watch(t, c, to)
	}
	if c.extra != 0 && l.extras[c.extra].rest != nil {
		l.presentLater(t, c)
	}
}

// Close implements Loop.
func (l *loop) Close(t Token, err error) {
	c := l.lookup(t)
	if c == nil {
		return
	}
	c.flags |= connDead
	if c.extra != 0 {
		x := l.extras[c.extra]
		x.queue.drop(&l.buffers)
		if x.rest != nil {
			l.buffers.Put(x.rest)
			x.rest = nil
		}
		l.tidy(c)
	}
	l.dead = append(l.dead, death{t, err})
}
