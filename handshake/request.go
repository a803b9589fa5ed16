package handshake

// Request is the head of one HTTP request. The zero value is ready for use; Reset
// makes it ready for the next request and keeps its memory. It belongs to one
// goroutine at a time.
type Request struct {
	message
	err *Error // sticky

	method, target, path, query, proto span
	authority, host                    span // authority: of an absolute-form target

	extensions []Extension // filled by Accept
	params     []Param     // backing of the Params of extensions
	unquoted   []byte      // values whose quoting held a backslash
	pathValues []pathValue // of the route
}

// Reset forgets the request and every view of the caller's buffer.
func (r *Request) Reset() {
	clear(r.extensions)
	clear(r.params)
	clear(r.pathValues)
	*r = Request{
		message:    r.message.reset(),
		extensions: r.extensions[:0],
		params:     r.params[:0],
		unquoted:   r.unquoted[:0],
		pathValues: r.pathValues[:0],
	}
}

// Parse reads on in a request head. head is all that has arrived since the first
// byte of the request; the bytes seen by an earlier call must be the same, though
// they may lie elsewhere in memory. lim must be the same in every call.
//
// When the head is complete, n is its length: what follows in head are frames and
// was not looked at. n == 0 without an error asks for more bytes. An error is an
// [*Error] and final. Each byte is scanned once, whatever the pieces it comes in,
// and an error is found with the first byte that proves it.
func (r *Request) Parse(head []byte, lim *Limits) (n int, err error) {
	if r.err != nil {
		return 0, r.err
	}
	limits := lim.resolve()
	if r.err = r.scanStart(head, &limits); r.err == nil {
		r.err = r.scanFields(head, &limits)
	}
	if r.err != nil {
		return 0, r.err
	}
	if !r.finish(head) {
		return 0, nil
	}
	if r.host == (span{}) {
		if r.err = r.findHost(); r.err != nil {
			r.head = nil
			return 0, r.err
		}
	}
	return r.pos, nil
}

// findHost settles the host of a complete head (RFC 9112 section 3.2): Host must
// occur once and be valid even where the authority of the target overrides it.
func (r *Request) findHost() *Error {
	count := 0
	for _, f := range r.fields {
		if f.name.len() == len("Host") && equalFold(f.name.of(r.head), "Host") {
			r.host = f.value
			count++
		}
	}
	switch {
	case count == 0:
		return errNoHost
	case count > 1:
		return errTwoHosts
	case !validAuthority(r.host.of(r.head)):
		return errHost
	}
	if r.authority.len() > 0 {
		r.host = r.authority
	}
	return nil
}

// Method is the method of the request line, case as sent.
func (r *Request) Method() []byte { return r.view(r.method) }

// Target is the request target as sent.
func (r *Request) Target() []byte { return r.view(r.target) }

// Path is the path of the target as sent: percent-encodings and dot segments stand
// as they are, so decode and clean it before it guards anything. It begins with a
// slash.
func (r *Request) Path() []byte { return r.view(r.path) }

// Query is what follows the first question mark of the target, or nil when there is
// no question mark.
func (r *Request) Query() []byte {
	if r.query == (span{}) {
		return nil
	}
	return r.view(r.query)
}

// Host is the host with its port, if it has one: that of the target when the target
// is a URI (RFC 9112 section 3.2.2), else that of the Host field.
func (r *Request) Host() []byte { return r.view(r.host) }

// Proto is the HTTP version, such as HTTP/1.1. Its major version is always 1 and its
// minor version at least 1.
func (r *Request) Proto() []byte { return r.view(r.proto) }

// Origin is the value of the first Origin field, or nil.
func (r *Request) Origin() []byte { return r.Header("Origin") }
