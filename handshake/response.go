package handshake

import (
	"errors"
	"strconv"
)

// Header collects fields to send. The zero value is empty; Reset keeps the memory.
type Header struct {
	lines          []byte
	hasContentType bool
}

// Reset drops every field.
func (h *Header) Reset() { h.lines, h.hasContentType = h.lines[:0], false }

// Add appends a field; the same name may be added again. It refuses what would let a
// value break out of its line ([ErrHeaderName], [ErrHeaderValue]), and the fields that
// this package writes itself ([ErrHeaderReserved]): Connection, Upgrade, Content-Length,
// Transfer-Encoding and every Sec-WebSocket field.
func (h *Header) Add(name, value string) error {
	if !all(name, classToken) {
		return ErrHeaderName
	}
	if reserved(name) {
		return ErrHeaderReserved
	}
	for i := range len(value) {
		if classOf[value[i]]&(classValue|classBlank) == 0 {
			return ErrHeaderValue
		}
	}
	h.hasContentType = h.hasContentType || equalFold(name, "Content-Type")
	h.lines = appendField(h.lines, name, value)
	return nil
}

func reserved(name string) bool {
	const prefix = "Sec-WebSocket-"
	if len(name) >= len(prefix) && equalFold(name[:len(prefix)], prefix) {
		return true
	}
	switch len(name) {
	case len("Upgrade"):
		return equalFold(name, "Upgrade")
	case len("Connection"):
		return equalFold(name, "Connection")
	case len("Content-Length"):
		return equalFold(name, "Content-Length")
	case len("Transfer-Encoding"):
		return equalFold(name, "Transfer-Encoding")
	}
	return false
}

// Response is what a hook may say before the handshake is answered: add fields to the
// answer, choose another subprotocol, or refuse. It is reusable.
type Response struct {
	request    *Request
	acceptance *Acceptance
	header     Header
	status     int // 0 unless refused
	body       string
}

// Reset prepares for the hook of one handshake. Both are kept until the next Reset; nil
// drops them.
func (w *Response) Reset(r *Request, a *Acceptance) {
	w.header.Reset()
	*w = Response{request: r, acceptance: a, header: w.header}
}

// AddHeader adds a field to the answer, whichever it will be. See [Header.Add].
func (w *Response) AddHeader(name, value string) error { return w.header.Add(name, value) }

// AddFields adds all fields of h to the answer.
func (w *Response) AddFields(h *Header) {
	w.header.lines = append(w.header.lines, h.lines...)
	w.header.hasContentType = w.header.hasContentType || h.hasContentType
}

// Subprotocol is the one that the answer will name, or "".
func (w *Response) Subprotocol() string {
	if w.acceptance == nil {
		return ""
	}
	return w.acceptance.Subprotocol
}

// SetSubprotocol replaces the subprotocol that was chosen. The name must be one that the
// client offers, else the error is [ErrNotOffered]; "" selects none.
func (w *Response) SetSubprotocol(name string) error {
	if w.acceptance == nil || w.request == nil || name != "" && !w.request.Offers(name) {
		return ErrNotOffered
	}
	w.acceptance.Subprotocol = name
	return nil
}

// Refuse makes the answer an ordinary HTTP response with this status, 300 to 599, and
// this text; the last call counts. The content type is text/plain unless added.
func (w *Response) Refuse(status int, body string) error {
	if status < 300 || status > 599 {
		return ErrStatus
	}
	w.status, w.body = status, body
	return nil
}

// Refused reports whether Refuse was called, and with what status.
func (w *Response) Refused() (status int, refused bool) { return w.status, w.status != 0 }

// Append appends the whole answer: the refusal, or else the 101.
func (w *Response) Append(dst []byte) []byte {
	if w.status == 0 && w.acceptance != nil {
		return AppendSwitching(dst, w.acceptance, &w.header)
	}
	status := w.status
	if status == 0 {
		status = errInternal.Status
	}
	return appendResponse(dst, w.request, status, &w.header, w.body)
}

// AppendSwitching appends the 101 response of RFC 6455 section 4.2.2. h may be nil.
func AppendSwitching(dst []byte, a *Acceptance, h *Header) []byte {
	dst = append(dst, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	dst = append(dst, a.accept[:]...)
	dst = append(dst, "\r\n"...)
	if a.Subprotocol != "" {
		dst = appendField(dst, protocolField, a.Subprotocol)
	}
	if len(a.Agreed) > 0 {
		dst = appendField(dst, extensionField, a.Agreed)
	}
	if h != nil {
		dst = append(dst, h.lines...)
	}
	return append(dst, "\r\n"...)
}

// AppendRefusal appends the response to a request that Parse or Accept refused: the
// status, the fields that go with it, and one line of text that says why. An err that is
// no [*Error] becomes a 500 and its text is not sent. r may be nil.
func AppendRefusal(dst []byte, r *Request, err error) []byte {
	e, ok := err.(*Error)
	if !ok {
		e = unwrapRefusal(err)
	}
	dst = appendStatus(dst, e.Status)
	switch e.Status {
	case 405:
		dst = append(dst, "Allow: GET\r\n"...)
	case 426:
		// An Upgrade field needs its connection option (RFC 9110 section 7.8).
		dst = append(dst, "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nConnection: Upgrade, close\r\n"...)
	}
	if e.Status != 426 {
		dst = append(dst, "Connection: close\r\n"...)
	}
	dst = append(dst, plainText...)
	line := len(StatusText(e.Status)) + len(e.Reason) + len("400 : .\n")
	dst = appendLength(dst, line)
	if r != nil && string(r.Method()) == "HEAD" {
		return dst
	}
	dst = strconv.AppendInt(dst, int64(e.Status), 10)
	dst = append(dst, ' ')
	dst = append(dst, StatusText(e.Status)...)
	dst = append(dst, ": "...)
	dst = append(dst, e.Reason...)
	return append(dst, ".\n"...)
}

// unwrapRefusal is apart from its caller because errors.As moves its target to the heap.
func unwrapRefusal(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return errInternal
}

// AppendResponse appends an ordinary response, after which the connection is closed. The
// content type is text/plain unless h has one. There is no body when r is a HEAD request
// or when the status has none; status must lie between 200 and 599, else it becomes 500.
// r and h may be nil.
func AppendResponse(dst []byte, r *Request, status int, h *Header, body []byte) []byte {
	return appendResponse(dst, r, status, h, body)
}

func appendResponse[T text](dst []byte, r *Request, status int, h *Header, body T) []byte {
	if status < 200 || status > 599 {
		status = errInternal.Status
	}
	dst = appendStatus(dst, status)
	dst = append(dst, "Connection: close\r\n"...)
	if h != nil {
		dst = append(dst, h.lines...)
	}
	if status == 204 || status == 304 {
		return append(dst, "\r\n"...) // RFC 9110 sections 15.3.5 and 15.4.5
	}
	if h == nil || !h.hasContentType {
		dst = append(dst, plainText...)
	}
	dst = appendLength(dst, len(body))
	if r != nil && string(r.Method()) == "HEAD" {
		return dst
	}
	return append(dst, body...)
}

// plainText describes bodies of ours; browsers must not guess at a better type.
const plainText = "Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n"

func appendStatus(dst []byte, status int) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	dst = append(dst, StatusText(status)...)
	return append(dst, "\r\n"...)
}

// appendLength ends a head.
func appendLength(dst []byte, bodyBytes int) []byte {
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, int64(bodyBytes), 10)
	return append(dst, "\r\n\r\n"...)
}

func appendField[T text](dst []byte, name string, value T) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}
