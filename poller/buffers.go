package poller

import "math/bits"

const (
	minBufferShift = 9  // 512 bytes
	maxBufferShift = 20 // 1 MiB; larger buffers go to the garbage collector
	// keepClassBytes bounds what the free list of one class may hold.
	keepClassBytes = 8 << 20
)

// Buffers recycles byte slices by powers of two for one loop; there is no lock.
// The zero value is ready to use.
type Buffers struct {
	classes [maxBufferShift - minBufferShift + 1]bufferClass
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
		return make([]byte, 0, n)
	}
	c := &p.classes[i]
	last := len(c.free) - 1
	if last < 0 {
		return make([]byte, 0, 1<<(i+minBufferShift))
	}
	b := c.free[last]
	c.free[last] = nil
	c.free = c.free[:last]
	c.low = min(c.low, last)
	return b
}

// Put takes back a slice that Get returned. The caller must forget it.
func (p *Buffers) Put(b []byte) {
	size := cap(b)
	i := class(size)
	if i >= len(p.classes) || size != 1<<(i+minBufferShift) {
		return
	}
	c := &p.classes[i]
	if len(c.free) < keepClassBytes>>(i+minBufferShift) {
		c.free = append(c.free, b[:0])
	}
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

// Release is Put under the name by which message assembly knows it.
func (p *Buffers) Release(b []byte) { p.Put(b) }

// Trim gives up the half of what lay unused since the last call, so that a burst
// does not keep its memory. The loop calls it at every tick.
func (p *Buffers) Trim() {
	for i := range p.classes {
		c := &p.classes[i]
		keep := len(c.free) - (c.low+1)/2
		clear(c.free[keep:])
		c.free = c.free[:keep]
		c.low = keep
	}
}
