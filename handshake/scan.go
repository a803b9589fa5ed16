package handshake

// scanState says which element the next byte belongs to. The states before scanLine
// are those of the request line.
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
	scanRequestLF
	scanLine // first byte of a header line
	scanName
	scanBlanks // between the colon and the value
	scanValue
	scanFieldLF
	scanHeadLF
	scanDone
)

// step scans one element, or what head holds of it, or settles from its first byte which
// element it is. head goes beyond r.pos and ends where the bytes or the limits end.
func (r *Request) step(head []byte, fieldLimit int) *Error {
	switch r.state {
	case scanMethod:
		return r.scanMethod(head)
	case scanTarget, scanScheme, scanSlashes, scanAuthority, scanPath, scanQuery, scanAsterisk:
		return r.stepTarget(head)
	case scanVersion:
		return r.scanVersion(head)
	case scanRequestLF, scanFieldLF:
		return r.scanLF(head, scanLine)
	case scanLine:
		return r.scanLine(head, fieldLimit)
	case scanName:
		return r.scanName(head)
	case scanBlanks:
		r.pos = skip(head, r.pos, classBlank)
		if r.pos < len(head) {
			r.mark, r.state = r.pos, scanValue
			r.fields[len(r.fields)-1].value = makeSpan(r.pos, r.pos)
		}
		return nil
	case scanValue:
		return r.scanValue(head)
	default:
		return r.scanLF(head, scanDone)
	}
}

// skip gives the first offset from pos whose byte is not of class, or len(b).
func skip(b []byte, pos int, class uint8) int {
	for pos < len(b) && classOf[b[pos]]&class != 0 {
		pos++
	}
	return pos
}

func (r *Request) scanMethod(head []byte) *Error {
	end := skip(head, r.pos, classToken)
	if end > maxMethodBytes {
		r.pos = maxMethodBytes
		return ErrMethodUnknown
	}
	r.pos = end
	if end == len(head) {
		return nil
	}
	if head[end] != ' ' || end == 0 {
		return errMethodByte
	}
	r.method = makeSpan(0, end)
	r.enter(scanTarget, end+1)
	return nil
}

// enter moves on to an element that begins at pos.
func (r *Request) enter(next scanState, pos int) {
	r.state, r.pos, r.mark = next, pos, pos
}

// scanVersion reads HTTP-version, which is case-sensitive and has one digit on
// either side of the point (RFC 9112 section 2.3). HTTP/1.0 is refused like HTTP/2.0,
// because RFC 6455 section 4.2.1 asks for HTTP/1.1 or higher.
func (r *Request) scanVersion(head []byte) *Error {
	const prefix = "HTTP/"
	for ; r.pos < len(head); r.pos++ {
		c := head[r.pos]
		switch i := r.pos - r.mark; {
		case i < len(prefix) && c == prefix[i], i == 6 && c == '.':
		case i == 5 && classOf[c]&classDigit != 0:
			if c != '1' {
				return ErrProtocolVersion
			}
		case i == 7 && classOf[c]&classDigit != 0:
			if c == '0' {
				return ErrProtocolVersion
			}
			if head[r.target.start] == '*' {
				return errTargetForm
			}
		case i == 8 && c == '\r':
			r.proto = makeSpan(r.mark, r.pos)
			r.enter(scanRequestLF, r.pos+1)
			return nil
		case c == '\n':
			return errBareLF
		default:
			return errVersionSyntax
		}
	}
	return nil
}

// scanLF reads the LF that a CR announced.
func (r *Request) scanLF(head []byte, next scanState) *Error {
	if head[r.pos] != '\n' {
		return errBareCR
	}
	r.enter(next, r.pos+1)
	r.lineStart = r.pos
	return nil
}

func (r *Request) scanLine(head []byte, fieldLimit int) *Error {
	switch c := head[r.pos]; {
	case c == '\r':
		r.enter(scanHeadLF, r.pos+1)
		return nil
	case c == '\n':
		return errBareLF
	case classOf[c]&classBlank != 0:
		return errFolded
	case classOf[c]&classToken == 0:
		return errFieldName
	case len(r.fields) >= fieldLimit:
		return errTooManyFields
	}
	r.state = scanName
	return nil
}

func (r *Request) scanName(head []byte) *Error {
	r.pos = skip(head, r.pos, classToken)
	if r.pos == len(head) {
		return nil
	}
	switch head[r.pos] {
	case ':':
		r.fields = append(r.fields, field{name: makeSpan(r.mark, r.pos)})
		r.enter(scanBlanks, r.pos+1)
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
func (r *Request) scanValue(head []byte) *Error {
	value := &r.fields[len(r.fields)-1].value
	for {
		if end := skip(head, r.pos, classValue); end > r.pos {
			r.pos, value.end = end, uint32(end)
		}
		r.pos = skip(head, r.pos, classBlank)
		if r.pos == len(head) {
			return nil
		}
		switch c := head[r.pos]; {
		case c == '\r':
			r.enter(scanFieldLF, r.pos+1)
			return nil
		case c == '\n':
			return errBareLF
		case classOf[c]&classValue == 0:
			return errFieldValue
		}
	}
}
