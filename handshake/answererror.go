package handshake

import (
	"errors"
	"strconv"
)

// AnswerError says why the server's answer does not open the connection. errors.Is tells
// its kind: [ErrAnswerStatus], [ErrAnswerMalformed], [ErrAnswerTooLarge] or
// [ErrAnswerMismatch].
type AnswerError struct {
	Status int    // HTTP status code of the answer; 0 when the head ends before it
	Reason string // a plain phrase; never bytes of the server

	kind error
}

// Error gives the status, if there is one, and the reason.
func (e *AnswerError) Error() string {
	text := "handshake: answer"
	if e.Status != 0 {
		text += " " + strconv.Itoa(e.Status)
		if phrase := StatusText(e.Status); phrase != "" {
			text += " " + phrase
		}
	}
	return text + ": " + e.Reason
}

// Unwrap gives the kind.
func (e *AnswerError) Unwrap() error { return e.kind }

// Kinds of [AnswerError].
var (
	// ErrAnswerStatus: the status is not 101. Its number is in the AnswerError.
	ErrAnswerStatus = errors.New("handshake: the server did not switch protocols")
	// ErrAnswerMalformed: what was received is not the head of an HTTP/1.1 response.
	ErrAnswerMalformed = errors.New("handshake: the answer is malformed")
	// ErrAnswerTooLarge: the head exceeds the [Limits].
	ErrAnswerTooLarge = errors.New("handshake: the answer is too large")
	// ErrAnswerMismatch: a 101 that does not answer the opening handshake that was sent.
	ErrAnswerMismatch = errors.New("handshake: the answer does not match the opening handshake")
)

// Faults of the status line, without the status.
var (
	errStatusTooLong = &AnswerError{0, "the status line is longer than is taken here", ErrAnswerTooLarge}
	errStatusLine    = &AnswerError{0, "it does not begin with a status line (RFC 9112 section 4)", ErrAnswerMalformed}
	errAnswerVersion = &AnswerError{0, "the HTTP version is not HTTP/1.1 (RFC 6455 section 4.1)", ErrAnswerMalformed}
	errReasonPhrase  = &AnswerError{0, "the reason phrase holds a control byte (RFC 9112 section 4)", ErrAnswerMalformed}
	errIncomplete    = &AnswerError{0, "the head is not complete", ErrAnswerMalformed}
)

// Reasons why a status that is not 101 ends the matter.
const (
	reasonInterim  = "an interim response is not the answer to an opening handshake"
	reasonRedirect = "redirects are not followed"
	reasonStatus   = "the server did not switch protocols"
)

// Faults of a 101, in the order in which they are looked for.
var (
	errAnswerUpgrade    = mismatch("Upgrade must occur once and be websocket (RFC 6455 section 4.1)")
	errAnswerConnection = mismatch("Connection lacks the token Upgrade (RFC 6455 section 4.1)")
	errNoAccept         = mismatch("Sec-WebSocket-Accept must occur once (RFC 6455 section 11.3.3)")
	errAccept           = mismatch("Sec-WebSocket-Accept does not belong to the key that was sent (RFC 6455 section 4.1)")
	errAnswerProtocols  = mismatch("Sec-WebSocket-Protocol occurs more than once (RFC 6455 section 11.3.4)")
	errNotOffered       = mismatch("Sec-WebSocket-Protocol names a subprotocol that was not offered (RFC 6455 section 4.1)")
	errAnswerExtensions = mismatch("Sec-WebSocket-Extensions occurs more than once (RFC 6455 section 11.3.2)")
	errExtension        = mismatch("Sec-WebSocket-Extensions names an extension that was not offered (RFC 6455 section 4.1)")
)

func mismatch(reason string) *AnswerError { return &AnswerError{101, reason, ErrAnswerMismatch} }

// ofAnswer says of an answer what requests and answers can have wrong alike.
func ofAnswer(e *Error) *AnswerError {
	switch {
	case e == nil:
		return nil
	case errors.Is(e, ErrHeadTooLarge):
		return &AnswerError{0, e.Reason, ErrAnswerTooLarge}
	default:
		return &AnswerError{0, e.Reason, ErrAnswerMalformed}
	}
}
