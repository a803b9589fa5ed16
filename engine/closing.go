package engine

import (
	"errors"
	"io"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller"
)

// fail begins the end of a connection on our side: one Close frame, then FIN; what
// still comes is dropped (RFC 6455 section 7.1.7).
func (l *loop) fail(t poller.Token, s *session, code codec.StatusCode, reason error) {
	if s.phase != phaseOpen {
		return
	}
	var payload [codec.MaxControlPayload]byte
	frame, err := codec.AppendClose(payload[:0], code, "")
	if err == nil {
		// When Conn.Close sent a frame a moment ago, that one stands.
		_ = l.sendClose(t, frame, false)
	}
	l.discardRest(t, s, reason)
}

// discardRest ends an open connection whose Close frame is on its way, without waiting for the peer's.
func (l *loop) discardRest(t poller.Token, s *session, reason error) {
	if s.phase != phaseOpen {
		return
	}
	x := l.rareOf(t, s)
	x.assembler.Release()
	x.closure.Err = reason
	l.unpause(t, s)
	s.phase = phaseDiscarding
	l.expect(t.Slot(), l.settings.deadlines.close)
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
	code, reason, err := s.decoder.ParseClose(payload)
	if err != nil {
		l.failProtocol(t, s, err)
		return
	}
	c := l.closureOf(t, s)
	c.Code, c.Reason = code, string(reason)
	_ = l.sendClose(t, payload[:min(len(payload), 2)], false)
	l.finish(t, s)
}

// awaitClose looks for the peer's Close frame behind our own; data is dropped as it comes.
func (l *loop) awaitClose(t poller.Token, s *session, b []byte) {
	var p codec.Part
	for len(b) > 0 {
		n, ok, err := s.decoder.Next(b, &l.settings.codec, &p)
		b = b[n:]
		var m codec.Message
		switch {
		case err != nil || !ok:
		case p.Opcode.IsControl():
			m, ok, err = l.rareOf(t, s).assembler.Add(&s.decoder, &p)
		default:
			err = s.decoder.Unmask(&p)
		}
		if err != nil {
			// No second Close frame: ours is out already.
			l.closureOf(t, s).Err = err
			s.phase = phaseDiscarding
			l.checkSent(t, s)
			return
		}
		if ok && m.Opcode == codec.OpcodeClose {
			l.closeAnswered(t, s, m.Payload)
			return
		}
	}
}

// closeAnswered ends a closing handshake that we began.
func (l *loop) closeAnswered(t poller.Token, s *session, payload []byte) {
	c := l.closureOf(t, s)
	code, reason, err := s.decoder.ParseClose(payload)
	if err != nil {
		c.Err = err
	} else {
		c.Code, c.Reason = code, string(reason)
	}
	l.finish(t, s)
}

// finish closes the connection as soon as its last byte has left.
func (l *loop) finish(t poller.Token, s *session) {
	l.unpause(t, s)
	s.phase = phaseFlushing
	l.expect(t.Slot(), l.settings.deadlines.close)
	l.checkSent(t, s)
}

// checkSent calls allSent if nothing waits now; otherwise Flush or Drained will.
func (l *loop) checkSent(t poller.Token, s *session) {
	l.mu.Lock()
	waiting := s.sending.waits()
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
		// The server closes first, so that it is the one to remember the connection (RFC 6455 section 7.1.1).
		if !s.isClient() || s.flags&flagEOF != 0 {
			l.driver.Close(t, nil)
		}
	case phaseDiscarding:
		l.driver.CloseWrite(t)
	}
}

// EOF implements poller.Handler. What was sent before still goes out.
func (l *loop) EOF(t poller.Token) {
	s := l.sessions.At(t.Slot())
	s.flags |= flagEOF
	switch s.phase {
	case phaseOpen, phaseClosing:
		l.closureOf(t, s).Err = io.EOF
		l.mu.Lock()
		l.endSending(&s.sending)
		l.mu.Unlock()
		l.finish(t, s)
	case phaseDiscarding:
		// A peer that only half-closed still gets what waits for it.
		l.finish(t, s)
	case phaseFlushing:
		l.checkSent(t, s)
	default:
		l.driver.Close(t, io.EOF)
	}
}

