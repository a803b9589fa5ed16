package engine

import (
	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
)

// session is what the engine keeps for a connection, idle or not. It holds no
// pointer, so that the garbage collector does not look at it. The loop's goroutine
// owns it, but for sending, which loop.mu guards.
type session struct {
	decoder  codec.Decoder
	sending  sending
	controls meter
	timer    timer
	heard    uint32 // when the last bytes came, in ticks, or if flagPinged when the ping was sent
	spoke    uint32 // when the last message came, or a piece of it
	rare     uint32 // index in loop.rares; 0 for none
	phase    phase
	flags    flags
	pauses   pauses
	events   uint8 // index in Server.events; written under loop.mu
}

// terms is what a connection has beside its session if a setting asks for it that is off by
// default. It holds no pointer either, and the loop's goroutine owns it.
type terms struct {
	messages, bytes meter
	source          uint32 // index in Server.sources; 0 for none
}

// termsOf returns a connection's terms, with room for them from now on.
func (l *loop) termsOf(t poller.Token) *terms {
	l.terms.Grow(t.Slot())
	return l.terms.At(t.Slot())
}

// expiryOf returns the tick at which a connection has lived long enough, if flagExpires, with room for it from now on.
func (l *loop) expiryOf(t poller.Token) *uint32 {
	l.expiries.Grow(t.Slot())
	return l.expiries.At(t.Slot())
}

// phase is how far a connection's life has come.
type phase uint8

const (
	phaseNone       phase = iota
	phaseOpening          // reading the request head
	phaseConnecting       // ours, and not made yet
	phaseAnswering        // the request was sent, reading the head of the answer
	phaseOpen             // messages
	phaseClosing          // our Close frame is sent, the peer's has not come
	phaseFlushing         // all is said; a server closes when the last byte has left, a client when the server has
	phaseDiscarding       // failed or refused; FIN follows the last byte, input is dropped until the peer's
)

type flags uint8

const (
	flagOpened  flags = 1 << iota // Events.Open was called, so Events.Close is due
	flagQueues                    // callbacks go through the inbox
	flagPinged                    // nothing was heard since the ping
	flagStalled                   // output waits for the peer, and rare.stall tells of it
	flagJudged                    // rare.stall.acked counts
	flagExpires                   // expiryOf counts
	flagLeaves                    // and is the connection's place in the drain
	flagEOF                       // the peer sent FIN
)

// rare is what a connection owns only at times: while its request head or a message is
// in pieces, while its output waits or a pong is owed, and once its Close frame has come.
type rare struct {
	token     poller.Token // its connection; 0 while it is free
	assembler codec.Assembler
	request   *handshake.Request // of a head in pieces
	head      []byte             // what has come of it, or of the answer to ours
	dial      *dialing           // of a connection of ours that is not open
	adopted   *adoption          // of one from net/http whose handshake is not answered
	closure   Closure
	stall     stall  // if flagStalled
	pong      []byte // payload of the latest ping that could not be answered yet
	owesPong  bool
	rest      bool   // the driver keeps input that was not consumed
	starvedAt uint32 // when pauseMemory began, in ticks
}

// Data implements poller.Handler.
func (l *loop) Data(t poller.Token, b []byte) (consumed int) {
	// If a callback panics, the rest of b is dropped with the connection.
	consumed = len(b)
	defer l.recoverPanic(t)
	if l.ordered.Load() {
		// After Close or Abort no message is delivered, not even one of this very turn.
		l.applyOrders()
	}
	s := l.sessions.At(t.Slot())
	s.hear(l.wheel.now)
	n := 0
	switch s.phase {
	case phaseOpening:
		n = l.readHead(t, s, b)
	case phaseAnswering:
		n = l.readAnswer(t, s, b)
	}
	switch s.phase {
	case phaseOpen:
		frames := l.receive(t, s, b[n:])
		if rate := &l.settings.rates.bytes; rate.burst != 0 {
			l.charge(t, s, rate, &l.termsOf(t).bytes, frames)
		}
		n += frames
	case phaseClosing:
		l.awaitClose(t, s, b[n:])
		n = len(b)
	case phaseFlushing, phaseDiscarding:
		n = len(b)
	}
	if n < len(b) || s.rare != 0 {
		n = l.holdRest(t, s, n, len(b))
	}
	return n
}

