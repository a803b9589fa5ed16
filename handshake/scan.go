package handshake

// scanState says which element the next byte belongs to. The states before scanLine
// are those of the start line.
type scanState uint8

const (
	scanMethod scanState = iota
	scanTarget           // first byte of the target
	scanScheme
	scanSlashes
	scanAuthority
	scanPath
	scanQuery
	scanAsterisk // "*" is judged after the version, for the HTTP/2 preface
	scanVersion
	scanStartLF
	scanLine // first byte of a header line
	scanName
	scanBlanks // between the colon and the value
	scanValue
	scanFieldLF
	scanHeadLF
	scanDone
)

// An answer has its own states in the start line, up to the LF.
const (
	scanStatus = scanMethod // the version and the status
	scanReason = scanTarget
)

// scanFields scans what head holds of the fields, one element at a time, once the start
// line is done. What it finds wrong is told as a refusal; an answer has only the reason
// of it.
func (m *message) scanFields(head []byte, limits *Limits) (fault *Error) {
	for m.state >= scanLine && m.state != scanDone && fault == nil {
		line, tooLong := m.window(head, limits)
		if line == nil {
			if tooLong {
				fault = m.tooLong(limits)
			}
			return fault
		}
		switch m.state {
		case scanLine:
			fault = m.scanLine(line, limits.HeaderCount)
		case scanName:
			fault = m.scanName(line)
		case scanBlanks:
			m.pos = skip(line, m.pos, classBlank)
			if m.pos < len(line) {
				m.mark, m.state = m.pos, scanValue
				m.fields[len(m.fields)-1].value = makeSpan(m.pos, m.pos)
			}
		case scanValue:
			fault = m.scanValue(line)
		case scanFieldLF:
			fault = m.scanLF(line, scanLine)
		default:
			fault = m.scanLF(line, scanDone)
		}
	}
	return fault
}

// skip gives the first offset from pos whose byte is not of class, or len(b).
func skip(b []byte, pos int, class uint8) int {
	for pos < len(b) && classOf[b[pos]]&class != 0 {
		pos++
	}
	return pos
}

// enter moves on to an element that begins at pos.
func (m *message) enter(next scanState, pos int) {
	m.state, m.pos, m.mark = next, pos, pos
}

// scanLF reads the LF that a CR announced.
func (m *message) scanLF(head []byte, next scanState) *Error {
	if head[m.pos] != '\n' {
		return errBareCR
	}
	m.enter(next, m.pos+1)
	m.lineStart = m.pos
	return nil
}

func (m *message) scanLine(head []byte, fieldLimit int) *Error {
	switch c := head[m.pos]; {
	case c == '\r':
		m.enter(scanHeadLF, m.pos+1)
		return nil
	case c == '\n':
		return errBareLF
	case classOf[c]&classBlank != 0:
		return errFolded
	case classOf[c]&classToken == 0:
		return errFieldName
	case len(m.fields) >= fieldLimit:
		return errTooManyFields
	}
	m.state = scanName
	return nil
}

func (m *message) scanName(head []byte) *Error {
	m.pos = skip(head, m.pos, classToken)
	if m.pos == len(head) {
		return nil
	}
	switch head[m.pos] {
	case ':':
		m.fields = append(m.fields, field{name: makeSpan(m.mark, m.pos)})
		m.enter(scanBlanks, m.pos+1)
		return nil
	case ' ', '\t':
		return errBlankInName
	case '\r':
		return errNoColon
	case '\n':
		return errBareLF
	default:
		return errFieldName
	}
}

// scanValue reads runs of visible bytes and of blanks in turn. The value is extended
// by each visible run, so blanks before the CR never belong to it and nobody has to
// walk back over them.
func (m *message) scanValue(head []byte) *Error {
	value := &m.fields[len(m.fields)-1].value
	for {
		if end := skip(head, m.pos, classValue); end > m.pos {
			m.pos, value.end = end, uint32(end)
		}
		m.pos = skip(head, m.pos, classBlank)
		if m.pos == len(head) {
			return nil
		}
		switch c := head[m.pos]; {
		case c == '\r':
			m.enter(scanFieldLF, m.pos+1)
			return nil
		case c == '\n':
			return errBareLF
		case classOf[c]&classValue == 0:
			return errFieldValue
		}
	}
}
