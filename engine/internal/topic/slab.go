package topic

import "math/bits"

const (
	chunkShift = 8
	chunkLen   = 1 << chunkShift
)

// A slab holds a T for each index in use, in chunks that exist while one of their
// indices is in use. The zero value is empty.
type slab[T any] struct {
	chunks []*chunk[T] // the last one is not nil
	full   int         // how many chunks at the beginning are known to be full
	live   int         // chunks that exist
}

type chunk[T any] struct {
	items [chunkLen]T
	used  [chunkLen / 64]uint64 // a bit for each item
	n     int                   // the bits that are set
}

// at gives the item of an index, nil if it is not in use.
func (s *slab[T]) at(i uint32) *T {
	n := int(i >> chunkShift)
	if n >= len(s.chunks) || s.chunks[n] == nil {
		return nil
	}
	c, i := s.chunks[n], i%chunkLen
	if c.used[i/64]>>(i%64)&1 == 0 {
		return nil
	}
	return &c.items[i]
}

// get gives the item of an index that is in use.
func (s *slab[T]) get(i uint32) *T { return &s.chunks[i>>chunkShift].items[i%chunkLen] }

// take gives the first index that is not in use, with its item, which is zero.
func (s *slab[T]) take() (i uint32, item *T) {
	for s.full < len(s.chunks) && s.chunks[s.full] != nil && s.chunks[s.full].n == chunkLen {
		s.full++
	}
	i = uint32(s.full) << chunkShift
	if s.full < len(s.chunks) && s.chunks[s.full] != nil {
		i += s.chunks[s.full].first()
	}
	return i, s.use(i)
}

// first gives the first index of a chunk that is not in use.
func (c *chunk[T]) first() uint32 {
	word := 0
	for c.used[word] == 1<<64-1 {
		word++
	}
	return uint32(64*word + bits.TrailingZeros64(^c.used[word]))
}

// use makes sure that an index is in use, and gives its item.
func (s *slab[T]) use(i uint32) *T {
	n := int(i >> chunkShift)
	for n >= len(s.chunks) {
		s.chunks = append1(s.chunks, nil)
	}
	c, i := s.chunks[n], i%chunkLen
	if c == nil {
		c = new(chunk[T])
		s.chunks[n] = c
		s.live++
	}
	if bit := uint64(1) << (i % 64); c.used[i/64]&bit == 0 {
		c.used[i/64] |= bit
		c.n++
	}
	return &c.items[i]
}

// release gives back an index that is in use.
func (s *slab[T]) release(i uint32) {
	n := int(i >> chunkShift)
	c, i := s.chunks[n], i%chunkLen
	c.used[i/64] &^= 1 << (i % 64)
	c.n--
	clear(c.items[i : i+1])
	s.full = min(s.full, n)
	if c.n > 0 {
		return
	}
	s.chunks[n] = nil
	s.live--
	end := len(s.chunks)
	for end > 0 && s.chunks[end-1] == nil {
		end--
	}
	s.chunks = shrink(s.chunks[:end])
}