// receive takes frames from b while the connection is open and read, and its share of the turn
// lasts.
func (l *loop) receive(t poller.Token, s *session, b []byte) (consumed int) {
	var p codec.Part
	l.inflatedNow = 0
	for range framesPerTurn {
		if consumed == len(b) || s.pauses != 0 || l.inflatedNow > inflatedPerTurn {
			return consumed
		}
		n, ok, err := s.decoder.Next(b[consumed:], &l.settings.codec, &p)
		consumed += n
		switch {
		case err != nil:
			l.failProtocol(t, s, err)
		case !ok:
			return len(b)
		case p.Whole():
			if err := s.decoder.Unmask(&p); err != nil {
				l.failProtocol(t, s, err)
				break
			}
			l.deliverMessage(t, s, p.Opcode, p.Compressed, p.Payload)
		default:
			l.assemble(t, s, &p)
		}
		if l.ordered.Load() {
			l.applyOrders()
		}
		if s.phase != phaseOpen {
			return l.leave(t, s, b[consumed:], len(b))
		}
	}
	return consumed
}

// leave deals with what follows the last frame that was processed.
func (l *loop) leave(t poller.Token, s *session, rest []byte, all int) (consumed int) {
	if s.phase == phaseClosing {
		l.awaitClose(t, s, rest)
	} else if s.phase == phaseFlushing && len(rest) > 0 {
		// Closing with input unread would reset the connection and lose our
		// Close frame on its way.
		s.phase = phaseDiscarding
	}
	return all
}

// assemble takes a part of a frame or message.
func (l *loop) assemble(t poller.Token, s *session, p *codec.Part) {
	if l.eventsOf(s).Fragment != nil && !p.Opcode.IsControl() && !p.Compressed {
		if err := s.decoder.Unmask(p); err != nil {
			l.failProtocol(t, s, err)
			return
		}
		l.fragment(t, s, Fragment{p.Opcode, p.Payload, p.First && p.Start, p.Fin && p.End})
		return
	}
	if !p.Opcode.IsControl() {
		s.spoke = l.wheel.now
	}
	x := l.rareOf(t, s)
	m, ok, err := x.assembler.Add(&s.decoder, p)
	switch {
	case err == codec.ErrNoMemory:
		l.failMemory(t, s)
	case err != nil:
		l.failProtocol(t, s, err)
	case ok:
		l.deliverMessage(t, s, m.Opcode, m.Compressed, m.Payload)
		l.settle(s)
	}
}

// deliverMessage is deliver for what may have to be inflated first.
func (l *loop) deliverMessage(t poller.Token, s *session, op codec.Opcode, compressed bool, payload []byte) {
	if !compressed {
		l.deliver(t, s, op, payload)
		return
	}
	if message, ok := l.inflate(t, s, op, payload); ok {
		defer l.restInflated(message) // also if the callback panics
		l.deliver(t, s, op, message)
	}
}

// deliver hands a message or control frame up.
func (l *loop) deliver(t poller.Token, s *session, op codec.Opcode, payload []byte) {
	events := l.eventsOf(s)
	switch op {
	case codec.OpcodeText, codec.OpcodeBinary:
		if events.Fragment != nil {
			l.fragment(t, s, Fragment{op, payload, true, true})
			return
		}
		s.spoke = l.wheel.now
		switch {
		case !l.chargeMessage(t, s) || events.Message == nil:
		case s.flags&flagQueues != 0:
			l.enqueue(t, s, job{kind: jobMessage, op: op, payload: payload})
		default:
			events.Message(Conn{l, t}, op, payload)
			poison(payload)
		}
	case codec.OpcodePing:
		if !l.charge(t, s, &l.settings.rates.controls, &s.controls, 1) {
			return
		}
		if err := l.sendControl(t, codec.OpcodePong, payload); err == ErrBufferFull {
			l.owePong(t, s, payload)
		}
		if events.Ping != nil {
			l.tell(t, s, job{kind: jobPing, payload: payload})
		}
	case codec.OpcodePong:
		if l.charge(t, s, &l.settings.rates.controls, &s.controls, 1) && events.Pong != nil {
			l.tell(t, s, job{kind: jobPong, payload: payload})
		}
	case codec.OpcodeClose:
		l.peerClosed(t, s, payload)
	}
}

