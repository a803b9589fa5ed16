package codec

import (
	"encoding/binary"
	"slices"

	"github.com/wsloop/wsloop/mask"
)

// HeaderLen returns the size of the header of an unmasked frame with this payload length; a masked
// one has four bytes more.
func HeaderLen(payloadLen int) int {
	switch {
	case payloadLen < length16:
		return 2
	case payloadLen < 1<<16:
		return 4
	default:
		return 10
	}
}

// AppendHeader appends the header of an unmasked frame, as a server sends it.
func AppendHeader(dst []byte, fin bool, op Opcode, payloadLen int) []byte {
	if payloadLen < length16 {
		return append(dst, firstByte(fin, op), byte(payloadLen))
	}
	return appendLongHeader(dst, firstByte(fin, op), 0, payloadLen)
}

// AppendFrame appends an unmasked frame, as a server sends it.
func AppendFrame(dst []byte, fin bool, op Opcode, payload []byte) []byte {
	dst = slices.Grow(dst, HeaderLen(len(payload))+len(payload))
	return append(AppendHeader(dst, fin, op, len(payload)), payload...)
}

// MarkCompressed sets RSV1 in a frame that begins a message and was appended here: its payload is compressed as
// permessage-deflate has it (RFC 7692 section 6).
func MarkCompressed(frame []byte) { frame[0] |= rsv1Bit }

// AppendMaskedHeader appends the header of a masked frame, as a client sends it. The key is the
// little-endian word of the four bytes; RFC 6455 section 10.3 wants it unpredictable.
func AppendMaskedHeader(dst []byte, fin bool, op Opcode, payloadLen int, key uint32) []byte {
	if payloadLen < length16 {
		dst = append(dst, firstByte(fin, op), maskBit|byte(payloadLen))
	} else {
		dst = appendLongHeader(dst, firstByte(fin, op), maskBit, payloadLen)
	}
	return binary.LittleEndian.AppendUint32(dst, key)
}

// AppendMaskedFrame appends a masked frame, as a client sends it. The payload is masked while it is
// copied and stays as it was.
func AppendMaskedFrame[T []byte | string](dst []byte, fin bool, op Opcode, payload T, key uint32) []byte {
	dst = slices.Grow(dst, HeaderLen(len(payload))+4+len(payload))
	dst = AppendMaskedHeader(dst, fin, op, len(payload), key)
	n := len(dst)
	dst = dst[:n+len(payload)]
	switch payload := any(payload).(type) {
	case []byte:
		mask.Copy(dst[n:], payload, key)
	case string:
		copy(dst[n:], payload)
		mask.XOR(dst[n:], key)
	}
	return dst
}

func firstByte(fin bool, op Opcode) byte {
	if fin {
		return finBit | byte(op)
	}
	return byte(op)
}

// appendLongHeader appends a header whose payload length needs 16 or 64 bits, up to the length.
func appendLongHeader(dst []byte, first, masked byte, payloadLen int) []byte {
	if payloadLen < 1<<16 {
		dst = append(dst, first, masked|length16)
		return binary.BigEndian.AppendUint16(dst, uint16(payloadLen))
	}
	dst = append(dst, first, masked|length64)
	return binary.BigEndian.AppendUint64(dst, uint64(payloadLen))
}