// Closed implements poller.Handler.
func (l *loop) Closed(t poller.Token, err error) {
	s := l.sessions.At(t.Slot())
	l.unschedule(t.Slot())
	if s.pauses&pauseMemory != 0 {
		l.starved--
	}
	l.mu.Lock()
	s.sending.state = sendEnded
	l.dropBacklog(&s.sending)
	l.mu.Unlock()
	l.unsubscribe(t, s)
	if s.flags&flagOpened == 0 {
		l.closedDialing(t, s, err)
		return
	}
	how := l.conclude(s, err)
	if l.server.workers != nil {
		l.linger(t, s, how)
		l.forget(t, s)
		return
	}
	l.tellRest(t, s)
	defer l.server.connectionGone()
	defer l.forget(t, s)
	if close := l.eventsOf(s).Close; close != nil {
		defer l.recoverPanic(0)
		close(Conn{l, t}, how)
	}
}

// tellRest delivers what a pause held back. It was received before the connection ended.
func (l *loop) tellRest(t poller.Token, s *session) {
	if s.flags&flagQueues == 0 {
		return
	}
	b := l.heldBy(s)
	if b == nil {
		return
	}
	l.mu.Lock()
	b.ended = true
	l.mu.Unlock()
	for l.tellNext(t, b) {
	}
}

// tellNext runs one callback, if there is one. A panic in it drops those that follow.
func (l *loop) tellNext(t poller.Token, b *inbox) (ok bool) {
	defer l.fence(Conn{l, t})
	j, ok := l.next(b)
	if ok {
		l.run(b.events, Conn{l, t}, &j)
	}
	return ok
}

// linger leaves the last callback of a connection to the workers.
func (l *loop) linger(t poller.Token, s *session, how Closure) {
	remote, source := l.toldRemote(t)
	l.mu.Lock()
	b := l.inboxOf(t, &s.sending)
	b.data, _ = l.dataOf(t)
	b.remote, b.source = remote, source
	l.detach(t) // from here on it is b's
	b.ended = true
	b.push(job{kind: jobClose, how: &how}, &l.pool)
	l.lingering[t] = b
	s.sending.inbox = 0
	start := l.startInbox(b)
	l.mu.Unlock()
	if start {
		l.server.workers.submit(b)
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
	l.forgetRemote(t)
	if l.server.sources != nil {
		own := l.termsOf(t)
		l.server.sources.release(own.source)
		own.source = 0
	}
	l.mu.Lock()
	if s.sending.inbox != 0 {
		l.dropInbox(l.inboxes[s.sending.inbox])
	}
	l.dropWindows(t, &s.sending)
	*s = session{}
	l.detach(t)
	l.mu.Unlock()
}

// closureOf is where the end of a connection is noted until Closed.
func (l *loop) closureOf(t poller.Token, s *session) *Closure { return &l.rareOf(t, s).closure }

// recoverPanic, deferred around callbacks, turns a panic into the end of the connection t
// alone.
func (l *loop) recoverPanic(t poller.Token) {
	v := recover()
	if v == nil {
		return
	}
	l.server.reportPanic(v)
	if s := l.find(t); s != nil {
		l.failPanic(t, s)
	}
}

// failPanic ends a connection in one of whose callbacks there was a panic.
func (l *loop) failPanic(t poller.Token, s *session) {
	l.mu.Lock()
	l.cutInbox(t)
	l.mu.Unlock()
	switch s.phase {
	case phaseOpening:
		l.refuse(t, s, nil, ErrPanic)
	case phaseConnecting: // in DialOptions.Connected
		l.driver.Close(t, ErrPanic)
	default:
		l.fail(t, s, codec.StatusInternalError, ErrPanic)
	}
}
