package engine

import (
	"errors"
	"io"
	"runtime/debug"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller"
)

// fail begins the end of a connection on our side: one Close frame, then FIN; what
// still comes is dropped (RFC 6455 section 7.1.7).
func (l *loop) fail(t poller.Token, s *session, code codec.StatusCode, reason error) {
	if s.phase != phaseOpen {
		return
	}
	x := l.rareOf(s)
	x.assembler.Release()
	x.closure.Err = reason
	var payload [codec.MaxControlPayload]byte
	frame, err := codec.AppendClose(payload[:0], code, "")
	if err == nil {
		_ = l.sendClose(t, frame, false)
	}
	// When Conn.Close sent a frame a moment ago, that one stands.
	s.phase = phaseDiscarding
	l.expect(t.Slot(), closeDeadline)
}

// failProtocol fails the connection for what the peer did, with the code that the
// error knows.
func (l *loop) failProtocol(t poller.Token, s *session, err error) {
	l.server.counters.protocolErrors.Add(1)
	var violation *codec.ProtocolError
	if errors.As(err, &violation) {
		l.fail(t, s, violation.Code, violation)
		return
	}
	l.fail(t, s, codec.StatusProtocolError, err)
}

// peerClosed answers the peer's Close frame with the same code (RFC 6455 section 5.5.1).
func (l *loop) peerClosed(t poller.Token, s *session, payload []byte) {
	code, reason, err := codec.ParseClose(payload)
	if err != nil {
		l.failProtocol(t, s, err)
		return
	}
	c := l.closureOf(s)
	c.Code, c.Reason = code, string(reason)
	_ = l.sendClose(t, payload[:min(len(payload), 2)], false)
	l.finish(t, s)
}

// awaitClose looks for the peer's Close frame behind our own; data is dropped.
func (l *loop) awaitClose(t poller.Token, s *session, b []byte) {
	x := l.rareOf(s)
	for len(b) > 0 {
		m, n, ok, err := x.assembler.Next(&s.decoder, b, &l.settings.codec)
		b = b[n:]
		if err != nil {
			// No second Close frame: ours is out already.
			l.closureOf(s).Err = err
			s.phase = phaseDiscarding
			l.checkSent(t, s)
			return
		}
		if ok && m.Opcode == codec.OpcodeClose {
			l.closeAnswered(t, s, m.Payload)
			return
		}
		if !ok {
			return
		}
	}
}

// closeAnswered ends a closing handshake that we began.
func (l *loop) closeAnswered(t poller.Token, s *session, payload []byte) {
	c := l.closureOf(s)
	code, reason, err := codec.ParseClose(payload)
	if err != nil {
		c.Err = err
	} else {
		c.Code, c.Reason = code, string(reason)
	}
	l.finish(t, s)
}

// finish closes the connection as soon as its last byte has left.
func (l *loop) finish(t poller.Token, s *session) {
	s.phase = phaseFlushing
	l.expect(t.Slot(), closeDeadline)
	l.checkSent(t, s)
}

// checkSent calls allSent if nothing waits now; otherwise Flush or Drained will.
func (l *loop) checkSent(t poller.Token, s *session) {
	l.mu.Lock()
	waiting := s.sending.entry != 0
	l.mu.Unlock()
	if !waiting && l.driver.Pending(t) == 0 {
		l.allSent(t)
	}
}

// allSent says that nothing of a connection waits to be sent.
func (l *loop) allSent(t poller.Token) {
	s := l.sessions.At(t.Slot())
	switch s.phase {
	case phaseOpen:
		l.payPong(t, s)
	case phaseFlushing:
		l.driver.Close(t, nil)
	case phaseDiscarding:
		l.driver.CloseWrite(t)
	}
}

// applyEnds takes up what Conn.Close and Conn.Abort asked for.
func (l *loop) applyEnds() {
	if !l.ended.Load() {
		return
	}
	l.mu.Lock()
	l.ends, l.endsNow = l.endsNow[:0], l.ends
	l.ended.Store(false)
	l.mu.Unlock()
	for _, e := range l.endsNow {
		s := l.find(e.token)
		switch {
		case s == nil:
		case e.abort:
			s.phase = phaseDiscarding
			l.driver.Close(e.token, ErrAborted)
		case s.phase == phaseOpen:
			s.phase = phaseClosing
			l.expect(e.token.Slot(), closeDeadline)
		}
	}
}

// EOF implements poller.Handler. What was sent before still goes out.
func (l *loop) EOF(t poller.Token) {
	s := l.sessions.At(t.Slot())
	switch s.phase {
	case phaseOpen, phaseClosing:
		l.closureOf(s).Err = io.EOF
		l.mu.Lock()
		s.sending.state = sendEnded
		l.mu.Unlock()
		l.finish(t, s)
	case phaseDiscarding:
		// A peer that only half-closed still gets what waits for it.
		l.finish(t, s)
	case phaseFlushing:
	default:
		l.driver.Close(t, io.EOF)
	}
}

// Closed implements poller.Handler.
func (l *loop) Closed(t poller.Token, err error) {
	s := l.sessions.At(t.Slot())
	l.relax(t.Slot())
	l.mu.Lock()
	s.sending.state = sendEnded
	l.mu.Unlock()
	defer l.forget(t, s)
	if !s.opened {
		return
	}
	how := l.conclude(s, err)
	if l.events.Close != nil {
		defer l.recoverPanic(0)
		l.events.Close(Conn{l, t}, how)
	}
}

// conclude says how the connection ended; err is the driver's reason.
func (l *loop) conclude(s *session, err error) Closure {
	how := Closure{}
	if s.rare != 0 {
		how = l.rares[s.rare].closure
	}
	if how.Code == 0 {
		how.Code = codec.StatusAbnormalClosure
		if how.Err == nil {
			how.Err = err
		}
	}
	return how
}

// forget clears the slot for its next connection.
func (l *loop) forget(t poller.Token, s *session) {
	l.dropRare(s)
	l.mu.Lock()
	s.sending = sending{}
	if int(t.Slot()) < l.data.Len() {
		*l.data.At(t.Slot()) = nil
	}
	l.mu.Unlock()
	s.phase, s.opened = phaseNone, false
	l.server.connectionGone()
}

// closureOf is where the end of a connection is noted until Closed.
func (l *loop) closureOf(s *session) *Closure { return &l.rareOf(s).closure }

// recoverPanic, deferred around callbacks, turns a panic into the end of the connection t
// alone.
func (l *loop) recoverPanic(t poller.Token) {
	v := recover()
	if v == nil {
		return
	}
	l.server.counters.panics.Add(1)
	l.server.logger().Error("wsloop: panic in a callback", "panic", v, "stack", string(debug.Stack()))
	s := l.find(t)
	if s == nil {
		return
	}
	if s.phase == phaseOpening {
		l.refuse(t, s, nil, ErrPanic)
		return
	}
	l.fail(t, s, codec.StatusInternalError, ErrPanic)
}
