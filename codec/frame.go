package codec

import (
	"encoding/binary"
	"fmt"
)

// The sizes of RFC 6455 section 5.2 and 5.5.
const (
	MaxHeaderLen      = 14  // two bytes, a 64-bit length and a masking key
	MaxControlPayload = 125 // payload bytes of a control frame
)

// Bits of the first two bytes of a header, and the values of the 7-bit length that announce a longer
// one (RFC 6455 section 5.2).
const (
	finBit     = 0x80
	rsvBits    = 0x70
	rsv1Bit    = 0x40
	opcodeBits = 0x0f
	maskBit    = 0x80
	lengthBits = 0x7f

	length16 = 126
	length64 = 127
)

// Opcode says what a frame is (RFC 6455 section 11.8).
type Opcode uint8

// The opcodes that RFC 6455 defines. The others are reserved.
const (
	OpcodeContinuation Opcode = 0x0
	OpcodeText         Opcode = 0x1
	OpcodeBinary       Opcode = 0x2
	OpcodeClose        Opcode = 0x8
	OpcodePing         Opcode = 0x9
	OpcodePong         Opcode = 0xa
)

// IsControl reports whether o is in the range of control frames, defined or reserved.
func (o Opcode) IsControl() bool { return o&0x8 != 0 }

// IsReserved reports whether RFC 6455 defines no meaning for o.
func (o Opcode) IsReserved() bool { return o&0x7 > 2 || o > opcodeBits }

// String returns the name of o in lower case.
func (o Opcode) String() string {
	switch o {
	case OpcodeContinuation:
		return "continuation"
	case OpcodeText:
		return "text"
	case OpcodeBinary:
		return "binary"
	case OpcodeClose:
		return "close"
	case OpcodePing:
		return "ping"
	case OpcodePong:
		return "pong"
	}
	return fmt.Sprintf("opcode %#x", uint8(o))
}

// Role is the side of the connection that decodes.
type Role uint8

// The two roles. The zero value is the server's.
const (
	RoleServer Role = iota // the peer is a client, which must mask (RFC 6455 section 5.1)
	RoleClient             // the peer is a server, which must not
)

// String returns "server" or "client".
func (r Role) String() string {
	switch r {
	case RoleServer:
		return "server"
	case RoleClient:
		return "client"
	}
	return fmt.Sprintf("role %d", uint8(r))
}

// Header is a frame header (RFC 6455 section 5.2).
type Header struct {
	Fin        bool
	Rsv        uint8 // RSV1, RSV2 and RSV3 as the bits 4, 2 and 1
	Opcode     Opcode
	Masked     bool
	MaskingKey uint32 // the four bytes as a little-endian word, as package mask takes it
	PayloadLen uint64
}

// ParseHeader reads the header at the start of b and returns how many bytes it took. While b holds
// only a part of it, n is 0 and err is nil.
//
// It checks what can be said of one frame alone: opcode, length encoding, the limits on control
// frames. Reserved bits, masking and the order of frames depend on the connection; Decoder checks
// them. The offset in an error counts from the start of b.
func ParseHeader(b []byte) (h Header, n int, err error) {
	if len(b) == 0 {
		return h, 0, nil
	}
	first := b[0]
	if v := checkOpcode(first); v != valid {
		return h, 0, v.at(0)
	}
	if len(b) == 1 {
		return h, 0, nil
	}
	second := b[1]
	if v := checkControlLen(first, second); v != valid {
		return h, 0, v.at(1)
	}
	payloadLen, extended := uint64(second&lengthBits), extendedLen(second)
	if extended > 0 {
		payloadLen = 0
		for i, c := range b[2:min(len(b), 2+extended)] {
			payloadLen = payloadLen<<8 | uint64(c)
			if v := possibleLengths(payloadLen, i+1, extended).check(extended); v != valid {
				return h, 0, v.at(int64(2 + i))
			}
		}
	}
	n = headerLen(second)
	if len(b) < n {
		return h, 0, nil
	}
	h = Header{
		Fin:        first&finBit != 0,
		Rsv:        first & rsvBits >> 4,
		Opcode:     Opcode(first & opcodeBits),
		Masked:     second&maskBit != 0,
		PayloadLen: payloadLen,
	}
	if h.Masked {
		h.MaskingKey = binary.LittleEndian.Uint32(b[n-4:])
	}
	return h, n, nil
}

// extendedLen is the size of the extended payload length that the second byte announces.
func extendedLen(second byte) int {
	switch second & lengthBits {
	case length16:
		return 2
	case length64:
		return 8
	}
	return 0
}

// headerLen is the size of the header that the second byte announces.
func headerLen(second byte) int {
	return 2 + extendedLen(second) + int(second&maskBit)>>5
}
