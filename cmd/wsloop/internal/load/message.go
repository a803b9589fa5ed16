package load

import (
	"math"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// Causes of errors that are found here.
const (
	causeUnsent     = "not sent: the generator was too slow"
	causeGone       = "not sent: the connection was gone"
	causeUnasked    = "a message came that nobody had asked for"
	causeOther      = "an answer was not the echo of what was sent"
	causeNoStamp    = "a message came that is no broadcast of this run"
	causeUnanswered = "unanswered when the drain ended"
	causeMissing    = "broadcast not received when the drain ended"
)

// send sends a message of c that is due, and says whether it is on its way. What was not sent is counted as an error. The
// lock is held.
func (l *lane) send(c *client, due, now int64) bool {
	if c.state != open {
		l.tally.fail(causeGone, 1)
		return false
	}
	s := stamp{due, now}
	payload := l.worker.message.payload
	broadcasts := l.worker.broadcasts
	if broadcasts {
		payload = l.stamped
		putStamp(payload, l.worker.config.Text, stamp{l.worker.wall + due, l.worker.wall + now})
	}
	if c.sent == nil {
		c.sent = new(fifo)
	}
	// It is pushed first: the answer may be here before Send returns, and then waits for the lock.
	c.sent.push(s)
	if err := l.transmit(c, payload); err != nil {
		c.sent.unpush()
		l.tally.fail(sendCause(err), 1)
		return false
	}
	l.waiting++
	l.tally.sent++
	l.tally.sentBytes += uint64(len(payload))
	if broadcasts && due >= l.from {
		l.broadcasts++
		l.sends.push(s)
		if l.sends.n > maxSends {
			l.sends.pop()
		}
	}
	return true
}

// maxSends is how many broadcasts are remembered for those who do not receive them.
const maxSends = 1 << 16

// transmit hands a message to the engine, in frames if so asked.
func (l *lane) transmit(c *client, payload []byte) error {
	m := &l.worker.message
	if m.frames <= 1 {
		_, err := c.conn.Send(m.op, payload)
		return err
	}
	w, err := c.conn.NewWriter(m.op)
	if err != nil {
		return err
	}
	whole := m.frames - 1 // and the last, empty one
	for i := range whole {
		if _, err := w.Write(payload[part(len(payload), i, whole):part(len(payload), i+1, whole)]); err != nil {
			c.conn.Abort() // nothing else can be sent behind half a message
			return err
		}
	}
	if err := w.Close(); err != nil {
		c.conn.Abort()
		return err
	}
	return nil
}

// receive takes a message. It runs on the loop.
func (l *lane) receive(conn engine.Conn, op codec.Opcode, payload []byte) {
	c := conn.Data().(*client)
	now := l.worker.now()
	l.mu.Lock()    // not deferred, which would cost as much again
	if !l.closes { // else it was given up
		l.arrived(c, now, op, payload)
	}
	l.mu.Unlock()
}

// arrived counts a message and answers it, if need be. The lock is held.
func (l *lane) arrived(c *client, now int64, op codec.Opcode, payload []byte) {
	l.tally.received++
	l.tally.receivedBytes += uint64(len(payload))
	if l.worker.broadcasts {
		l.receiveBroadcast(c, now, payload)
		return
	}
	s, asked := c.sent.pop()
	if !asked {
		l.tally.fail(causeUnasked, 1)
		return
	}
	if c.state == open {
		l.waiting--
	}
	if !l.worker.message.matches(op, payload) {
		l.tally.fail(causeOther, 1)
	}
	if l.worker.churns() {
		l.close(c) // and the latency is that of its whole life
		return
	}
	l.record(c.answered(s, now), now)
	l.refill(c, now)
}

// receiveBroadcast takes a message that has its times in it. The lock is held.
func (l *lane) receiveBroadcast(c *client, now int64, payload []byte) {
	s, ok := readStamp(payload, l.worker.config.Text)
	if !ok || len(payload) != len(l.stamped) {
		l.tally.fail(causeNoStamp, 1)
		return
	}
	s.due -= l.worker.wall
	if s.sent != math.MinInt64 {
		s.sent -= l.worker.wall
	}
	if s.due >= l.from {
		c.received++
	}
	l.record(c.answered(s, now), now)
	if _, own := c.sent.pop(); own && c.state == open {
		l.waiting--
		l.refill(c, now)
	}
}

// refill sends what a closed loop may have on its way. On the loop all of it leaves in one write. The lock is held.
func (l *lane) refill(c *client, now int64) {
	for l.sending && c.sent.len() < l.worker.config.Outstanding && l.send(c, now, now) {
	}
}

// record counts the latency of a message. The lock is held.
func (l *lane) record(s stamp, now int64) {
	if s.due < l.from {
		l.tally.early.Record(nanos(s.due, now))
		return
	}
	l.tally.corrected.Record(nanos(s.due, now))
	if l.worker.scheduled && s.sent != math.MinInt64 {
		l.tally.uncorrected.Record(nanos(s.sent, now))
	}
}

// unanswered counts a message that was measured and has no answer, with the time that it waited. The lock is held.
func (l *lane) unanswered(s stamp, now int64) {
	if s.due >= l.from {
		l.record(s, now)
		l.tally.fail(causeUnanswered, 1)
	}
}

// giveUp counts all messages that have no answer. What comes from here on is not looked at.
func (l *lane) giveUp(now int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() { l.closes = true }()
	if l.worker.churns() && l == l.worker.lanes[0] {
		l.unbegun(now)
	}
	for i := range l.clients {
		c := &l.clients[i]
		switch {
		case l.worker.broadcasts:
		case l.worker.churns():
			if c.state == connecting || c.state == open || c.state == closing {
				l.unanswered(stamp{c.due, c.began}, now)
			}
		default:
			for s, more := c.sent.pop(); more; s, more = c.sent.pop() {
				l.unanswered(c.answered(s, now), now)
			}
		}
	}
}

// lacks says whether the client is a reader that has not received all of a lane's broadcasts. Nothing is sent any more, and
// the lock of its own lane is held.
func (c *client) lacks(from *lane) bool {
	return c.state == open && !c.slow && c.received < from.broadcasts
}

// lacks says whether one of the clients does.
func (l *lane) lacks(from *lane) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.clients {
		if l.clients[i].lacks(from) {
			return true
		}
	}
	return false
}

// missing counts what readers that are still there did not receive of a lane's broadcasts: the last ones, since they come in
// order. It is called behind giveUp, when the sender has ended.
func (l *lane) missing(from *lane, now int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.clients {
		c := &l.clients[i]
		if !c.lacks(from) {
			continue
		}
		missing := from.broadcasts - c.received
		l.tally.fail(causeMissing, uint64(missing))
		known := from.sends
		for known.n > missing {
			known.pop()
		}
		for s, more := known.pop(); more; s, more = known.pop() {
			l.record(s, now)
		}
	}
}
