package handshake

// stepTarget scans the request target (RFC 9112 section 3.2). A path is taken
// (origin-form), and a URI whose scheme is http, https, ws or wss (absolute-form).
// The other two forms belong to CONNECT and OPTIONS, and are refused.
func (r *Request) stepTarget(head []byte) *Error {
	switch r.state {
	case scanTarget:
		return r.startTarget(head[r.pos])
	case scanScheme:
		return r.scanScheme(head)
	case scanSlashes:
		if head[r.pos] != '/' {
			return r.targetError(head[r.pos], errTargetForm)
		}
		if r.pos++; r.pos == r.mark+2 {
			r.enter(scanAuthority, r.pos)
		}
		return nil
	case scanAuthority:
		return r.scanAuthority(head)
	case scanPath:
		return r.scanPath(head)
	case scanQuery:
		return r.scanQuery(head)
	default:
		if head[r.pos] != ' ' {
			return r.targetError(head[r.pos], errTargetForm)
		}
		r.endTarget()
		return nil
	}
}

func (r *Request) startTarget(first byte) *Error {
	r.target = makeSpan(r.pos, r.pos)
	switch {
	case first == '/':
		r.enter(scanPath, r.pos)
	case first == '*':
		r.enter(scanAsterisk, r.pos+1)
	case classOf[first]&classAlpha != 0:
		r.enter(scanScheme, r.pos)
	default:
		return r.targetError(first, errTargetForm)
	}
	return nil
}

// targetError names what is wrong with c, which cannot stand where it does; form is
// the answer when the byte itself would be fit for a target.
func (r *Request) targetError(c byte, form *Error) *Error {
	switch {
	case c == '\n':
		return errBareLF
	case c == '\r':
		return errNoVersion
	case c == '#':
		return errFragment
	case c == ' ', c == '?', classOf[c]&classPath != 0:
		return form
	default:
		return errTargetByte
	}
}

func (r *Request) scanScheme(head []byte) *Error {
	r.pos = skip(head, r.pos, classAlpha)
	if longest := r.mark + len("https"); r.pos > longest {
		r.pos = longest
		return errTargetForm
	}
	scheme := head[r.mark:r.pos]
	switch {
	case r.pos == len(head):
		return nil
	case head[r.pos] != ':':
		return r.targetError(head[r.pos], errTargetForm)
	case equalFold(scheme, "ws"), equalFold(scheme, "wss"), equalFold(scheme, "http"), equalFold(scheme, "https"):
		r.enter(scanSlashes, r.pos+1)
		return nil
	default:
		return errTargetForm
	}
}

func (r *Request) scanAuthority(head []byte) *Error {
	for ; r.pos < len(head); r.pos++ {
		c := head[r.pos]
		if c != '/' && c != '?' && c != ' ' {
			if classOf[c]&classHost == 0 && c != ':' && c != '[' && c != ']' {
				return r.targetError(c, errAuthority)
			}
			continue
		}
		if !validAuthority(head[r.mark:r.pos]) {
			return errAuthority
		}
		r.authority = makeSpan(r.mark, r.pos)
		if c == '/' {
			r.enter(scanPath, r.pos)
			return nil
		}
		// The path is empty and means "/"; the slash before the authority serves as
		// its one byte.
		r.path = makeSpan(r.mark-1, r.mark)
		if c == '?' {
			r.enter(scanQuery, r.pos+1)
		} else {
			r.endTarget()
		}
		return nil
	}
	return nil
}

func (r *Request) scanPath(head []byte) *Error {
	r.pos = skip(head, r.pos, classPath)
	if r.pos == len(head) {
		return nil
	}
	switch c := head[r.pos]; c {
	case ' ':
		r.path = makeSpan(r.mark, r.pos)
		r.endTarget()
		return nil
	case '?':
		r.path = makeSpan(r.mark, r.pos)
		r.enter(scanQuery, r.pos+1)
		return nil
	default:
		return r.targetError(c, errTargetByte)
	}
}

func (r *Request) scanQuery(head []byte) *Error {
	for ; r.pos < len(head); r.pos++ {
		switch c := head[r.pos]; {
		case c == '?', classOf[c]&classPath != 0:
		case c == ' ':
			r.query = makeSpan(r.mark, r.pos)
			r.endTarget()
			return nil
		default:
			return r.targetError(c, errTargetByte)
		}
	}
	return nil
}

// endTarget is called at the space that ends the target.
func (r *Request) endTarget() {
	r.target.end = uint32(r.pos)
	r.enter(scanVersion, r.pos+1)
}
