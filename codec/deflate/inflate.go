package deflate

import (
	"bufio"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/wsloop/wsloop/codec"
)

// Inflater inflates the messages of any number of connections. It may be used by several goroutines
// at once; what it needs for a message, about 50 KiB, comes from a pool and returns to it, so that
// no connection owns any of it. The zero value is ready to use.
type Inflater struct {
	// Memory lends what the destination has to grow by; nil means the garbage-collected heap.
	Memory codec.Memory

	pool sync.Pool // of *inflation
}

// Append inflates src, the payload of a whole compressed message, all its fragments joined, and
// appends the message to dst. It stops before the message exceeds lim, or with text is no longer
// UTF-8: then it has inflated at most one chunk of 32 KiB too much, which is not in dst. A nil lim
// means no limits, a nil w no context takeover.
//
// The error is an *Error, or codec.ErrNoMemory. The slice returned is dst, perhaps grown and with a
// part of the message, also then; w must not be used for another message after an error. src is only
// read.
func (f *Inflater) Append(dst, src []byte, text bool, w *Window, lim *Limits) ([]byte, error) {
	i, _ := f.pool.Get().(*inflation)
	if i == nil {
		i = newInflation()
	}
	i.prime()
	i.source = source{rest: src}
	i.buffered.Reset(&i.source)
	i.sink = sink{dst: dst, start: len(dst), memory: f.Memory, text: text, limits: resolve(lim, len(src)), source: &i.source}
	err := i.message(src, w)
	dst = i.sink.dst
	i.source, i.sink = source{}, sink{}
	f.pool.Put(i)
	return dst, err
}

// inflation is what it takes to inflate one message. Each sets all of it anew.
type inflation struct {
	source   source
	buffered *bufio.Reader // what the library reads fastest, short of a copy of the whole message
	library  library
	sink     sink
}

// library is what a Reader of the library can do besides. WriteTo hands out its own memory.
type library interface {
	flate.Resetter
	io.WriterTo
}

const (
	bufferBytes = 4 << 10
	maxWindow   = 32 << 10
	// Each final block costs a copy of the window, so a message must not consist of them.
	freeRestarts = 8
	restartBytes = 128
)

// primer is a final block without content whose codes have one symbol each: the end of the block, and
// the distance that is never valid in less than 24 KiB. See prime.
var primer = []byte("\x05\xdd\x81\x00\x00\x00\x00\x00\x90\xff\x6b\x25\x00")

func newInflation() *inflation {
	i := &inflation{buffered: bufio.NewReaderSize(nil, bufferBytes)}
	i.library = flate.NewReader(i.buffered).(library)
	return i
}

// prime overwrites the Huffman tables of the message before. The library takes a block whose code has
// no symbol, decodes it with the table that was there last, and so would let one connection learn of
// the messages of another.
func (i *inflation) prime() {
	i.source = source{rest: primer}
	i.buffered.Reset(&i.source)
	i.library.Reset(i.buffered, nil)
	i.library.WriteTo(io.Discard) // inflates to nothing
}

// message inflates what the source holds. A final block ends the stream for the library, but not
// the message: the next block follows at the next byte (RFC 7692 section 7.2.1), and may refer to
// what was before.
func (i *inflation) message(src []byte, w *Window) error {
	if len(src) == 0 {
		return i.end(w) // section 7.2.3.6 asks for a byte, but some send none
	}
	restarts := freeRestarts + len(src)/restartBytes
	for {
		history, ok := i.history(w)
		if !ok {
			return codec.ErrNoMemory
		}
		i.library.Reset(i.buffered, history)
		if _, err := i.library.WriteTo(&i.sink); err != nil {
			return i.failure(err, src)
		}
		switch at := i.position(); {
		case at == len(src) || at == len(src)+len(ending):
			return i.end(w)
		case at > len(src):
			return i.failure(faultTruncated, src)
		}
		if restarts--; restarts < 0 {
			return i.failure(faultRestarts, src)
		}
	}
}

// position counts the bytes that the library has taken. It takes none too many.
func (i *inflation) position() int { return i.source.given - i.buffered.Buffered() }

// history is what the next block may refer to.
func (i *inflation) history(w *Window) (history []byte, ok bool) {
	if w == nil {
		return last(i.sink.message(), maxWindow), true
	}
	ok = w.add(i.sink.untold())
	return w.data, ok
}

// end ends a message that is complete.
func (i *inflation) end(w *Window) error {
	if i.sink.text && !i.sink.state.Complete() {
		return i.failure(faultIncomplete, nil)
	}
	if w != nil && !w.add(i.sink.untold()) {
		return codec.ErrNoMemory
	}
	return nil
}

// failure makes the error of whatever stopped the library.
func (i *inflation) failure(err error, src []byte) error {
	why := faultCorrupt
	switch err {
	case codec.ErrNoMemory:
		return err
	case io.ErrUnexpectedEOF:
		why = faultTruncated
	default:
		if f, ok := err.(fault); ok {
			why = f
		}
	}
	return why.at(min(i.position(), len(src)), len(i.sink.message()))
}
