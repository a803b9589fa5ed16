package engine

import (
	"encoding/binary"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
)

// startDialing is told of a connection of ours that is being made.
func (l *loop) startDialing(t poller.Token, d *dialing) {
	l.sessions.Grow(t.Slot())
	s := l.sessions.At(t.Slot())
	s.phase = phaseConnecting
	l.mu.Lock()
	s.sending = sending{generation: t.Generation(), flags: sendMasks}
	s.events = d.target.events
	l.mu.Unlock()
	l.rareOf(t, s).dial = d
	c := Conn{l, t}
	if d.data != nil {
		c.SetData(d.data)
	}
	l.expect(t.Slot(), l.settings.deadlines.handshake)
	if wanted := d.advance(DialConnect, c); !wanted || l.shut {
		l.driver.Close(t, ErrServerClosed)
	}
}

// Connected implements poller.Handler: the request can be sent.
func (l *loop) Connected(t poller.Token) {
	s := l.sessions.At(t.Slot())
	if s.phase != phaseConnecting {
		return // it came from net/http
	}
	d := l.rares[s.rare].dial
	d.advance(DialHandshake, Conn{l, t})
	if connected := d.target.connected; connected != nil {
		defer l.recoverPanic(t)
		connected(d.data)
	}
	s.phase = phaseAnswering
	d.key = handshake.NewKey(l.nonce())
	d.request = d.target.request
	if d.target.frugal != nil && l.isFrugal() {
		d.request = d.target.frugal
	}
	l.scratch = d.request.Append(l.scratch[:0], &d.key)
	l.sendRaw(t, l.scratch, sendNothing)
}

// nonce is what a Sec-WebSocket-Key encodes (RFC 6455 section 4.1).
func (l *loop) nonce() (b [16]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	binary.LittleEndian.PutUint64(b[:], l.secret().Uint64())
	binary.LittleEndian.PutUint64(b[8:], l.secret().Uint64())
	return b
}

// readAnswer reads on in the head of the answer, as readHead does in that of a request. It says how many bytes of b
// belong to it: what follows are frames.
func (l *loop) readAnswer(t poller.Token, s *session, b []byte) (consumed int) {
	x := l.rares[s.rare]
	d := x.dial
	a, head := &l.reply, b
	if x.head != nil {
		if !l.server.budget.ask(l.buffers.Lacks(x.head, len(x.head)+len(b))) {
			l.failMemory(t, s)
			return len(b)
		}
		x.head = append(l.buffers.Grow(x.head, len(x.head)+len(b)), b...)
		a, head = d.answer, x.head
	} else {
		a.Reset()
	}
	n, err := a.Parse(head, &l.settings.head)
	if err == nil && n == 0 {
		if x.head == nil {
			l.keepAnswer(t, s, b)
		}
		return len(b)
	}
	var subprotocol string
	if err == nil {
		subprotocol, err = d.request.Check(a, &d.key)
	}
	if err == nil {
		if p, agreed := d.request.Deflate(a); agreed {
			l.agree(t, s, &p)
		}
	}
	if err != nil {
		l.driver.Close(t, err)
		return len(b)
	}
	consumed = len(b) - (len(head) - n)
	l.dropHead(x)
	l.openDialed(t, s, subprotocol)
	return consumed
}

// keepAnswer moves a head that is not complete out of the loop's scratch space.
func (l *loop) keepAnswer(t poller.Token, s *session, b []byte) {
	if !l.server.budget.ask(l.buffers.Lacks(nil, len(b))) {
		l.failMemory(t, s)
		return
	}
	x := l.rares[s.rare]
	x.head = append(l.buffers.Get(len(b)), b...)
	x.dial.answer = new(handshake.Answer)
	*x.dial.answer, l.reply = l.reply, *x.dial.answer
}

// openDialed begins the exchange of messages.
func (l *loop) openDialed(t poller.Token, s *session, subprotocol string) {
	number, ok := l.server.internProtocol(subprotocol)
	if !ok {
		l.driver.Close(t, errProtocols)
		return
	}
	l.mu.Lock()
	aborted := s.sending.state != sendNothing
	if !aborted {
		s.sending.subprotocol, s.sending.state = number, sendOpen
	}
	l.mu.Unlock()
	if aborted {
		return // and Flush is going to close it
	}
	x := l.rares[s.rare]
	d := x.dial
	x.dial = nil
	l.settle(s)
	l.server.counters.dials.Add(1)
	defer l.tellOpen(t, d) // also if Open panics
	l.begin(t, s, codec.RoleClient)
}

// tellOpen calls done. What that decides, as to close or to pause, holds for the frames behind the answer.
func (l *loop) tellOpen(t poller.Token, d *dialing) {
	d.done(Conn{l, t}, nil)
	if l.ordered.Load() {
		l.applyOrders()
	}
}

// closedDialing tells of a connection that was not made, or nobody of another one that never opened.
func (l *loop) closedDialing(t poller.Token, s *session, err error) {
	var d *dialing
	if s.rare != 0 {
		d = l.rares[s.rare].dial
	}
	l.forget(t, s)
	if d != nil {
		l.server.counters.dialFailures.Add(1)
		if d.again() {
			return // and it counts as before
		}
	}
	defer l.server.connectionGone()
	if d != nil {
		defer l.recoverPanic(0)
		d.done(Conn{}, newDialError(d.op, err))
	}
}

// isClient says whether we opened the connection. Only the loop's goroutine writes that.
func (s *session) isClient() bool { return s.sending.flags&sendMasks != 0 }
