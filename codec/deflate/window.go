package deflate

import (
	"slices"

	"github.com/wsloop/wsloop/codec"
)

// Window is what one direction of a connection takes over from message to message: the last bytes,
// before compression, of its compressed messages (RFC 7692 section 7.2). It holds memory from the
// first of them until Drop, never more than its size, and belongs to one goroutine at a time.
//
// The receiving side needs all that the peer may refer to, and must not Drop it before the
// connection ends. The sending side may Drop it between any two messages: the next one then refers
// to nothing, which every peer can read.
type Window struct {
	// Memory lends the buffer; nil means the garbage-collected heap. It is not to be changed while a
	// buffer is held.
	Memory codec.Memory

	size   int
	data   []byte
	missed uint8 // short messages that it did not help; it decides which of them is taken in
}

const (
	wantedBytes = 256 // longest message that is taken in
	wantedEvery = 8
)

// wants reports whether a message that did not become smaller is to be taken in for the next ones:
// of short ones the first, and each eighth after it.
func (w *Window) wants(message []byte) bool {
	if len(message) == 0 || len(message) > wantedBytes {
		return false
	}
	w.missed++
	return w.missed%wantedEvery == 1
}

// NewWindow returns an empty window of so many bytes: 1 << bits for what the peer sends, where bits
// is what was agreed; anything up to that for what we send, where 2 KiB are enough for most.
func NewWindow(sizeBytes int, m codec.Memory) Window {
	return Window{Memory: m, size: min(sizeBytes, maxWindow)}
}

// Held is the capacity of the buffer that is held.
func (w *Window) Held() int { return cap(w.data) }

// Drop forgets everything and gives the memory back.
func (w *Window) Drop() {
	if w.data != nil && w.Memory != nil {
		w.Memory.Release(w.data)
	}
	w.data, w.missed = nil, 0
}

// add takes the end of a message. It reports false if there is no memory; nothing is taken then.
func (w *Window) add(b []byte) bool {
	b = last(b, w.size)
	keep := min(len(w.data), w.size-len(b))
	if need := keep + len(b); need > cap(w.data) && !w.grow(need) {
		return false
	}
	kept := copy(w.data, w.data[len(w.data)-keep:])
	w.data = append(w.data[:kept], b...)
	return true
}

// grow doubles, so that little is held where little is said, and copying stays linear.
func (w *Window) grow(need int) bool {
	need = min(max(need, 2*cap(w.data)), w.size)
	if w.Memory == nil {
		w.data = slices.Grow(w.data, need-len(w.data))
		return true
	}
	grown := w.Memory.Grow(w.data, need)
	if grown == nil {
		return false
	}
	w.data = grown
	return true
}

// last gives at most n bytes from the end of b.
func last(b []byte, n int) []byte { return b[max(0, len(b)-n):] }
