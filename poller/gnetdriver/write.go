package gnetdriver

import "github.com/wsloop/wsloop/poller"

// maxVec is how many pieces are written at a time; systems take 1024.
const maxVec = 64

// Write implements poller.Loop.
func (l *loop) Write(t poller.Token, b []byte) error {
	c := l.lookup(t)
	if c == nil || c.flags&connWriteClosed != 0 {
		return poller.ErrClosed
	}
	sent := 0
	if c.queue.pending == 0 && len(b) > 0 {
		n, err := c.send(b)
		if err != nil {
			l.Close(t, err)
			return nil
		}
		sent = n
	}
	if sent < len(b) {
		c.queue.append(b[sent:], &l.buffers)
		l.drain(c)
	}
	return nil
}

// WriteLast implements poller.Loop.
func (l *loop) WriteLast(t poller.Token, b []byte) error { return l.Write(t, b) }

// Writev implements poller.Loop.
func (l *loop) Writev(t poller.Token, vec [][]byte) error {
	c := l.lookup(t)
	if c == nil || c.flags&connWriteClosed != 0 {
		return poller.ErrClosed
	}
	for len(vec) > 0 {
		now := vec[:min(len(vec), maxVec)]
		vec = vec[len(now):]
		sent := 0
		if c.queue.pending == 0 {
			n, err := c.sendv(now)
			if err != nil {
				l.Close(t, err)
				return nil
			}
			sent = n
		}
		for _, b := range now {
			n := min(sent, len(b))
			sent -= n
			c.queue.append(b[n:], &l.buffers)
		}
	}
	if c.queue.pending > 0 {
		l.drain(c)
	}
	return nil
}

// TryWrite implements poller.Loop: it cannot.
func (*loop) TryWrite(poller.Token, []byte, []byte) int { return 0 }

// Pending implements poller.Loop.
func (l *loop) Pending(t poller.Token) int {
	c := l.lookup(t)
	if c == nil {
		return 0
	}
	return c.queue.pending
}

// CloseWrite implements poller.Loop.
func (l *loop) CloseWrite(t poller.Token) {
	c := l.lookup(t)
	if c == nil || c.flags&connWriteClosed != 0 {
		return
	}
	c.flags |= connWriteClosed
	if c.queue.pending == 0 {
		c.sendFIN()
	}
}

// drained is told that n bytes of the queue were sent, and goes on.
func (l *loop) drained(c *conn, n int, err error) {
	c.flags &^= connDraining
	if c.flags&connDead != 0 {
		return
	}
	if err != nil {
		l.Close(c.token, cause(err))
		return
	}
	c.queue.discard(n, &l.buffers)
	if c.queue.pending > 0 {
		l.drain(c)
		if n > 0 && c.flags&connDead == 0 {
			l.handler.Progress(c.token, c.queue.pending)
		}
		return
	}
	c.stopDraining()
	if c.flags&connWriteClosed != 0 {
		c.sendFIN()
	}
	l.handler.Drained(c.token)
}
