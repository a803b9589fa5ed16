package engine

import (
	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller"
)

// sendControl sends a ping or pong, which may stand between the fragments of a message and
// overtakes the backlog.
func (l *loop) sendControl(t poller.Token, op codec.Opcode, payload []byte) error {
	l.mu.Lock()
	s := l.sendingOf(t)
	if s == nil || s.state != sendOpen && s.state != sendFragments {
		l.mu.Unlock()
		return ErrClosed
	}
	if !l.fitsControl(s, codec.MaxHeaderLen+len(payload)) {
		l.entryOf(t, s) // so that Flush looks at it: a pong may be owed
		l.mu.Unlock()
		l.server.counters.bufferFull.Add(1)
		l.driver.Wake()
		return ErrBufferFull
	}
	if s.flags&sendDirect != 0 {
		l.queueControl(t, s, op, payload)
	} else {
		start := len(l.outbox.bytes)
		l.outbox.bytes = appendFrame(l, s, l.outbox.bytes, true, op, payload)
		l.extend(t, s, start, len(l.outbox.bytes))
	}
	l.mu.Unlock()
	l.driver.Wake()
	return nil
}

// controlBytes is what pings and pongs may take where messages have taken all.
const controlBytes = 4 << 10

// fitsControl says whether a control frame of n bytes may go into the outbox. loop.mu is held.
func (l *loop) fitsControl(s *sending, n int) bool {
	if waiting := len(l.outbox.bytes); waiting > 0 && waiting+n > l.settings.maxOutbox {
		return false
	}
	own, messages := l.committed(s), 0
	if s.backlog != 0 {
		messages = l.backlogs[s.backlog].cost()
	}
	return own+n <= l.settings.maxBuffered && own+messages+n <= l.settings.maxBuffered+controlBytes
}

// sendClose sends a Close frame with this payload behind all that was sent before. Nothing can be sent
// after it. MaxBufferedBytes does not hold for it. With tell, the application is the one that closes: the loop learns
// from an order that the closing handshake has begun, and no further message is delivered.
func (l *loop) sendClose(t poller.Token, payload []byte, tell bool) error {
	l.mu.Lock()
	s := l.sendingOf(t)
	if tell && (s == nil || s.state != sendNothing) {
		l.cutInbox(t)
	}
	if s == nil || s.state != sendOpen && s.state != sendFragments {
		l.mu.Unlock()
		return ErrClosed
	}
	l.placeClose(t, s, payload)
	if tell {
		l.order(t, orderClosing)
	}
	l.mu.Unlock()
	l.driver.Wake()
	return nil
}

// placeClose puts a Close frame where it follows all that was sent. loop.mu is held.
func (l *loop) placeClose(t poller.Token, s *sending, payload []byte) {
	l.endSending(s)
	if s.backlog != 0 && !l.backlogs[s.backlog].empty() || s.flags&sendDirect != 0 {
		l.queueControl(t, s, codec.OpcodeClose, payload)
		return
	}
	start := len(l.outbox.bytes)
	l.outbox.bytes = appendFrame(l, s, l.outbox.bytes, true, codec.OpcodeClose, payload)
	l.extend(t, s, start, len(l.outbox.bytes))
}

// queueControl puts a control frame into the backlog, where it is not dropped. loop.mu is held.
func (l *loop) queueControl(t poller.Token, s *sending, op codec.Opcode, payload []byte) {
	frame := appendFrame(l, s, l.pool.Get(codec.MaxHeaderLen+len(payload)), true, op, payload)
	b := l.backlogOf(t, s)
	b.push(item{wire: wire{bytes: frame}, fixed: true})
	l.accountItems(b)
}

// giveUp drops what waits for a connection and sends a Close frame instead. It returns how many messages
// were lost. loop.mu is held.
func (l *loop) giveUp(t poller.Token, s *sending, code codec.StatusCode, reason string) (lost int) {
	if s.backlog != 0 {
		lost = l.backlogs[s.backlog].clear(&l.pool)
		l.countDropped(s, &l.server.counters.givenUp, lost)
	}
	l.cutInbox(t)
	if s.state == sendOpen || s.state == sendFragments {
		var payload [codec.MaxControlPayload]byte
		if frame, err := codec.AppendClose(payload[:0], code, reason); err == nil {
			l.placeClose(t, s, frame)
		}
	}
	l.endSending(s)
	return lost
}

// endSending lets nothing more be sent. loop.mu is held.
func (l *loop) endSending(s *sending) {
	s.state = sendEnded
	if s.backlog != 0 {
		l.backlogs[s.backlog].wake()
	}
}

// cutInbox sees to it that no further message is delivered. loop.mu is held.
func (l *loop) cutInbox(t poller.Token) {
	if b := l.inboxFor(t); b != nil {
		b.shut(&l.pool)
	}
}

// sendRaw sends bytes of the opening handshake on the loop's goroutine, and leaves the
// connection in state to. It does nothing if the connection was aborted meanwhile.
func (l *loop) sendRaw(t poller.Token, b []byte, to sendState) (sent bool) {
	l.mu.Lock()
	if s := l.sendingOf(t); s != nil && s.state == sendNothing {
		sent = true
		start := len(l.outbox.bytes)
		l.outbox.bytes = append(l.outbox.bytes, b...)
		l.extend(t, s, start, len(l.outbox.bytes))
		s.state = to
	}
	l.mu.Unlock()
	l.driver.Wake()
	return sent
}

// abort tells the loop, from any goroutine, to close a connection at once.
func (l *loop) abort(t poller.Token) {
	l.mu.Lock()
	l.cutInbox(t)
	if s := l.sendingOf(t); s != nil {
		l.endSending(s)
		l.order(t, orderAbort)
	}
	l.mu.Unlock()
	l.driver.Wake()
}
