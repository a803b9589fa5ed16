package deflate

import (
	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/codec/utf8"
)

// sink takes what is inflated, in chunks of at most 32 KiB, and judges it as it comes.
type sink struct {
	dst    []byte
	start  int // of the message in dst
	told   int // bytes of the message that the window has
	memory codec.Memory
	limits allowance
	text   bool
	state  utf8.State
	source *source
}

// message is what has come of it.
func (s *sink) message() []byte { return s.dst[s.start:] }

// untold gives what the window does not have, and takes it for told.
func (s *sink) untold() []byte {
	b := s.message()[s.told:]
	s.told += len(b)
	return b
}

// Write appends a chunk, or stops the library with a fault.
func (s *sink) Write(chunk []byte) (int, error) {
	if s.source.over {
		return 0, faultTruncated
	}
	need := len(s.dst) + len(chunk)
	if uint64(need-s.start) > s.limits.bytes {
		return 0, s.limits.fault
	}
	if s.text {
		var ok bool
		if s.state, ok = s.state.Advance(chunk); !ok {
			return 0, faultUTF8
		}
	}
	if need > cap(s.dst) && s.memory != nil && !s.grow(need) {
		return 0, codec.ErrNoMemory
	}
	s.dst = append(s.dst, chunk...)
	return len(chunk), nil
}

// grow makes room for need bytes. Memory may reserve twice as much. Where the message must not become so long, it is asked for what
// the message may become, and not to grow what there is by its own measure.
func (s *sink) grow(need int) bool {
	if uint64(need-s.start) <= s.limits.bytes/2 {
		grown := s.memory.Grow(s.dst, need)
		if grown != nil {
			s.dst = grown
		}
		return grown != nil
	}
	grown := s.memory.Grow(nil, s.start+int(s.limits.bytes))
	if grown == nil {
		return false
	}
	grown = append(grown, s.dst...)
	if cap(s.dst) > 0 {
		s.memory.Release(s.dst)
	}
	s.dst = grown
	return true
}
