//go:build linux || darwin || freebsd

package poller

import (
	"runtime"
	"sync/atomic"
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
	if int(t.Slot()) >= l.conns.Len() {
		return 0
	}
	pin := l.pins.pin(t)
	if pin == nil {
		return 0
	}
	c := l.conns.At(t.Slot())
	fd := int(c.fd.Load()) // before the generation is compared: it was this connection's then
	if c.generation.Load() == t.Generation() {
		if sent, errno := l.kernel.writeBoth(fd, head, body); errno == 0 {
			n = sent
		}
	}
	pin.Store(0)
	return n
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
