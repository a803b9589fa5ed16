package handshake

// scanStart scans what head holds of the request line (RFC 9112 section 3).
func (r *Request) scanStart(head []byte, limits *Limits) (fault *Error) {
	for r.state < scanLine && fault == nil {
		line, tooLong := r.window(head, limits)
		switch {
		case tooLong:
			return ErrTargetTooLong
		case line == nil:
			return nil
		case r.state == scanMethod:
			fault = r.scanMethod(line)
		case r.state == scanVersion:
			fault = r.scanVersion(line)
		case r.state == scanStartLF:
			fault = r.scanLF(line, scanLine)
		default:
			fault = r.stepTarget(line)
		}
	}
	return fault
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
			r.enter(scanStartLF, r.pos+1)
			return nil
		case c == '\n':
			return errBareLF
		default:
			return errVersionSyntax
		}
	}
	return nil
}
