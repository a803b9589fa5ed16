package codec

import (
	"encoding/binary"
	"math/bits"

	"github.com/wsloop/wsloop/codec/utf8"
)

// Limits bounds what a peer may send. One value serves all connections and is only read. A zero
// field means no limit.
type Limits struct {
	MessageBytes uint64 // payload bytes of a message, all its fragments together
	Fragments    uint32 // frames of a message; 1 forbids fragmentation

	// CompressedBytes is MessageBytes for messages that come compressed, before they are inflated.
	CompressedBytes uint64
}

// Decoder is what a connection remembers between two reads. It owns no buffer: an unfinished header
// is kept in its fields, and payload goes to the caller as it arrives. The zero value is a server's,
// ready to use. It is not safe for concurrent use.
type Decoder struct {
	// remaining is the extended payload length as far as it has arrived; once the header is complete,
	// the payload bytes that are still to come.
	remaining  uint64
	messageLen uint64 // payload bytes received of the message that is in fragments
	offset     int64  // bytes consumed since the start, up to a Close frame, or the place of the failure
	key        uint32 // masking key, rotated to the next payload byte
	fragments  uint32 // frames received of the message that is in fragments

	first, second byte  // of the frame at hand
	headerLen     uint8 // bytes of its header received
	phase         phase
	role          Role // with deflates if permessage-deflate was agreed
	sequence      sequence
	text          utf8.State
	failure       violation
}

// phase is what the next byte is for.
type phase uint8

const (
	inHeader   phase = iota
	atPayload        // the header is complete and no payload byte was handed out
	inPayload        // some were
	afterClose       // nothing: what follows a Close frame is discarded (RFC 6455 section 5.5.1)
	failed           // nothing: the connection is failed
)

// NewDecoder returns a Decoder for the given side of the connection.
func NewDecoder(role Role) Decoder {
	return Decoder{role: role}
}

// deflates is kept beside the role.
const deflates Role = 0x80

// Deflate says that permessage-deflate was agreed (RFC 7692): messages may come compressed, with RSV1 on their first
// frame. It is called before the first Next.
func (d *Decoder) Deflate() { d.role |= deflates }

// Deflates reports whether permessage-deflate was agreed.
func (d *Decoder) Deflates() bool { return d.role&deflates != 0 }

// Next looks for a part of a frame in b and consumes n bytes of it. With ok, *p is a part, and the
// rest of b is for the next call; p.Payload aliases b. Without ok and err, all of b is consumed and
// more is needed. A nil lim means no limits.
//
// After a Close frame, Next consumes everything and finds nothing. After an error, of Next or of
// what was done with a part, it consumes nothing and returns an equal error.
func (d *Decoder) Next(b []byte, lim *Limits, p *Part) (n int, ok bool, err error) {
	// This is the way of almost every message: one unfragmented data frame that is all in b. Whatever
	// else it may be, right or wrong, is left to next.
	const finText, finBinary = finBit | byte(OpcodeText), finBit | byte(OpcodeBinary)
	if len(b) < 2 || d.phase != inHeader || d.headerLen != 0 || d.sequence != betweenMessages {
		return d.next(b, lim, p)
	}
	first, compressed := b[0], false
	if first&rsvBits == rsv1Bit && d.Deflates() {
		first, compressed = first&^rsv1Bit, true
	}
	if first != finText && first != finBinary {
		return d.next(b, lim, p)
	}
	masked, head := byte(maskBit), 6
	if d.role&^deflates == RoleClient {
		masked, head = 0, 2
	}
	payloadLen := uint64(b[1] ^ masked) // over 127 if the mask bit is wrong
	switch {
	case payloadLen < length16:
	case payloadLen == length16 && len(b) >= 4:
		payloadLen = uint64(binary.BigEndian.Uint16(b[2:]))
		head += 2
		if payloadLen < length16 {
			return d.next(b, lim, p)
		}
	case payloadLen == length64 && len(b) >= 10:
		payloadLen = binary.BigEndian.Uint64(b[2:])
		head += 8
		if payloadLen < 1<<16 {
			return d.next(b, lim, p)
		}
	default:
		return d.next(b, lim, p)
	}
	if len(b) < head || uint64(len(b)-head) < payloadLen || lim.exceeded(payloadLen, compressed) {
		return d.next(b, lim, p)
	}
	p.key = 0
	if masked != 0 {
		p.key = binary.LittleEndian.Uint32(b[head-4:])
	}
	n = head + int(payloadLen)
	p.Opcode = Opcode(first & opcodeBits)
	p.Compressed = compressed
	p.Start, p.End, p.First, p.Fin = true, true, true, true
	p.Payload = b[head:n:n]
	p.Remaining = 0
	d.offset += int64(n)
	return n, true, nil
}

// next is Next for every frame, byte by byte through the header.
func (d *Decoder) next(b []byte, lim *Limits, p *Part) (n int, ok bool, err error) {
	switch d.phase {
	case failed:
		return 0, false, d.failure.at(d.offset)
	case afterClose:
		return len(b), false, nil
	case inHeader:
		var v violation
		n, v = d.header(b, lim)
		d.offset += int64(n)
		if v != valid {
			return n, false, d.fail(v, d.offset)
		}
		if d.phase == inHeader {
			return n, false, nil
		}
	}
	if n == len(b) && d.remaining > 0 {
		return n, false, nil
	}
	return n + d.payload(b[n:], p), true, nil
}