// fragment hands a piece of a message up. The first one counts for the message.
func (l *loop) fragment(t poller.Token, s *session, f Fragment) {
	s.spoke = l.wheel.now
	if f.First && !l.chargeMessage(t, s) {
		return
	}
	l.tell(t, s, job{kind: jobFragment, op: f.Opcode, payload: f.Payload, first: f.First, last: f.Last})
}

// hear notes that bytes came, which answer any ping.
func (s *session) hear(now uint32) {
	s.heard = now
	s.flags &^= flagPinged
}

// chargeMessage is charge for a message.
func (l *loop) chargeMessage(t poller.Token, s *session) bool {
	rate := &l.settings.rates.messages
	return rate.burst == 0 || l.charge(t, s, rate, &l.termsOf(t).messages, 1)
}

// charge counts what came against a rate. It says whether it is to be delivered.
func (l *loop) charge(t poller.Token, s *session, b *bucket, m *meter, n int) bool {
	if b.burst == 0 || s.phase != phaseOpen || b.add(m, n, l.meterNow()) {
		return true
	}
	if l.settings.rates.policy == RatePause {
		if s.pauses&pauseRate == 0 {
			l.server.counters.ratePauses.Add(1)
			l.pause(t, s, pauseRate)
			l.schedule(t.Slot(), l.wheel.now+1)
		}
		return true
	}
	l.server.counters.rateClosures.Add(1)
	l.fail(t, s, codec.StatusPolicyViolation, ErrRate)
	return false
}

// owePong keeps the payload of the latest ping that could not be answered, because the peer
// does not read. Earlier ones need no answer then (RFC 6455 section 5.5.3).
func (l *loop) owePong(t poller.Token, s *session, payload []byte) {
	x := l.rareOf(t, s)
	x.owesPong = true
	x.pong = append(x.pong[:0], payload...)
}

// payPong answers the ping that is owed a pong, once there is room again.
func (l *loop) payPong(t poller.Token, s *session) {
	if s.rare == 0 || !l.rares[s.rare].owesPong {
		return
	}
	x := l.rares[s.rare]
	if err := l.sendControl(t, codec.OpcodePong, x.pong); err == ErrBufferFull {
		return
	}
	x.owesPong = false
	l.settle(s)
}

// rareOf returns the session's rare state, making it if need be.
func (l *loop) rareOf(t poller.Token, s *session) *rare {
	if s.rare != 0 {
		return l.rares[s.rare]
	}
	if last := len(l.freeRares) - 1; last >= 0 {
		s.rare = l.freeRares[last]
		l.freeRares = l.freeRares[:last]
	} else {
		s.rare = uint32(len(l.rares))
		x := new(rare)
		x.assembler.Memory = (*assembly)(l)
		l.rares = append(l.rares, x)
	}
	x := l.rares[s.rare]
	x.token = t
	return x
}

// settle gives the rare state back if nothing is in pieces.
func (l *loop) settle(s *session) {
	if s.rare == 0 {
		return
	}
	x := l.rares[s.rare]
	if !x.assembler.Empty() {
		return
	}
	x.assembler.Release()
	if x.head == nil && x.dial == nil && x.adopted == nil && s.flags&flagStalled == 0 && !x.owesPong && !x.rest && x.closure == (Closure{}) {
		l.dropRare(s)
	}
}

// dropRare gives the rare state back with all that it holds.
func (l *loop) dropRare(s *session) {
	if s.rare == 0 {
		return
	}
	x := l.rares[s.rare]
	x.assembler.Release()
	l.dropHead(x)
	x.token, x.dial, x.adopted, x.closure = 0, nil, nil, Closure{}
	x.owesPong, x.pong, x.rest = false, nil, false
	l.freeRares = append(l.freeRares, s.rare)
	s.rare = 0
}
