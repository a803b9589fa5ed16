package load

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"

	"github.com/wsloop/wsloop/codec"
)

// message is the one that a worker sends, built once. It is only read.
type message struct {
	op      codec.Opcode
	payload []byte
	frames  int // 0 or 1: it is sent whole
}

func newMessage(c *Config) message {
	m := message{op: codec.OpcodeBinary, payload: c.Payload, frames: c.Fragments}
	if c.Text {
		m.op = codec.OpcodeText
	}
	if m.payload == nil {
		m.payload = filler(c.Size, c.Text)
	}
	return m
}

// filler has no short period, so that a shifted or torn echo is noticed at its ends. A text has characters of
// one, two and three bytes.
func filler(size int, text bool) []byte {
	b := make([]byte, 0, size)
	for i := uint32(0); len(b) < size; i++ {
		mixed := i * 2654435761 >> 13
		switch room := size - len(b); {
		case !text:
			b = append(b, byte(mixed))
		case i%16 == 7 && room >= 2:
			b = append(b, "é"...)
		case i%16 == 15 && room >= 3:
			b = append(b, "→"...)
		default:
			b = append(b, byte('a'+mixed%26))
		}
	}
	return b
}

// matches says whether an answer can be the echo of the message: by its kind, its length and its ends.
func (m *message) matches(op codec.Opcode, answer []byte) bool {
	last := len(m.payload) - 1
	return op == m.op && len(answer) == len(m.payload) &&
		(last < 0 || answer[0] == m.payload[0] && answer[last] == m.payload[last])
}

// A stamp is the times of a message: when it was due, and when it was sent.
type stamp struct{ due, sent int64 }

// hexDigits of an int64 are what a text has for 8 bytes.
const hexDigits = 16

// stampBytes is what one time takes at the begin of a broadcast message.
func (c *Config) stampBytes() int {
	if c.Text {
		return hexDigits
	}
	return 8
}

// putStamp writes the time at which a message is due, and if there is room that at which it is sent, by the wall clock.
func putStamp(payload []byte, text bool, s stamp) {
	for _, t := range []int64{s.due, s.sent} {
		switch {
		case text && len(payload) >= hexDigits:
			var digits [2 * hexDigits]byte
			padded := append(digits[:0], "0000000000000000"...)
			padded = strconv.AppendUint(padded, uint64(t), 16)
			copy(payload, padded[len(padded)-hexDigits:])
			payload = payload[hexDigits:]
		case !text && len(payload) >= 8:
			binary.BigEndian.PutUint64(payload, uint64(t))
			payload = payload[8:]
		}
	}
}

// stamped is a text with stamps.
func stamped(text []byte) []byte {
	text = bytes.Clone(text)
	putStamp(text, true, stamp{})
	return text
}

// readStamp undoes putStamp. sent is math.MinInt64 if there was no room for it. It is not ok if there is no stamp.
func readStamp(payload []byte, text bool) (s stamp, ok bool) {
	if s.due, ok = readTime(payload, text); !ok {
		return s, false
	}
	n := 8
	if text {
		n = hexDigits
	}
	if s.sent, ok = readTime(payload[n:], text); !ok {
		s.sent = math.MinInt64
	}
	return s, true
}

func readTime(b []byte, text bool) (t int64, ok bool) {
	if !text {
		if len(b) < 8 {
			return 0, false
		}
		return int64(binary.BigEndian.Uint64(b)), true
	}
	if len(b) < hexDigits {
		return 0, false
	}
	for _, c := range b[:hexDigits] {
		switch {
		case c >= '0' && c <= '9':
			t = t<<4 | int64(c-'0')
		case c >= 'a' && c <= 'f':
			t = t<<4 | int64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return t, true
}
