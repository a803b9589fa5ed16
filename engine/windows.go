package engine

import (
	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/codec/deflate"
	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
)

// agreement is what was agreed about the windows of a connection, if it takes context over or its peer's window is small. The loop
// writes it, under loop.mu; sendWindows says that it counts. It holds no pointer.
type agreement struct {
	windows           uint32 // index in loop.windows; 0 until the first message that needs them. Any goroutine may set it, under loop.mu
	takesIn, takesOut bool
	inBits, outBits   uint8
}

// reserved is what it promises of Deflate.MaxWindowBytes.
func (a *agreement) reserved() (bytes int64) {
	if a.takesIn {
		bytes += 1 << a.inBits
	}
	if a.takesOut {
		bytes += sentWindowBytes
	}
	return bytes
}

// windows are what a connection takes over. in is the loop's, out is guarded by loop.mu.
type windows struct {
	token   poller.Token // 0 while it is free
	in, out deflate.Window
}

// agree notes what was agreed.
func (l *loop) agree(t poller.Token, s *session, p *handshake.DeflateParams) {
	a := agreement{
		takesIn: !p.ClientNoContextTakeover, takesOut: !p.ServerNoContextTakeover,
		inBits: p.ClientMaxWindowBits, outBits: p.ServerMaxWindowBits,
	}
	if s.isClient() {
		a.takesIn, a.takesOut = a.takesOut, a.takesIn
		a.inBits, a.outBits = a.outBits, a.inBits
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.sending.flags |= sendDeflates
	if !a.takesIn && !a.takesOut && a.outBits == 15 {
		return
	}
	s.sending.flags |= sendWindows
	l.server.windowBytes.Add(a.reserved())
	l.agreements.Grow(t.Slot())
	*l.agreements.At(t.Slot()) = a
}

// agreementOf returns what agree noted, or nil. loop.mu is held.
func (l *loop) agreementOf(t poller.Token, s *sending) *agreement {
	if s.flags&sendWindows == 0 {
		return nil
	}
	return l.agreements.At(t.Slot())
}

// windowsOf returns the windows of a connection, and makes them for its first message. loop.mu is held.
func (l *loop) windowsOf(t poller.Token, a *agreement) *windows {
	if a.windows != 0 {
		return l.windows[a.windows]
	}
	if last := len(l.freeWindows) - 1; last >= 0 {
		a.windows = l.freeWindows[last]
		l.freeWindows = l.freeWindows[:last]
	} else {
		a.windows = uint32(len(l.windows))
		l.windows = append(l.windows, new(windows))
	}
	w := l.windows[a.windows]
	w.token = t
	if a.takesIn {
		w.in = deflate.NewWindow(1<<a.inBits, (*assembly)(l))
	}
	if a.takesOut {
		w.out = deflate.NewWindow(min(sentWindowBytes, 1<<a.outBits), (*stock)(l))
	}
	return w
}

// windowIn is what the peer's messages refer to, or nil. The loop calls it, which wrote what is read without the lock.
func (l *loop) windowIn(t poller.Token) *deflate.Window {
	if int(t.Slot()) >= l.agreements.Len() {
		return nil
	}
	a := l.agreements.At(t.Slot())
	if !a.takesIn {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return &l.windowsOf(t, a).in
}

// forgetSent drops what we remember of what was sent: the peer remembers a message more. loop.mu is held.
func (l *loop) forgetSent(t poller.Token, s *sending) {
	if a := l.agreementOf(t, s); a != nil && a.windows != 0 {
		l.windows[a.windows].out.Drop()
	}
}

// dropWindows gives back what agree took. loop.mu is held.
func (l *loop) dropWindows(t poller.Token, s *sending) {
	a := l.agreementOf(t, s)
	if a == nil {
		return
	}
	l.server.windowBytes.Add(-a.reserved())
	if a.windows != 0 {
		w := l.windows[a.windows]
		w.in.Drop()
		w.out.Drop()
		*w = windows{}
		l.freeWindows = append(l.freeWindows, a.windows)
	}
	*a = agreement{}
}

// heldWindow is what a connection holds of what its peer may refer to. What we refer to can be dropped. loop.mu is held.
func (l *loop) heldWindow(t poller.Token, s *sending) int {
	if a := l.agreementOf(t, s); a != nil && a.windows != 0 {
		return l.windows[a.windows].in.Held()
	}
	return 0
}

// stock lends what is guarded by loop.mu, as far as the budget allows.
type stock loop

var _ codec.Memory = (*stock)(nil)

// Grow implements codec.Memory.
func (p *stock) Grow(b []byte, need int) []byte {
	if !p.server.budget.allows(p.pool.Lacks(b, need)) {
		return nil
	}
	return p.pool.Grow(b, need)
}

// Release implements codec.Memory.
func (p *stock) Release(b []byte) { p.pool.Put(b) }
