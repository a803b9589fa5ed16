package engine

import "github.com/wsloop/wsloop/poller"

// SetData attaches v to the connection, until Events.Close has returned. On a connection
// that is gone it does nothing.
func (c Conn) SetData(v any) {
	if c.loop == nil {
		return
	}
	c.loop.mu.Lock()
	defer c.loop.mu.Unlock()
	if b := c.loop.lingering[c.token]; b != nil {
		b.data = v
	} else if c.loop.sendingOf(c.token) != nil {
		c.loop.data.Grow(c.token.Slot())
		c.loop.data.At(c.token.Slot()).Store(&attached{c.token, v})
	}
}

// attached is what SetData attached to a connection. It is not changed.
type attached struct {
	token poller.Token
	value any
}

// Data is what SetData attached, or nil. It takes no lock.
func (c Conn) Data() any {
	if c.loop == nil {
		return nil
	}
	if v, ok := c.loop.dataOf(c.token); ok || c.loop.server.workers == nil {
		return v
	}
	c.loop.mu.Lock()
	defer c.loop.mu.Unlock()
	if b := c.loop.lingering[c.token]; b != nil {
		return b.data
	}
	return nil
}

// dataOf returns what is attached to a connection that has its slot.
func (l *loop) dataOf(t poller.Token) (v any, ok bool) {
	if int(t.Slot()) >= l.data.Len() {
		return nil, false
	}
	a := l.data.At(t.Slot()).Load()
	if a == nil || a.token != t {
		return nil, false
	}
	return a.value, true
}

// detach forgets what is attached to a connection. loop.mu is held.
func (l *loop) detach(t poller.Token) {
	if int(t.Slot()) < l.data.Len() {
		l.data.At(t.Slot()).Store(nil)
	}
}
