package bridge

import (
	"encoding/binary"

	"github.com/wsloop/wsloop/codec"
)

// EnvelopeBytes is what stands before the payload of a message:
//
//	version (1 byte), opcode (1), origin (8), sequence (8), big endian
const EnvelopeBytes = 18

// version is that of the envelope. Servers refuse others.
const version = 1

// envelope is what a message says besides its payload.
type envelope struct {
	op       codec.Opcode
	origin   uint64
	sequence uint64
}

// Seal makes a message, with a copy of the payload.
func Seal(op codec.Opcode, origin, sequence uint64, payload []byte) []byte {
	data := make([]byte, EnvelopeBytes+len(payload))
	data[0], data[1] = version, byte(op)
	binary.BigEndian.PutUint64(data[2:], origin)
	setSequence(data, sequence)
	copy(data[EnvelopeBytes:], payload)
	return data
}

func setSequence(data []byte, sequence uint64) { binary.BigEndian.PutUint64(data[10:], sequence) }

// open reads a message. payload is a part of data. It refuses what no bridge of this version sends.
func open(data []byte) (e envelope, payload []byte, ok bool) {
	if len(data) < EnvelopeBytes || data[0] != version {
		return e, nil, false
	}
	e.op = codec.Opcode(data[1])
	if e.op != codec.OpcodeText && e.op != codec.OpcodeBinary {
		return e, nil, false
	}
	e.origin, e.sequence = binary.BigEndian.Uint64(data[2:]), binary.BigEndian.Uint64(data[10:])
	return e, data[EnvelopeBytes:], true
}
