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
	if need > cap(s.dst) && s.memory != nil {
		grown := s.memory.Grow(s.dst, need)
		if grown == nil {
			return 0, codec.ErrNoMemory
		}
		s.dst = grown
	}
	s.dst = append(s.dst, chunk...)
	return len(chunk), nil
}
