//go:build linux

package main

import "encoding/binary"

// Bits of a frame's first two bytes (RFC 6455 section 5.2).
const (
	final  = 0x80
	bin    = 0x2
	masked = 0x80
)

// maskingKey is that of the examples in RFC 6455 section 5.7.
var maskingKey = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// A message and its answer are encoded once, before anything is measured.
type message struct {
	sent, reply []byte // frames, the first of them masked
}

func newMessage(bytes int) message {
	payload := make([]byte, bytes)
	for i := range payload {
		payload[i] = byte(uint32(i) * 2654435761 >> 13) // no short period, so that a shifted reply is noticed
	}
	m := message{sent: append(header(masked, bytes), maskingKey[:]...), reply: append(header(0, bytes), payload...)}
	for i, b := range payload {
		m.sent = append(m.sent, b^maskingKey[i%len(maskingKey)])
	}
	return m
}

// header is that of a frame without its key.
func header(mask byte, payloadLen int) []byte {
	const first = final | bin
	switch {
	case payloadLen <= 125:
		return []byte{first, mask | byte(payloadLen)}
	case payloadLen <= 0xffff:
		return binary.BigEndian.AppendUint16([]byte{first, mask | 126}, uint16(payloadLen))
	default:
		return binary.BigEndian.AppendUint64([]byte{first, mask | 127}, uint64(payloadLen))
	}
}
