//go:build linux || darwin || freebsd

package poller

import "syscall"

// Write implements Loop.
func (l *loop) Write(t Token, b []byte) error { return l.send(t, b, false) }

// WriteLast implements Loop.
func (l *loop) WriteLast(t Token, b []byte) error { return l.send(t, b, true) }

// send writes b, or keeps what the socket does not take. last says that nothing follows but the end.
func (l *loop) send(t Token, b []byte, last bool) error {
	c := l.lookup(t)
	if c == nil || c.flags&(connWriteClosed|connConnecting) != 0 {
		return ErrClosed
	}
	sent := 0
	if l.pending(c) == 0 {
		n, errno := l.writeNow(c, b, last)
		if !l.wrote(t, errno) {
			return nil
		}
		if errno == 0 {
			sent = n
		}
	}
	if sent < len(b) {
		l.extra(c).queue.append(b[sent:], &l.buffers)
		l.watch(t, c, c.interest|interestWrite)
	}
	return nil
}

// writeNow is the system call.
func (l *loop) writeNow(c *conn, b []byte, last bool) (int, syscall.Errno) {
	if last {
		c.flags |= connHeld
		return l.kernel.writeLast(int(c.fd.Load()), b)
	}
	return l.kernel.write(int(c.fd.Load()), b)
}

// Writev implements Loop.
func (l *loop) Writev(t Token, vec [][]byte) error {
	c := l.lookup(t)
	if c == nil || c.flags&(connWriteClosed|connConnecting) != 0 {
		return ErrClosed
	}
	for l.pending(c) == 0 && len(vec) > 0 {
		// The system takes a bounded number of pieces at a time.
		now := vec[:min(len(vec), maxVec)]
		n, errno := l.kernel.writev(int(c.fd.Load()), now)
		if !l.wrote(t, errno) {
			return nil
		}
		if errno != 0 {
			n = 0
		}
		l.enqueue(c, now, n)
		vec = vec[len(now):]
	}
	l.enqueue(c, vec, 0)
	if l.pending(c) > 0 {
		l.watch(t, c, c.interest|interestWrite)
	}
	return nil
}

// enqueue keeps what of vec lies behind its first sent bytes.
func (l *loop) enqueue(c *conn, vec [][]byte, sent int) {
	for _, b := range vec {
		if sent >= len(b) {
			sent -= len(b)
			continue
		}
		l.extra(c).queue.append(b[sent:], &l.buffers)
		sent = 0
	}
}

// wrote closes the connection when a write failed for good.
func (l *loop) wrote(t Token, errno syscall.Errno) bool {
	switch errno {
	case 0, syscall.EAGAIN, syscall.EINTR:
		return true
	}
	l.Close(t, errno)
	return false
}

// CloseWrite implements Loop.
func (l *loop) CloseWrite(t Token) {
	c := l.lookup(t)
	if c == nil || c.flags&(connWriteClosed|connConnecting) != 0 {
		return
	}
	c.flags |= connWriteClosed
	if l.pending(c) == 0 {
		l.sendFIN(t, c)
	}
}

// sendFIN reports no error: a peer that is gone already shows when reading.
func (l *loop) sendFIN(_ Token, c *conn) {
	c.flags &^= connHeld
	l.kernel.closeWrite(int(c.fd.Load()))
}

// Pending implements Loop.
func (l *loop) Pending(t Token) int {
	c := l.lookup(t)
	if c == nil {
		return 0
	}
	return l.pending(c)
}

func (l *loop) pending(c *conn) int {
	if c.extra == 0 {
		return 0
	}
	return l.extras[c.extra].queue.pending
}

// writable drains the queue.
func (l *loop) writable(t Token, c *conn) {
	if c.extra == 0 || l.extras[c.extra].queue.pending == 0 {
		l.watch(t, c, c.interest&^interestWrite)
		return
	}
	q := &l.extras[c.extra].queue
	vec := q.vec(l.vec[:0])
	n, errno := l.kernel.writev(int(c.fd.Load()), vec)
	clear(vec)
	if errno == syscall.EAGAIN || errno == syscall.EINTR {
		return
	}
	if errno != 0 {
		l.Close(t, errno)
		return
	}
	q.discard(n, &l.buffers)
	if q.pending > 0 {
		l.handler.Progress(t, q.pending)
		return
	}
	l.tidy(c)
	l.watch(t, c, c.interest&^interestWrite)
	if c.flags&(connWriteClosed|connDead) == connWriteClosed {
		l.sendFIN(t, c)
	}
	if c.flags&connDead == 0 {
		l.handler.Drained(t)
	}
}
