package payload

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"

	window "github.com/klauspost/compress/flate"
)

// takeoverWindow is the window, in bytes, of messages for servers with context takeover: some of them allow clients no more.
const takeoverWindow = 1 << 12

// level is that of browsers.
const level = 6

// tail is what a sender leaves out at the end (RFC 7692 section 7.2.1).
const tail = "\x00\x00\xff\xff"

// Compress compresses a message by itself, with references no further back than the window of servers with context takeover
// allows, or as far as DEFLATE can.
func Compress(message []byte, takeover bool) []byte {
	var out bytes.Buffer
	// Levels and windows that exist, and writing to memory, do not fail.
	var w interface {
		io.Writer
		Flush() error
	}
	if takeover {
		w, _ = window.NewWriterWindow(&out, takeoverWindow)
	} else {
		w, _ = flate.NewWriter(&out, level)
	}
	_, _ = w.Write(message)
	_ = w.Flush()
	return bytes.TrimSuffix(out.Bytes(), []byte(tail))
}

// Write writes the messages of a length as the load generator reads them: for each its length and the length of that compressed,
// four bytes each with the most significant first, and then both.
func Write(to io.Writer, messageBytes int, takeover bool) error {
	var out []byte
	for _, message := range Messages(messageBytes) {
		compressed := Compress(message, takeover)
		out = binary.BigEndian.AppendUint32(out, uint32(len(message)))
		out = binary.BigEndian.AppendUint32(out, uint32(len(compressed)))
		out = append(append(out, message...), compressed...)
	}
	if _, err := to.Write(out); err != nil {
		return fmt.Errorf("payload: %w", err)
	}
	return nil
}
