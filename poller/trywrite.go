//go:build linux || darwin || freebsd

package poller

import (
	"runtime"
	"sync/atomic"
	"syscall"
)

// pins name the connections to which other goroutines are just writing. A descriptor is not
// closed while its connection is pinned, so that it cannot become another's under the write. Who finds
// no place does not write.
type pins [8]atomic.Uint64

// pin takes a place for a connection. It returns nil if there is none.
func (p *pins) pin(t Token) *atomic.Uint64 {
	for i := range p {
		if p[i].Load() == 0 && p[i].CompareAndSwap(0, uint64(t)) {
			return &p[i]
		}
	}
	return nil
}

// has says whether a connection is pinned.
func (p *pins) has(t Token) bool {
	for i := range p {
		if p[i].Load() == uint64(t) {
			return true
		}
	}
	return false
}

// undead is a descriptor that is still to be closed, because somebody was writing to it when its
// connection was released.
type undead struct {
	token Token
	fd    int
}

// TryWrite implements Loop. release raises the generation first and looks for pins afterwards: either
// it sees the pin, or the generation is seen to be raised here, and nothing is written.
func (l *loop) TryWrite(t Token, head, body []byte) (n int) {
	// Slots that were never used have generation 0, and so have made-up tokens.
	if t.Generation() == 0 || int(t.Slot()) >= l.conns.Len() {
		return 0
	}
	c := l.conns.At(t.Slot())
	if c.generation.Load() != t.Generation() {
		return 0 // and wakes nobody
	}
	pin := l.pins.pin(t)
	if pin == nil {
		return 0
	}
	fd := int(c.fd.Load()) // before the generation is compared: it was this connection's then
	if c.generation.Load() == t.Generation() {
		n = l.writePinned(t, fd, head, body)
	}
	pin.Store(0)
	if c.generation.Load() != t.Generation() {
		l.Wake() // which may have to close the descriptor
	}
	return n
}

// writePinned has the loop hear of a socket that failed: systems tell of it once.
func (l *loop) writePinned(t Token, fd int, head, body []byte) int {
	n, errno := l.kernel.writeBoth(fd, head, body)
	switch errno {
	case 0:
		return n
	case syscall.EAGAIN, syscall.EINTR:
		return 0
	}
	l.mu.Lock()
	l.failed = append(l.failed, death{t, errno})
	l.mu.Unlock()
	l.Wake()
	return 0
}

// takeFailed closes the connections that TryWrite found to have failed. Past CloseWrite a broken
// pipe is no failure.
func (l *loop) takeFailed() {
	l.mu.Lock()
	failed := l.failed
	l.failed = nil
	l.mu.Unlock()
	for _, d := range failed {
		c := l.lookup(d.token)
		if c != nil && (c.flags&connWriteClosed == 0 || d.err != syscall.EPIPE) {
			l.Close(d.token, d.err)
		}
	}
}

// isEnd says that a read that brought nothing means the peer's FIN. If TryWrite took the socket's error away, the
// connection failed; if it is just writing, that is not known yet, and the next turn reads again.
func (l *loop) isEnd(t Token, c *conn) bool {
	if l.pins.has(t) {
		return false
	}
	l.takeFailed()
	return c.flags&connDead == 0
}

// closePinned closes the descriptor of a connection that was released, now or once nobody writes to it.
func (l *loop) closePinned(t Token, fd int) {
	if l.pins.has(t) {
		l.undead = append(l.undead, undead{t, fd})
		return
	}
	l.kernel.close(fd)
}

// closeUndead closes those that nobody writes to any more.
func (l *loop) closeUndead() {
	waiting := l.undead
	l.undead = l.undead[:0]
	for _, u := range waiting {
		l.closePinned(u.token, u.fd)
	}
}

// awaitUndead closes them all. A write does not block, so none of them is written to for long.
func (l *loop) awaitUndead() {
	for len(l.undead) > 0 {
		l.closeUndead()
		runtime.Gosched()
	}
}
