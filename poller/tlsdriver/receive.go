package tlsdriver

import (
	"errors"
	"io"
	"time"
)

// A peer that asks for new keys is answered this often per window; the key update and its answer cost some microseconds each.
const (
	maxUpdates    = 32
	updatesWindow = time.Second
)

// receive decrypts the ciphertext that waits, and b behind it, and presents the plaintext.
func (l *layer) receive(c *conn, b []byte) (consumed int) {
	left, err := l.decrypt(c, b)
	consumed = len(b) - len(left)
	if len(l.plain) > 0 {
		l.left = left
		l.present(c, l.plain)
		l.left = nil
	}
	if c.phase != phaseOpen {
		return len(b)
	}
	if err != nil {
		consumed = len(b)
		l.put(&c.in)
		c.flags &^= connBacklog
		if !errors.Is(err, io.EOF) {
			l.fail(c, err)
			return consumed
		}
		c.flags |= connNotified | connEOFDue
	}
	l.settle(c)
	return consumed
}

// decrypt fills layer.plain. It returns what of b has to come again, and io.EOF after close_notify or what else ends the connection.
func (l *layer) decrypt(c *conn, b []byte) (left []byte, err error) {
	secured := c.secured.Load()
	l.plain, l.out, l.writes = l.plain[:0], l.out[:0], 0
	taken := 0 // of c.in
	for err == nil && cap(l.plain)-len(l.plain) >= maxPlaintext && c.flags&connNotified == 0 {
		if l.input, b = l.nextRecord(c, &taken, b); l.input == nil {
			break
		}
		var n int
		n, err = secured.Read(l.plain[len(l.plain):cap(l.plain)])
		l.plain = l.plain[:len(l.plain)+n]
		if err == errEmpty { // a record without plaintext
			err = nil
		}
		switch {
		case l.writes == 0:
		case err == nil:
			err = l.answered(c)
		default:
			c.flags |= connGoodbye // an alert was sent, which is one
		}
	}
	l.input = nil
	if taken == len(c.in) {
		l.put(&c.in)
	} else {
		c.in = c.in[:copy(c.in, c.in[taken:])]
	}
	if len(l.out) > 0 {
		_ = l.inner.Write(c.token, l.out)
	}
	if c.flags&connNotified != 0 {
		b = nil
	}
	return b, err
}

// nextRecord returns a whole record, or nil, and what is left of b. A record that began in c.in is completed there; the beginning of the last one
// in b is moved there. taken is how much of c.in was returned before.
func (l *layer) nextRecord(c *conn, taken *int, b []byte) (next, left []byte) {
	for *taken < len(c.in) {
		begun := c.in[*taken:]
		n, whole := c.record(begun)
		if whole {
			*taken += n
			c.owed = 0
			return begun[:n], b
		}
		if len(b) == 0 {
			return nil, nil
		}
		more := min(n-len(begun), len(b))
		c.in = append(l.buffers.Grow(c.in, len(c.in)+more), b[:more]...)
		b = b[more:]
	}
	n, whole := c.record(b)
	if whole {
		c.owed = 0
		return b[:n], b[n:]
	}
	if len(b) > 0 {
		c.in = append(l.buffers.Grow(c.in, len(c.in)+len(b)), b...)
	}
	return nil, nil
}

// record is record for the next bytes of a connection.
func (c *conn) record(b []byte) (n int, whole bool) {
	if c.owed > 0 {
		return c.owed, len(b) >= c.owed
	}
	return record(b)
}

// answered counts what crypto/tls wrote by itself while it read: answers to key updates. An alert comes with an error.
func (l *layer) answered(c *conn) error {
	if now := l.inner.Now(); now-c.updates >= updatesWindow {
		c.updates, c.answers = now, 0
	}
	c.answers += uint8(min(l.writes, maxUpdates+1))
	l.writes = 0
	l.driver.stats.KeyUpdates.Add(1)
	if c.answers > maxUpdates {
		return ErrKeyUpdates
	}
	return nil
}

// present hands plaintext up and keeps what the handler leaves.
func (l *layer) present(c *conn, b []byte) {
	consumed := l.upper.Data(c.token, b)
	if consumed < len(b) && c.phase == phaseOpen {
		c.rest = append(l.buffers.Get(len(b)-consumed), b[consumed:]...)
	}
}

// settle tells of the end, if it is time; and while there is something to present first, it keeps the inner driver from reading on.
func (l *layer) settle(c *conn) {
	if c.rest == nil && c.flags&(connBacklog|connPaused|connEOFDue) == connEOFDue {
		if c.flags&connNotified == 0 {
			l.driver.stats.Truncated.Add(1)
		}
		c.flags = c.flags&^connEOFDue | connNotified // nothing is read any more
		l.upper.EOF(c.token)
		return
	}
	if c.waits() {
		l.inner.Pause(c.token)
		l.later(c)
	}
}

// later lists the connection for the next turn, once.
func (l *layer) later(c *conn) {
	if c.flags&(connPaused|connListed) == 0 {
		c.flags |= connListed
		l.again = append(l.again, c)
	}
}

// presentAgain goes on with a connection that had something to present, and lets the inner driver read again when it has not any more.
func (l *layer) presentAgain(c *conn) {
	if c.phase != phaseOpen || c.flags&connPaused != 0 {
		return
	}
	switch rest := c.rest; {
	case rest != nil:
		c.rest = nil
		l.present(c, rest)
		l.buffers.Put(rest)
		if c.phase == phaseOpen {
			l.settle(c)
		}
	case c.flags&connBacklog != 0:
		c.flags &^= connBacklog
		l.receive(c, nil)
	default:
		l.settle(c)
	}
	if c.phase == phaseOpen && c.flags&connPaused == 0 && !c.waits() {
		l.inner.Resume(c.token)
	}
}

// fail ends a connection for what its peer did. The alert, if there is one, was written.
func (l *layer) fail(c *conn, err error) {
	l.driver.stats.breaks(err)
	l.Close(c.token, err)
}
