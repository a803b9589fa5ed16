//go:build linux || darwin || freebsd

package sim

import "github.com/wsloop/wsloop/poller"

// A stream is bytes on their way, in a pooled buffer that exists only while there are any.
type stream struct {
	buffer []byte
	start  int
}

func (s *stream) len() int { return len(s.buffer) - s.start }

func (s *stream) bytes() []byte { return s.buffer[s.start:] }

func (s *stream) push(b []byte, pool *poller.Buffers) {
	if len(b) == 0 {
		return
	}
	if s.start > 0 && s.start >= s.len() {
		s.buffer = s.buffer[:copy(s.buffer, s.bytes())]
		s.start = 0
	}
	s.buffer = append(pool.Grow(s.buffer, len(s.buffer)+len(b)), b...)
}

// drop forgets the first n bytes.
func (s *stream) drop(n int, pool *poller.Buffers) {
	s.start += n
	if s.len() == 0 && s.buffer != nil {
		pool.Put(s.buffer)
		*s = stream{}
	}
}

// cut forgets all behind the first n bytes.
func (s *stream) cut(n int, pool *poller.Buffers) {
	s.buffer = s.buffer[:s.start+n]
	s.drop(0, pool)
}
