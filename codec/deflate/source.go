package deflate

import "io"

// ending is what follows a message. The first four bytes complete the empty block with which the
// sender ended it, and which it left out (RFC 7692 section 7.2.2). A final block, empty too, tells the
// library that this is all.
const (
	ending  = tail + "\x01\x00\x00\xff\xff"
	tail    = "\x00\x00\xff\xff"
	tailLen = len(tail)
)

// source is what the library reads of one message.
type source struct {
	rest  []byte // of the message
	tail  int    // bytes of ending that were given
	given int    // bytes in all
	over  bool   // the final block was begun, so that the message must have been inflated by now
}

// Read gives the message and the tail, and apart from them the final block: the library asks for it
// only when it has dealt with all before.
func (s *source) Read(p []byte) (n int, err error) {
	n = copy(p, s.rest)
	s.rest = s.rest[n:]
	if len(s.rest) == 0 && s.tail < tailLen {
		k := copy(p[n:], ending[s.tail:tailLen])
		s.tail += k
		n += k
	}
	if n == 0 {
		n = copy(p, ending[s.tail:])
		s.tail += n
		s.over = true
	}
	s.given += n
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}
