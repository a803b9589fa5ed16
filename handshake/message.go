package handshake

// message is the head of an HTTP message while it arrives, as far as requests and
// answers are alike: a start line, which the type around it reads, then fields up to
// the empty line (RFC 9112 section 2.1).
type message struct {
	head   []byte // the complete head, lent by the caller; nil until then
	fields []field

	state     scanState
	pos       int // next byte to look at; never moves back
	mark      int // where the element being scanned began
	lineStart int // where the line being scanned began
}

// span is a stretch of the head. Offsets survive a move of the caller's buffer.
type span struct{ start, end uint32 }

func makeSpan(start, end int) span { return span{uint32(start), uint32(end)} }

func (s span) len() int { return int(s.end - s.start) }

// of gives the stretch, with no capacity beyond it: a hook that appends to a view
// must not write over what follows.
func (s span) of(head []byte) []byte { return head[s.start:s.end:s.end] }

type field struct{ name, value span }

// reset gives an empty message in the memory of m.
func (m *message) reset() message { return message{fields: m.fields[:0]} }

// window gives head up to where the bytes or the limits of the line being scanned
// end: nil when every byte was scanned. tooLong says that the line, or the head, has
// to end before the next byte.
func (m *message) window(head []byte, limits *Limits) (line []byte, tooLong bool) {
	lineEnd := min(limits.HeadBytes, m.lineStart+limits.LineBytes)
	if end := min(len(head), lineEnd); m.pos < end {
		return head[:end], false
	}
	return nil, m.pos >= lineEnd
}

// tooLong is what is wrong with fields that leave their window.
func (m *message) tooLong(limits *Limits) *Error {
	if m.pos >= limits.HeadBytes {
		return ErrHeadTooLarge
	}
	return errLineTooLong
}

// finish keeps the head if it was scanned to its end, and the caller still has it.
func (m *message) finish(head []byte) bool {
	if m.state != scanDone || len(head) < m.pos {
		return false
	}
	m.head = head[:m.pos:m.pos]
	return true
}

// Scanned is the number of bytes that Parse has looked at. After an error it is the
// offset of the byte that caused it, or the length of the head when what is wrong
// is something that the head lacks.
func (m *message) Scanned() int { return m.pos }

func (m *message) view(s span) []byte {
	if m.head == nil {
		return nil
	}
	return s.of(m.head)
}
