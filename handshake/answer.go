package handshake

// Answer is the head of the HTTP response to an opening handshake, as the client reads
// it. The zero value is ready for use; Reset makes it ready for the next answer and
// keeps its memory. It belongs to one goroutine at a time. Whether the answer opens the
// connection is for [Prepared.Check] to say.
type Answer struct {
	message
	err    *AnswerError // sticky
	status int
}

// Reset forgets the answer and every view of the caller's buffer.
func (a *Answer) Reset() { *a = Answer{message: a.message.reset()} }

// Parse reads on in the head of an answer, as [Request.Parse] does in that of a request:
// head is all that has arrived since its first byte, n is the length of the head once it
// is complete, and n == 0 without an error asks for more bytes. An error is an
// [*AnswerError] and final; it is found with the first byte that proves it.
func (a *Answer) Parse(head []byte, lim *Limits) (n int, err error) {
	if a.err != nil {
		return 0, a.err
	}
	limits := lim.resolve()
	fault := a.scanStart(head, &limits)
	if fault == nil {
		fault = ofAnswer(a.scanFields(head, &limits))
	}
	if fault != nil {
		if a.state == scanStatus {
			a.status = 0
		}
		a.err = &AnswerError{a.status, fault.Reason, fault.kind}
		return 0, a.err
	}
	if !a.finish(head) {
		return 0, nil
	}
	return a.pos, nil
}

// Status is the status code, and 0 while the head is incomplete.
func (a *Answer) Status() int {
	if a.head == nil {
		return 0
	}
	return a.status
}

// scanStart scans what head holds of the status line (RFC 9112 section 4).
func (a *Answer) scanStart(head []byte, limits *Limits) (fault *AnswerError) {
	for a.state < scanLine && fault == nil {
		line, tooLong := a.window(head, limits)
		switch {
		case tooLong:
			return errStatusTooLong
		case line == nil:
			return nil
		case a.state == scanStatus:
			fault = a.scanStatus(line)
		case a.state == scanReason:
			fault = a.scanReason(line)
		default:
			fault = ofAnswer(a.scanLF(line, scanLine))
		}
	}
	return fault
}

// statusPattern is how a status line begins: each 0 stands for a digit.
const statusPattern = "HTTP/1.0 000 "

// scanStatus reads the version and the status. The version is case-sensitive, and
// HTTP/1.1 or higher as RFC 6455 section 4.1 asks for. Which status codes exist is not
// known here: all but one of them mean no.
func (a *Answer) scanStatus(head []byte) *AnswerError {
	for a.pos < len(head) {
		c, want := head[a.pos], statusPattern[a.pos]
		digit := classOf[c]&classDigit != 0
		switch {
		case a.pos == len("HTTP/") && digit && c != '1', a.pos == len("HTTP/1.") && c == '0':
			return errAnswerVersion
		case c == '\n':
			return ofAnswer(errBareLF)
		case c != want && (want != '0' || !digit):
			return errStatusLine
		case a.pos >= len("HTTP/1.1 ") && digit:
			a.status = a.status*10 + int(c-'0')
		}
		if a.pos++; a.pos == len(statusPattern) {
			a.enter(scanReason, a.pos)
			return nil
		}
	}
	return nil
}

// scanReason skips the reason phrase, which may be empty.
func (a *Answer) scanReason(head []byte) *AnswerError {
	a.pos = skip(head, a.pos, classValue|classBlank)
	if a.pos == len(head) {
		return nil
	}
	switch head[a.pos] {
	case '\r':
		a.enter(scanStartLF, a.pos+1)
		return nil
	case '\n':
		return ofAnswer(errBareLF)
	default:
		return errReasonPhrase
	}
}