// header takes header bytes up to the end of the header or of b. With a violation, n is the place of
// the byte that is at fault.
func (d *Decoder) header(b []byte, lim *Limits) (n int, v violation) {
	for i, c := range b {
		if v := d.headerByte(c, lim); v != valid {
			return i, v
		}
		if d.phase != inHeader {
			return i + 1, valid
		}
	}
	return len(b), valid
}

// headerByte takes the next byte of a header and judges all that is known with it.
func (d *Decoder) headerByte(c byte, lim *Limits) violation {
	at := int(d.headerLen)
	switch {
	case at == 0:
		d.first = c
		d.headerLen = 1
		if v := d.sequence.check(c, d.Deflates()); v != valid {
			return v
		}
		return d.checkFragments(lim)
	case at == 1:
		d.second = c
		if v := d.secondByte(lim); v != valid {
			return v
		}
	case at < 2+extendedLen(d.second):
		d.remaining = d.remaining<<8 | uint64(c)
		if v := d.lengthByte(at-1, lim); v != valid {
			return v
		}
	default:
		// The masking key ends the header. Four bytes push the key of the frame before out of the word,
		// and leave the first of them at its low end.
		d.key = d.key>>8 | uint32(c)<<24
	}
	d.headerLen++
	if int(d.headerLen) == headerLen(d.second) {
		d.headerLen = 0
		d.phase = atPayload
	}
	return valid
}

// checkFragments refuses the frame that is one too many for its message.
func (d *Decoder) checkFragments(lim *Limits) violation {
	if lim == nil || lim.Fragments == 0 || d.fragments < lim.Fragments {
		return valid
	}
	if Opcode(d.first&opcodeBits) != OpcodeContinuation {
		return valid
	}
	return tooManyFragments
}

func (d *Decoder) secondByte(lim *Limits) violation {
	if v := checkMask(d.role&^deflates, d.second); v != valid {
		return v
	}
	if v := checkControlLen(d.first, d.second); v != valid {
		return v
	}
	if extendedLen(d.second) > 0 {
		return valid // remaining is 0 since the frame before ended, ready for the length
	}
	d.remaining = uint64(d.second & lengthBits)
	return d.checkMessageLen(d.remaining, lim)
}

// lengthByte judges an extended payload length of which so many bytes have been read.
func (d *Decoder) lengthByte(read int, lim *Limits) violation {
	extended := extendedLen(d.second)
	possible := possibleLengths(d.remaining, read, extended)
	if v := possible.check(extended); v != valid {
		return v
	}
	return d.checkMessageLen(possible.least, lim)
}

// checkMessageLen refuses a data frame of at least this length if its message would exceed the limit.
func (d *Decoder) checkMessageLen(payloadLen uint64, lim *Limits) violation {
	// The sum cannot overflow: a length has at most 63 bits, and messageLen counts bytes received.
	if !Opcode(d.first&opcodeBits).IsControl() && lim.exceeded(d.messageLen+payloadLen, d.sequence.compressed(d.first)) {
		return messageTooBig
	}
	return valid
}

// payload makes a part of what b holds of the payload at hand, and returns its length.
func (d *Decoder) payload(b []byte, p *Part) int {
	n := len(b)
	if uint64(n) > d.remaining {
		n = int(d.remaining)
	}
	d.remaining -= uint64(n)
	d.offset += int64(n)

	op := Opcode(d.first & opcodeBits)
	p.Opcode = d.sequence.opcode(d.first)
	p.Start = d.phase == atPayload
	p.End = d.remaining == 0
	p.Compressed = !op.IsControl() && d.sequence.compressed(d.first)
	p.First = op != OpcodeContinuation
	p.Fin = d.first&finBit != 0
	p.Payload = b[:n:n]
	p.Remaining = d.remaining
	p.key = d.key

	d.key = bits.RotateLeft32(d.key, -8*(n&3))
	if !op.IsControl() {
		d.messageLen += uint64(n)
	}
	d.phase = inPayload
	if p.End {
		d.endFrame(op)
	}
	return n
}

func (d *Decoder) endFrame(op Opcode) {
	d.phase = inHeader
	if op == OpcodeClose {
		d.phase = afterClose
	}
	if op.IsControl() {
		return
	}
	d.fragments++
	d.sequence = d.sequence.after(d.first)
	if d.sequence == betweenMessages {
		d.messageLen, d.fragments = 0, 0
	}
}

// fail ends the decoding for good.
func (d *Decoder) fail(v violation, offset int64) *ProtocolError {
	d.phase, d.failure, d.offset = failed, v, offset
	return v.at(offset)
}

// exceeded reports whether a message of this length is over the limit.
func (l *Limits) exceeded(messageLen uint64, compressed bool) bool {
	if l == nil {
		return false
	}
	limit := l.MessageBytes
	if compressed {
		limit = l.CompressedBytes
	}
	return limit != 0 && messageLen > limit
}
