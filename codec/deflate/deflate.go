package deflate

import (
	"errors"
	"strconv"
	"sync"

	"github.com/klauspost/compress/flate"
)

// Levels of compression. Those between Fastest and Smallest are the library's.
const (
	Fastest  = 0 // keeps no tables between messages; costs least and takes about a twentieth more bytes
	Smallest = 9
)

const (
	minWindowBits = 8
	maxWindowBits = 15
	// The library's levels from 1 to 6, and its writers for small windows, look for nothing to refer to
	// in less than this; Fastest does.
	shortMessage = 128
	lazyLevel    = 7 // levels from here on look in short messages too
)

// Deflater compresses the messages of any number of connections that agreed on the same window. It
// may be used by several goroutines at once; its writers, up to 1.4 MB each but none for Fastest,
// come from a pool and return to it, so that no connection owns one. The zero value
// compresses with Fastest for windows of 32 KiB.
type Deflater struct {
	level      int
	windowBits int
	pool       sync.Pool // of *deflation
}

// NewDeflater returns a Deflater of a level from Fastest to Smallest for a window of 1 << windowBits
// bytes, 8 to 15. Below 15 all levels but Fastest are the same.
func NewDeflater(level, windowBits int) (*Deflater, error) {
	if level < Fastest || level > Smallest {
		return nil, errors.New("deflate: level " + strconv.Itoa(level) + " is not between 0 and 9")
	}
	if windowBits < minWindowBits || windowBits > maxWindowBits {
		return nil, errors.New("deflate: window of " + strconv.Itoa(windowBits) + " bits is not between 8 and 15")
	}
	return &Deflater{level: level, windowBits: windowBits}, nil
}

// Append compresses the message src and appends it to dst, as RFC 7692 section 7.2.1 writes the
// payload of a message with RSV1. With a Window it may refer to what that holds, and adds src to it;
// without one it refers to nothing but itself, and every peer can read it.
//
// If that would not make it smaller, it is not ok, and what the window holds is as it was: the
// message is to be sent as it is, without RSV1. The slice returned is dst then, perhaps grown. If ok,
// the peer has to get the message, and before any other that was compressed with the same Window.
//
// Of short messages that the window does not help, one in eight becomes 6 bytes longer and is ok:
// uncompressed, but with RSV1. Otherwise the window would never hold what makes the next ones smaller.
func (d *Deflater) Append(dst, src []byte, w *Window) (out []byte, ok bool) {
	c, _ := d.pool.Get().(*deflation)
	if c == nil {
		c = &deflation{}
	}
	c.out = limited{dst, len(dst) + len(src) + tailLen - 1}
	ok = d.compress(c, src, w)
	out = c.out.b
	c.out = limited{}
	d.pool.Put(c)
	switch {
	case ok:
		out = out[:len(out)-tailLen]
	case w != nil && w.wants(src):
		out = appendStored(out[:len(dst)], src)
	default:
		return out[:len(dst)], false
	}
	if w != nil && !w.add(src) {
		w.Drop()
	}
	return out, true
}

// appendStored appends a short message as section 7.2.3.3 does.
func appendStored(dst, src []byte) []byte {
	n := len(src)
	dst = append(dst, 0, byte(n), byte(n>>8), ^byte(n), ^byte(n>>8))
	dst = append(dst, src...)
	return append(dst, 0)
}

// deflation is what it takes to compress one message.
type deflation struct {
	out    limited
	writer *flate.Writer // nil until it is needed
}

// compress writes the message with its tail.
func (d *Deflater) compress(c *deflation, src []byte, w *Window) bool {
	window := maxWindow
	if d.windowBits != 0 {
		window = 1 << d.windowBits
	}
	var history []byte
	if w != nil {
		history = last(w.data, window)
	}
	fast := d.level == Fastest || len(src) < shortMessage && (d.level < lazyLevel || window < maxWindow)
	if fast && (window == maxWindow || len(src) <= window) {
		if window < maxWindow {
			// This never refers to what is farther away than the beginning of what it is given.
			history = last(history, window-len(src))
		}
		return flate.StatelessDeflate(&c.out, src, false, history) == nil
	}
	if c.writer == nil {
		c.writer = d.newWriter(window)
	}
	c.writer.ResetDict(&c.out, history)
	if _, err := c.writer.Write(src); err != nil {
		return false
	}
	return c.writer.Flush() == nil
}

// newWriter cannot fail: its arguments were checked.
func (d *Deflater) newWriter(window int) (w *flate.Writer) {
	if window < maxWindow {
		w, _ = flate.NewWriterWindow(nil, window)
	} else {
		w, _ = flate.NewWriter(nil, d.level)
	}
	return w
}

// limited appends to b what is written, up to a length.
type limited struct {
	b     []byte
	limit int
}

// errLonger stops the library.
var errLonger = errors.New("deflate: longer than the message")

func (l *limited) Write(p []byte) (int, error) {
	if len(l.b)+len(p) > l.limit {
		return 0, errLonger
	}
	l.b = append(l.b, p...)
	return len(p), nil
}
