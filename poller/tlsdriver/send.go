package tlsdriver

import (
	"net/netip"
	"time"

	"github.com/wsloop/wsloop/poller"
)

// Write implements poller.Loop.
func (l *layer) Write(t poller.Token, b []byte) error {
	c := l.find(t)
	if c == nil {
		return l.inner.Write(t, b)
	}
	if !l.encrypt(c, b) {
		return poller.ErrClosed
	}
	return l.inner.Write(t, l.out)
}

// WriteLast implements poller.Loop. close_notify goes with the last bytes.
func (l *layer) WriteLast(t poller.Token, b []byte) error {
	c := l.find(t)
	if c == nil {
		return l.inner.WriteLast(t, b)
	}
	if !l.encrypt(c, b) {
		return poller.ErrClosed
	}
	l.notify(c)
	return l.inner.WriteLast(t, l.out)
}

// Writev implements poller.Loop. Short pieces are joined to records; a long one lies in records of its own.
func (l *layer) Writev(t poller.Token, vec [][]byte) error {
	c := l.find(t)
	if c == nil {
		return l.inner.Writev(t, vec)
	}
	if !l.encrypt(c, nil) {
		return poller.ErrClosed
	}
	secured := c.secured.Load()
	joined := l.joined[:0]
	for _, b := range vec {
		for len(b) > 0 {
			if len(joined) == 0 && len(b) >= maxPlaintext {
				whole := len(b) &^ (maxPlaintext - 1)
				_, _ = secured.Write(b[:whole])
				b = b[whole:]
				continue
			}
			n := min(len(b), maxPlaintext-len(joined))
			joined = append(joined, b[:n]...)
			b = b[n:]
			if len(joined) == maxPlaintext {
				_, _ = secured.Write(joined)
				joined = joined[:0]
			}
		}
	}
	if len(joined) > 0 {
		_, _ = secured.Write(joined)
	}
	return l.inner.Write(t, l.out)
}

// encrypt fills layer.out, or writes it where it gets long. It says whether the connection takes bytes.
func (l *layer) encrypt(c *conn, b []byte) bool {
	if c.phase != phaseOpen || c.flags&connGoodbye != 0 {
		return false
	}
	l.out = l.out[:0]
	if len(b) > 0 {
		// It fails when an alert was sent, and then the connection is being closed.
		_, _ = c.secured.Load().Write(b)
	}
	return true
}

// notify appends close_notify to layer.out.
func (l *layer) notify(c *conn) {
	c.flags |= connGoodbye
	_ = c.secured.Load().CloseWrite()
}

// TryWrite implements poller.Loop.
func (l *layer) TryWrite(t poller.Token, head, body []byte) (n int) {
	if int(t.Slot()) < l.slots.Len() && l.slots.At(t.Slot()).secured.Load() == t.Generation() {
		return 0
	}
	return l.inner.TryWrite(t, head, body)
}

// CloseWrite implements poller.Loop.
func (l *layer) CloseWrite(t poller.Token) {
	if c := l.find(t); c != nil {
		if c.phase != phaseOpen {
			return
		}
		l.goodbyeTo(c)
	}
	l.inner.CloseWrite(t)
}

// goodbyeTo sends close_notify, once.
func (l *layer) goodbyeTo(c *conn) {
	if c.flags&connGoodbye == 0 {
		l.out = l.out[:0]
		l.notify(c)
		_ = l.inner.WriteLast(c.token, l.out)
	}
}

// Close implements poller.Loop. If output waits it is dropped, and close_notify with it.
func (l *layer) Close(t poller.Token, err error) {
	c := l.find(t)
	switch {
	case c == nil:
		l.inner.Close(t, err)
	case c.phase == phaseClosed:
	default:
		if c.phase == phaseOpen && l.inner.Pending(t) == 0 {
			l.goodbyeTo(c)
		}
		l.abandon(c, err)
	}
}

// Pause implements poller.Loop.
func (l *layer) Pause(t poller.Token) {
	if c := l.find(t); c != nil {
		c.flags |= connPaused
		if c.phase != phaseOpen {
			return // the handshake goes on
		}
	}
	l.inner.Pause(t)
}

// Resume implements poller.Loop.
func (l *layer) Resume(t poller.Token) {
	if c := l.find(t); c != nil {
		c.flags &^= connPaused
		if c.phase != phaseOpen {
			return
		}
		if c.waits() {
			l.later(c)
			return
		}
	}
	l.inner.Resume(t)
}

// Held implements poller.Loop. What crypto/tls keeps for every connection is not in it.
func (l *layer) Held(t poller.Token) int {
	n := l.inner.Held(t)
	if c := l.find(t); c != nil {
		n += cap(c.in) + cap(c.rest)
	}
	return n
}

// Pending implements poller.Loop. It counts ciphertext.
func (l *layer) Pending(t poller.Token) int { return l.inner.Pending(t) }

// Index implements poller.Loop.
func (l *layer) Index() int { return l.inner.Index() }

// Now implements poller.Loop.
func (l *layer) Now() time.Duration { return l.inner.Now() }

// RemoteAddr implements poller.Loop.
func (l *layer) RemoteAddr(t poller.Token) (netip.AddrPort, error) { return l.inner.RemoteAddr(t) }

// Socket implements poller.Loop.
func (l *layer) Socket(t poller.Token) (poller.SocketState, error) { return l.inner.Socket(t) }

// Wake implements poller.Loop.
func (l *layer) Wake() { l.inner.Wake() }
