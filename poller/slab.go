package poller

import "sync/atomic"

const (
	slabShift = 10
	slabChunk = 1 << slabShift
)

// A Slab holds one T for each slot of a loop, in chunks that never move. One
// goroutine at a time may grow it; any goroutine may look up a slot below
// Len. What protects the T itself is its user's business.
//
// A T without pointers keeps the garbage collector out of the chunks.
type Slab[T any] struct {
	chunks atomic.Pointer[[]*[slabChunk]T]
}

// Len is the number of slots that At accepts.
func (s *Slab[T]) Len() int {
	chunks := s.chunks.Load()
	if chunks == nil {
		return 0
	}
	return len(*chunks) << slabShift
}

// At returns the element of a slot below Len.
func (s *Slab[T]) At(slot uint32) *T {
	return &(*s.chunks.Load())[slot>>slabShift][slot&(slabChunk-1)]
}

// Grow makes slot valid for At. One goroutine at a time may call it.
func (s *Slab[T]) Grow(slot uint32) {
	have := 0
	old := s.chunks.Load()
	if old != nil {
		have = len(*old)
	}
	need := int(slot>>slabShift) + 1
	if need <= have {
		return
	}
	grown := make([]*[slabChunk]T, need)
	if old != nil {
		copy(grown, *old)
	}
	for i := have; i < need; i++ {
		grown[i] = new([slabChunk]T)
	}
	s.chunks.Store(&grown)
}
