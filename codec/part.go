package codec

import (
	"slices"

	"github.com/wsloop/wsloop/codec/utf8"
	"github.com/wsloop/wsloop/mask"
)

// Part is what Decoder.Next found of one frame: all of it, or a piece. An empty frame is one part
// without payload; no other part is empty.
type Part struct {
	// Opcode is that of the message, also in continuation frames, or that of the control frame.
	Opcode Opcode

	Start bool // this part begins its frame
	End   bool // this part ends its frame
	First bool // the frame begins its message; always set for a control frame
	Fin   bool // the FIN bit: the frame ends its message

	// Compressed says that the message came with RSV1: its payload is to be inflated, all of it
	// together, and is validated then.
	Compressed bool

	// Payload aliases the bytes given to Next, and is masked until Unmask.
	Payload []byte

	// Remaining counts the payload bytes of this frame that are still to come.
	Remaining uint64

	key uint32 // masking key at the first byte of Payload; 0 when nothing is masked
}

// Whole reports whether the part is an unfragmented message or a control frame from its first byte
// to its last. Unmask makes it ready to use, without an Assembler.
func (p *Part) Whole() bool {
	return p.Start && p.End && p.First && p.Fin
}

// Unmask unmasks p in place, then validates it if it belongs to a text message that is not compressed: as UTF-8 that may go
// on, or at the end of the message as UTF-8 that is complete (RFC 6455 section 8.1).
//
// Of a message in parts, every part has to come here or to AppendTo, once, in order, and before Next
// is called again.
func (d *Decoder) Unmask(p *Part) error {
	if p.key != 0 {
		mask.XOR(p.Payload, p.key)
	}
	if !p.isText() || p.Whole() && utf8.Valid(p.Payload) {
		return nil
	}
	return d.checkText(p, p.Payload)
}

// isText reports whether the payload has to be UTF-8 as it is.
func (p *Part) isText() bool { return p.Opcode == OpcodeText && !p.Compressed }

// AppendTo appends the unmasked payload of p to dst, and validates it as Unmask does. The payload
// itself stays masked. The bytes are in the slice returned even if they are invalid.
func (d *Decoder) AppendTo(dst []byte, p *Part) ([]byte, error) {
	n := len(dst)
	dst = p.appendUnmasked(dst)
	if !p.isText() {
		return dst, nil
	}
	return dst, d.checkText(p, dst[n:])
}

func (p *Part) appendUnmasked(dst []byte) []byte {
	if p.key == 0 {
		return append(dst, p.Payload...)
	}
	n := len(dst)
	dst = slices.Grow(dst, len(p.Payload))[:n+len(p.Payload)]
	mask.Copy(dst[n:], p.Payload, p.key)
	return dst
}

// checkText takes UTF-8 validation over the unmasked payload of p.
func (d *Decoder) checkText(p *Part, text []byte) error {
	before := d.text
	if p.First && p.Start {
		before = utf8.State(0)
	}
	after, ok := before.Advance(text)
	if !ok {
		start := d.offset - int64(len(text))
		return d.fail(textNotUTF8, start+int64(invalidAt(before, text)))
	}
	d.text = after
	if p.Fin && p.End && !after.Complete() {
		return d.fail(textIncomplete, d.offset)
	}
	return nil
}
