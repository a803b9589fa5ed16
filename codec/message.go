package codec

import "slices"

// Message is a text or binary message, or a control frame.
type Message struct {
	Opcode     Opcode
	Compressed bool // the payload is to be inflated (RFC 7692)
	Payload    []byte
}

// Memory lends an Assembler the buffer in which it joins a message.
type Memory interface {
	// Grow returns a slice with the contents of b and a capacity of at least need. It may take the
	// memory of b back. What it reserves beyond need is its own decision; at most twice need keeps
	// the memory of a message in proportion to the bytes received, and at least 5/4 of the capacity
	// of b keeps the copying linear. It returns nil to refuse, and then b is untouched.
	Grow(b []byte, need int) []byte

	// Release takes back the memory of b, which is not used afterwards.
	Release(b []byte)
}

// Assembler joins the parts of messages and control frames that did not arrive whole. It holds a
// buffer only from the first piece of a message until Release, and what it asks for is what was
// received; or from 32 KiB on what the frame announces, if that is at most sixteen times as much. The zero
// value is ready to use.
type Assembler struct {
	// Memory lends the buffer; nil means the garbage-collected heap. It is not to be changed while a
	// buffer is held.
	Memory Memory

	data       []byte // the message in pieces, unmasked
	delivered  bool   // data was handed out by Add and is the caller's until the next piece
	inPieces   bool   // a message has begun and not ended
	controlLen uint8
	control    [MaxControlPayload]byte // the control frame in pieces, unmasked
}

// Add takes a part that d found. With ok, m is the message or control frame that the part ended; its
// payload is valid until the next Add, Next or Release, and may be edited. A part that is whole is
// unmasked in place and handed back, without a copy; its payload then is a slice of what d was given.
//
// A Close frame in pieces fails as soon as its beginning is invalid. One that is whole is returned as
// it is: Decoder.ParseClose judges it. The error is a *ProtocolError, or ErrNoMemory.
func (a *Assembler) Add(d *Decoder, p *Part) (m Message, ok bool, err error) {
	switch {
	case p.Whole():
		if err := d.Unmask(p); err != nil {
			return m, false, err
		}
		return Message{p.Opcode, p.Compressed, p.Payload}, true, nil
	case p.Opcode.IsControl():
		return a.addControl(d, p)
	default:
		return a.addData(d, p)
	}
}

// Next is Decoder.Next and Add in one: it consumes bytes of b until a message or control frame is
// complete or b is used up. Every payload is valid until the next call or until b is reused.
func (a *Assembler) Next(d *Decoder, b []byte, lim *Limits) (m Message, n int, ok bool, err error) {
	var p Part
	for {
		used, found, err := d.Next(b[n:], lim, &p)
		n += used
		if err != nil || !found {
			return Message{}, n, false, err
		}
		m, ok, err = a.Add(d, &p)
		if ok || err != nil {
			return m, n, ok, err
		}
	}
}

// Empty reports whether nothing is in pieces, so that the Assembler may be released and reused for
// another connection. The payload of the last message is given up with it.
func (a *Assembler) Empty() bool {
	return !a.inPieces && a.controlLen == 0
}

// Release gives the memory back and forgets what is in pieces.
func (a *Assembler) Release() {
	if a.data != nil && a.Memory != nil {
		a.Memory.Release(a.data)
	}
	a.data, a.delivered, a.inPieces, a.controlLen = nil, false, false, 0
}

func (a *Assembler) addData(d *Decoder, p *Part) (m Message, ok bool, err error) {
	if a.delivered {
		a.data, a.delivered = a.data[:0], false
	}
	a.inPieces = true
	if err = a.take(d, p); err != nil || !p.End || !p.Fin {
		return m, false, err
	}
	a.delivered, a.inPieces = true, false
	return Message{p.Opcode, p.Compressed, a.data}, true, nil
}

// What is reserved for the rest of a frame: a peer that announces a long one has to send 32 KiB of it, and a
// sixteenth of what it makes us hold. From the 64 KiB that a loop reads at a time follows 1 MiB.
const (
	reserveFrom  = 32 << 10
	reserveRatio = 16
)

// take adds the payload of a part.
func (a *Assembler) take(d *Decoder, p *Part) (err error) {
	if a.readInto(p.Payload) {
		a.data = a.data[:len(a.data)+len(p.Payload)]
		return d.Unmask(p)
	}
	if need := len(a.data) + len(p.Payload); need > cap(a.data) {
		if need >= reserveFrom {
			need += int(min(p.Remaining, uint64(reserveRatio-1)*uint64(need)))
		}
		if !a.grow(need) {
			return ErrNoMemory
		}
	}
	a.data, err = d.AppendTo(a.data, p)
	return err
}

// Room is where the next payload bytes of the frame at hand belong. What is read to there and then given to Decoder.Next
// is not copied by Add. It is nil if none of the message was added yet, if a control frame is at hand, or if there is
// no room. It is valid until the next call of anything but Next and Decoder.Next.
func (a *Assembler) Room(d *Decoder) []byte {
	if !a.inPieces || d.phase != inPayload || Opcode(d.first&opcodeBits).IsControl() {
		return nil
	}
	n := len(a.data)
	end := n + int(min(d.remaining, uint64(cap(a.data)-n)))
	return a.data[n:end:end]
}

// readInto says whether b begins where Room does.
func (a *Assembler) readInto(b []byte) bool {
	n := len(a.data)
	return len(b) > 0 && len(b) <= cap(a.data)-n && &a.data[:n+1][n] == &b[0]
}

func (a *Assembler) grow(need int) bool {
	if a.Memory == nil {
		a.data = slices.Grow(a.data, need-len(a.data))
		return true
	}
	grown := a.Memory.Grow(a.data, need)
	if grown == nil {
		return false
	}
	a.data = grown
	return true
}

// Held is the capacity of the buffer that is held.
func (a *Assembler) Held() int { return cap(a.data) }

func (a *Assembler) addControl(d *Decoder, p *Part) (m Message, ok bool, err error) {
	payload := p.appendUnmasked(a.control[:a.controlLen])
	if p.Opcode == OpcodeClose {
		if v, at := checkClose(payload, p.End); v != valid {
			return m, false, d.fail(v, d.offset-int64(len(payload)-at))
		}
	}
	if !p.End {
		a.controlLen = uint8(len(payload))
		return m, false, nil
	}
	a.controlLen = 0
	return Message{p.Opcode, false, payload}, true, nil
}
