package poller

import (
	"cmp"
	"math/bits"
	"sync/atomic"
)

const (
	minBufferShift = 6  // 64 bytes
	maxBufferShift = 20 // 1 MiB; larger buffers are never kept
	// keepBytes is the default of Buffers.Keep.
	keepBytes = 16 << 20
)

// Buffers recycles byte slices by powers of two for one loop; there is no lock.
// The zero value is ready to use.
type Buffers struct {
	// Meter, if not nil, counts the bytes of the buffers that exist, by capacity:
	// those in use and those kept for later. Recycling leaves it alone, so on a
	// steady server it is not written. It is set before the first Get, and many
	// Buffers may share it.
	//
	// The count is right if each buffer that Get or Grow returned comes back with
	// its capacity, through Put or Grow, sooner or later. That holds for the
	// largest as well, which are not kept.
	Meter *atomic.Int64

	// Keep bounds the bytes that are kept for later; 0 means 16 MiB.
	Keep int

	classes [maxBufferShift - minBufferShift + 1]bufferClass
	kept    int // bytes in the free lists
}

// bufferClass is the free list of one size. low is its shortest length since the
// last Trim: that many buffers were not needed.
type bufferClass struct {
	free [][]byte
	low  int
}

// class is the smallest one whose buffers hold n bytes.
func class(n int) int {
	if n <= 1<<minBufferShift {
		return 0
	}
	return bits.Len(uint(n-1)) - minBufferShift
}

// Get returns an empty slice with room for n bytes.
func (p *Buffers) Get(n int) []byte {
	i := class(n)
	if i >= len(p.classes) {
		return p.allocate(n)
	}
	c := &p.classes[i]
	last := len(c.free) - 1
	if last < 0 {
		return p.allocate(1 << (i + minBufferShift))
	}
	b := c.free[last]
	c.free[last] = nil
	c.free = c.free[:last]
	c.low = min(c.low, last)
	p.kept -= cap(b)
	return b
}

// Put takes back a slice that Get or Grow returned. The caller must forget it.
func (p *Buffers) Put(b []byte) {
	size := cap(b)
	i := class(size)
	if i >= len(p.classes) {
		p.count(-size)
		return
	}
	if size != 1<<(i+minBufferShift) {
		return // not from Get
	}
	if p.kept+size > cmp.Or(p.Keep, keepBytes) {
		p.count(-size)
		return
	}
	c := &p.classes[i]
	c.free = append(c.free, b[:0])
	p.kept += size
}

// Grow returns a slice with the contents of b and room for need bytes in all, and
// takes b back if it had to move. It grows by half at least, so that a long message in
// many pieces is copied a few times and not once per piece.
func (p *Buffers) Grow(b []byte, need int) []byte {
	if cap(b) >= need {
		return b
	}
	need = max(need, cap(b)+cap(b)/2)
	grown := append(p.Get(need), b...)
	p.Put(b)
	return grown
}

// Lacks is how many bytes Grow(b, need) would allocate: 0 if b has the room, or a buffer that
// is kept.
func (p *Buffers) Lacks(b []byte, need int) int {
	if cap(b) >= need {
		return 0
	}
	need = max(need, cap(b)+cap(b)/2)
	i := class(need)
	switch {
	case i >= len(p.classes):
		return need
	case len(p.classes[i].free) > 0:
		return 0
	}
	return 1 << (i + minBufferShift)
}

// Release is Put under the name by which message assembly knows it.
func (p *Buffers) Release(b []byte) { p.Put(b) }

// Trim gives up the half of what lay unused since the last call, so that a burst
// does not keep its memory. The loop calls it at every tick.
func (p *Buffers) Trim() {
	for i := range p.classes {
		c := &p.classes[i]
		p.shorten(i, len(c.free)-(c.low+1)/2)
		c.low = len(c.free)
	}
}

// Empty gives up all that is kept.
func (p *Buffers) Empty() {
	for i := range p.classes {
		p.shorten(i, 0)
		p.classes[i] = bufferClass{}
	}
}

// shorten leaves n buffers in the free list of a class.
func (p *Buffers) shorten(i, n int) {
	c := &p.classes[i]
	gone := len(c.free) - n
	if gone == 0 {
		return
	}
	clear(c.free[n:])
	c.free = c.free[:n]
	bytes := gone << (i + minBufferShift)
	p.kept -= bytes
	p.count(-bytes)
}

func (p *Buffers) allocate(n int) []byte {
	p.count(n)
	return make([]byte, 0, n)
}

func (p *Buffers) count(n int) {
	if p.Meter != nil {
		p.Meter.Add(int64(n))
	}
}
