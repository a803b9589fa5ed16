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
	deadline deadline
	rare     uint32 // index in loop.rares; 0 for none
	phase    phase
	opened   bool // Events.Open was called, so Events.Close is due
}

// phase is how far a connection's life has come.
type phase uint8

const (
	phaseNone       phase = iota
	phaseOpening          // reading the request head
	phaseOpen             // messages
	phaseClosing          // our Close frame is sent, the peer's has not come
	phaseFlushing         // all is said; closes when the last byte has left
	phaseDiscarding       // failed or refused; FIN follows the last byte, input is dropped until the peer's
)

// rare is what a connection owns only at times: while its request head or a message is
// in pieces, while a pong is owed, and once its Close frame has come.
type rare struct {
	assembler codec.Assembler
	request   *handshake.Request // of a head in pieces
	head      []byte             // what has come of it
	closure   Closure
	pong      []byte // payload of the latest ping that could not be answered yet
	owesPong  bool
}

// Data implements poller.Handler.
func (l *loop) Data(t poller.Token, b []byte) (consumed int) {
	// If a callback panics, the rest of b is dropped with the connection.
	consumed = len(b)
	defer l.recoverPanic(t)
	if l.ended.Load() {
		// After Close or Abort no message is delivered, not even one of this very turn.
		l.applyEnds()
	}
	s := l.sessions.At(t.Slot())
	n := 0
	if s.phase == phaseOpening {
		n = l.readHead(t, s, b)
	}
	switch s.phase {
	case phaseOpen:
		n += l.receive(t, s, b[n:])
	case phaseClosing:
		l.awaitClose(t, s, b[n:])
		n = len(b)
	case phaseFlushing, phaseDiscarding:
		n = len(b)
	}
	return n
}

// receive takes frames from b while the connection is open and its share of the turn lasts.
func (l *loop) receive(t poller.Token, s *session, b []byte) (consumed int) {
	var p codec.Part
	for range framesPerTurn {
		if consumed == len(b) {
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
			l.deliver(t, s, p.Opcode, p.Payload)
		default:
			l.assemble(t, s, &p)
		}
		if l.ended.Load() {
			l.applyEnds()
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
	if l.events.Fragment != nil && !p.Opcode.IsControl() {
		if err := s.decoder.Unmask(p); err != nil {
			l.failProtocol(t, s, err)
			return
		}
		l.fragment(t, p.Opcode, p.Payload, p.First && p.Start, p.Fin && p.End)
		return
	}
	x := l.rareOf(s)
	m, ok, err := x.assembler.Add(&s.decoder, p)
	if err != nil {
		l.failProtocol(t, s, err)
		return
	}
	if ok {
		l.deliver(t, s, m.Opcode, m.Payload)
		l.settle(s)
	}
}

// deliver hands a message or control frame up.
func (l *loop) deliver(t poller.Token, s *session, op codec.Opcode, payload []byte) {
	switch op {
	case codec.OpcodeText, codec.OpcodeBinary:
		if l.events.Fragment != nil {
			l.fragment(t, op, payload, true, true)
		} else if l.events.Message != nil {
			l.events.Message(Conn{l, t}, op, payload)
			poison(payload)
		}
	case codec.OpcodePing:
		if err := l.sendControl(t, codec.OpcodePong, payload); err == ErrBufferFull {
			l.owePong(s, payload)
		}
		if l.events.Ping != nil {
			l.events.Ping(Conn{l, t}, payload)
			poison(payload)
		}
	case codec.OpcodePong:
		if l.events.Pong != nil {
			l.events.Pong(Conn{l, t}, payload)
			poison(payload)
		}
	case codec.OpcodeClose:
		l.peerClosed(t, s, payload)
	}
}

// owePong keeps the payload of the latest ping that could not be answered, because the peer
// does not read. Earlier ones need no answer then (RFC 6455 section 5.5.3).
func (l *loop) owePong(s *session, payload []byte) {
	x := l.rareOf(s)
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

func (l *loop) fragment(t poller.Token, op codec.Opcode, payload []byte, first, last bool) {
	l.events.Fragment(Conn{l, t}, Fragment{Opcode: op, Payload: payload, First: first, Last: last})
	poison(payload)
}

// rareOf returns the session's rare state, making it if need be.
func (l *loop) rareOf(s *session) *rare {
	if s.rare != 0 {
		return l.rares[s.rare]
	}
	if last := len(l.freeRares) - 1; last >= 0 {
		s.rare = l.freeRares[last]
		l.freeRares = l.freeRares[:last]
	} else {
		s.rare = uint32(len(l.rares))
		x := new(rare)
		x.assembler.Memory = &l.buffers
		l.rares = append(l.rares, x)
	}
	return l.rares[s.rare]
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
	if x.request == nil && !x.owesPong && x.closure == (Closure{}) {
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
	x.closure = Closure{}
	x.owesPong, x.pong = false, nil
	l.freeRares = append(l.freeRares, s.rare)
	s.rare = 0
}
