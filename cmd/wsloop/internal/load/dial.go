package load

import (
	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// dial begins an attempt, which a slot was taken for. The client is idle. due is when it was to begin.
func (l *lane) dial(c *client, number int, due int64) {
	now := l.worker.now()
	l.mu.Lock()
	l.tally.attempted++
	c.due, c.began, c.at, c.state = due, now, now, connecting
	if l.worker.churns() {
		l.waiting++ // for the end of its life
	}
	l.mu.Unlock()
	l.worker.firstAttempt.CompareAndSwap(0, now)
	err := l.target(number).Dial(c, func(conn engine.Conn, err error) { l.dialed(c, conn, err) })
	if err != nil {
		l.dialed(c, engine.Conn{}, err)
	}
}

// connected hears that the TCP connection was made. It runs on the loop.
func (l *lane) connected(data any) {
	c := data.(*client)
	l.mu.Lock()
	defer l.mu.Unlock()
	c.at = l.worker.now()
	l.tally.connecting.Record(nanos(c.began, c.at))
}

// dialed hears what became of an attempt. It runs on the loop, or where the attempt was refused at once.
func (l *lane) dialed(c *client, conn engine.Conn, err error) {
	now := l.worker.now()
	l.worker.lastOutcome.Store(now)
	defer l.worker.release() // once it is counted: who has all slots reads the counters
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		if !l.closes {
			l.tally.failed++
			l.tally.fail(dialCause(err), 1)
		}
		l.rest(c)
		return
	}
	l.tally.opened++
	l.tally.handshake.Record(nanos(c.at, now))
	c.conn, c.state = conn, open
	l.worker.opens()
	switch {
	case l.closes:
		l.close(c)
	case l.worker.churns():
		l.send(c, c.due, now)
	case c.slow:
		conn.Pause()
	}
}

// rest ends a client that failed. In churn it tries again, later. The lock is held.
func (l *lane) rest(c *client) {
	c.state = gone
	if l.worker.churns() {
		l.waiting--
		c.state = idle
		l.resting = append(l.resting, c)
	}
}

// close begins the closing handshake. The lock is held.
func (l *lane) close(c *client) {
	if c.state == open {
		c.state = closing
		l.waiting -= c.sent.len()
		_ = c.conn.Close(codec.StatusNormalClosure, "") // it has ended already, if not
	}
}

// ended hears that a connection is gone. It runs on the loop.
func (l *lane) ended(conn engine.Conn, how engine.Closure) {
	c := conn.Data().(*client)
	now := l.worker.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.worker.closed()
	ours := c.state == closing
	if l.closes {
		c.state = gone
		return
	}
	if c.state == open {
		l.waiting -= c.sent.len()
	}
	c.state = gone
	if !ours {
		l.tally.lost++
	}
	if !ours || how.Err != nil {
		l.tally.fail(closeCause(how), 1)
	}
	if l.worker.churns() {
		l.relive(c, ours, now)
	}
}

// relive ends a life in churn, and has the client begin another: later, if it was not whole. The lock is held.
func (l *lane) relive(c *client, whole bool, now int64) {
	if _, unanswered := c.sent.pop(); unanswered {
		l.unanswered(stamp{c.due, c.began}, now)
		whole = false
	}
	if !whole {
		l.rest(c)
		return
	}
	l.record(stamp{c.due, c.began}, now)
	l.waiting--
	c.state = idle
	l.free = append(l.free, c)
	l.worker.wakeChurner()
}
