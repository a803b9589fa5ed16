package codec

import (
	"errors"
	"fmt"
	"iter"
)

// A receiver is one way to use this package on received bytes. The same input must give the same log
// whichever way is taken and however the input is cut.
type receiver interface {
	// receive takes the next bytes and returns how many were consumed; fewer only after a failure.
	receive(b []byte) int
	log() *eventLog
}

var receivers = map[string]func(setup) receiver{
	"assembler": func(s setup) receiver {
		return &assemblerReceiver{d: NewDecoder(s.role), limits: s.limits}
	},
	"room": func(s setup) receiver {
		return &roomReceiver{assemblerReceiver{d: NewDecoder(s.role), limits: s.limits}}
	},
	"parts": func(s setup) receiver {
		return &partsReceiver{d: NewDecoder(s.role), limits: s.limits}
	},
}

// feed hands the pieces to r up to a failure, and returns how many bytes of them r was given.
func feed(r receiver, pieces iter.Seq[[]byte]) (given int) {
	for piece := range pieces {
		given += len(piece)
		if r.receive(piece); r.log().failed {
			break
		}
	}
	return given
}

// eventLog is what was received, in the words of the vectors.
type eventLog struct {
	events   []string
	failed   bool
	failedAt int64
}

func (l *eventLog) log() *eventLog { return l }

// message logs a message or control frame that d found.
func (l *eventLog) message(d *Decoder, m Message) {
	if m.Opcode != OpcodeClose {
		l.events = append(l.events, payloadEvent(m.Opcode.String(), m.Payload))
		return
	}
	code, reason, err := d.ParseClose(m.Payload)
	if err != nil {
		l.fail(err)
		return
	}
	l.events = append(l.events, closeEvent(code, reason))
}

func (l *eventLog) fail(err error) {
	var p *ProtocolError
	if !errors.As(err, &p) {
		l.events = append(l.events, fmt.Sprintf("an error of the wrong type: %v", err))
		return
	}
	l.events = append(l.events, failEvent(p.Code))
	l.failed, l.failedAt = true, p.Offset
}

// assemblerReceiver lets the Assembler do everything.
type assemblerReceiver struct {
	eventLog
	d      Decoder
	a      Assembler
	limits Limits
}

func (r *assemblerReceiver) receive(b []byte) (n int) {
	for !r.failed {
		m, used, ok, err := r.a.Next(&r.d, b[n:], &r.limits)
		n += used
		if err != nil {
			r.fail(err)
			r.expectSticky(err)
		}
		if !ok {
			break
		}
		r.message(&r.d, m)
		if r.a.Empty() && len(r.events)%2 == 0 { // else the next message finds the buffer of this one
			r.a.Release()
		}
	}
	return n
}

// expectSticky logs an event that no vector expects if the failure is not final.
func (r *assemblerReceiver) expectSticky(err error) {
	for range 2 {
		var first, again *ProtocolError
		m, n, ok, err2 := r.a.Next(&r.d, []byte("\x81\x80\x00\x00\x00\x00"), &r.limits)
		if n != 0 || ok || !errors.As(err, &first) || !errors.As(err2, &again) || *first != *again {
			r.events = append(r.events, fmt.Sprintf("after %v: %v, %d, %v, %v", err, m, n, ok, err2))
		}
	}
}

// roomReceiver is an Assembler that is given bytes where it has room for them, as far as it has.
type roomReceiver struct {
	assemblerReceiver
}

func (r *roomReceiver) receive(b []byte) (n int) {
	for n < len(b) && !r.failed {
		piece := b[n:]
		if room := r.a.Room(&r.d); len(room) > 0 {
			piece = room[:copy(room, piece)]
		} else {
			piece = piece[:min(len(piece), 20)]
		}
		used := r.assemblerReceiver.receive(piece)
		n += used
		if used < len(piece) {
			break
		}
	}
	return n
}

// partsReceiver unmasks every part in place and joins them itself, as a program would that streams
// messages. It works out what to expect of each part from the parts before.
type partsReceiver struct {
	eventLog
	d             Decoder
	limits        Limits
	data, control []byte
	announced     uint64
	opcode        Opcode // of the message in fragments
	first         bool   // the last data frame was its message's first
	inFrame       bool
}

func (r *partsReceiver) receive(b []byte) (n int) {
	for !r.failed {
		var p Part
		used, ok, err := r.d.Next(b[n:], &r.limits, &p)
		n += used
		if err == nil && ok {
			r.check(&p)
			err = r.d.Unmask(&p)
		}
		if err != nil {
			r.fail(err)
			break
		}
		if !ok {
			if n != len(b) {
				r.events = append(r.events, fmt.Sprintf("%d of %d bytes consumed", n, len(b)))
			}
			break
		}
		r.join(&p)
	}
	return n
}

func (r *partsReceiver) join(p *Part) {
	into := &r.data
	if p.Opcode.IsControl() {
		into = &r.control
	}
	*into = append(*into, p.Payload...)
	if p.End && p.Fin {
		r.message(&r.d, Message{Opcode: p.Opcode, Payload: *into})
		*into = nil
	}
}

// check logs an event that no vector expects where a part contradicts the parts before it.
func (r *partsReceiver) check(p *Part) {
	if p.Start == r.inFrame || p.End != (p.Remaining == 0) || cap(p.Payload) != len(p.Payload) {
		r.events = append(r.events, fmt.Sprintf("in a frame %v: %+v", r.inFrame, p))
	}
	if p.Start {
		r.announced = uint64(len(p.Payload)) + p.Remaining
	}
	if r.announced != uint64(len(p.Payload))+p.Remaining || len(p.Payload) == 0 && r.announced > 0 {
		r.events = append(r.events, fmt.Sprintf("%d bytes announced: %+v", r.announced, p))
	}
	r.announced, r.inFrame = p.Remaining, !p.End
	if p.Opcode.IsControl() {
		if !p.First || !p.Fin {
			r.events = append(r.events, fmt.Sprintf("control: %+v", p))
		}
		return
	}
	continues := r.opcode != 0 && (p.Start || !r.first)
	if p.First == continues || r.opcode != 0 && r.opcode != p.Opcode {
		r.events = append(r.events, fmt.Sprintf("in message %v: %+v", r.opcode, p))
	}
	r.opcode, r.first = p.Opcode, p.First
	if p.Fin && p.End {
		r.opcode = 0
	}
}
