package handshake

import (
	"errors"
	"strconv"
)

// Error is a refusal: the HTTP status the client is answered with, and why. Every
// Error is built once, so a refusal allocates nothing; errors.Is tells its kind by
// the exported values below.
type Error struct {
	Status int    // HTTP status code of the answer
	Reason string // one plain sentence, sent as the body; never bytes of the client

	kind *Error // the exported value this one is a case of, or nil
}

// Error gives the status and the reason.
func (e *Error) Error() string {
	return "handshake: " + strconv.Itoa(e.Status) + " " + StatusText(e.Status) + ": " + e.Reason
}

// Unwrap gives the kind, so that errors.Is finds it.
func (e *Error) Unwrap() error {
	if e.kind == nil {
		return nil
	}
	return e.kind
}

// Kinds of refusal, one for each status.
var (
	ErrBadRequest      = &Error{Status: 400, Reason: "the request is malformed"}
	ErrForbiddenOrigin = &Error{Status: 403, Reason: "the origin is not allowed (RFC 6455 section 10.2)"}
	ErrMethod          = &Error{Status: 405, Reason: "the opening handshake is a GET (RFC 6455 section 4.1)"}
	ErrTargetTooLong   = &Error{Status: 414, Reason: "the request line is longer than this server takes"}
	ErrUpgradeRequired = &Error{Status: 426, Reason: "this resource speaks WebSocket version 13 only (RFC 6455 section 4.2)"}
	ErrHeadTooLarge    = &Error{Status: 431, Reason: "the head is larger than is taken here"}
	ErrMethodUnknown   = &Error{Status: 501, Reason: "the method is longer than any this server knows"}
	ErrProtocolVersion = &Error{Status: 505, Reason: "this server speaks HTTP/1.1 (RFC 6455 section 4.2.1)"}
	errInternal        = &Error{Status: 500, Reason: "the server failed to answer the request"}
)

// Cases of the kinds above, but for 400.
var (
	errTwoOrigins       = forbidden("the Origin field occurs more than once")
	errOriginMalformed  = forbidden("the Origin field is not an origin (RFC 6454 section 7)")
	errLineTooLong      = tooLarge("a header line is longer than is taken here")
	errTooManyFields    = tooLarge("the head has more header lines than are taken here")
	errNoUpgrade        = upgrade("the request lacks \"Upgrade: websocket\"; a proxy on the way may have removed it")
	errNoConnection     = upgrade("the request lacks \"Connection: Upgrade\"; a proxy on the way may have removed it")
	errWebSocketVersion = upgrade("Sec-WebSocket-Version must occur once and be 13 (RFC 6455 section 4.4)")
)

// Reasons for 400, in the order in which a head can earn them.
var (
	errBareLF        = malformed("a line ends in LF without CR (RFC 9112 section 2.2)")
	errBareCR        = malformed("a CR is not followed by LF (RFC 9112 section 2.2)")
	errMethodByte    = malformed("the request does not begin with an HTTP method (RFC 9112 section 3)")
	errTargetForm    = malformed("the request target is neither a path nor an http or ws URI (RFC 9112 section 3.2)")
	errTargetByte    = malformed("the request target holds a byte that is not visible ASCII (RFC 9112 section 3.2)")
	errFragment      = malformed("the request target has a fragment (RFC 6455 section 3)")
	errAuthority     = malformed("the host in the request target is invalid (RFC 3986 section 3.2)")
	errNoVersion     = malformed("the request line has no HTTP version (RFC 9112 section 3)")
	errVersionSyntax = malformed("the request line does not end in an HTTP version (RFC 9112 section 2.3)")
	errFolded        = malformed("a header line begins with a blank (RFC 9112 section 5.2)")
	errBlankInName   = malformed("a header name is followed by a blank (RFC 9112 section 5.1)")
	errFieldName     = malformed("a header name is not a token (RFC 9110 section 5.1)")
	errNoColon       = malformed("a header line has no colon (RFC 9112 section 5)")
	errFieldValue    = malformed("a header value holds a control byte (RFC 9110 section 5.5)")
	errNoHost        = malformed("the Host field is missing (RFC 9112 section 3.2)")
	errTwoHosts      = malformed("the Host field occurs more than once (RFC 9112 section 3.2)")
	errHost          = malformed("the Host field is not a host and port (RFC 9112 section 3.2)")
	errBody          = malformed("an opening handshake has no body, yet the request announces one")
	errNoKey         = malformed("Sec-WebSocket-Key must occur once (RFC 6455 section 11.3.1)")
	errKey           = malformed("Sec-WebSocket-Key is not the base64 of 16 bytes (RFC 6455 section 4.2.1)")
	errProtocols     = malformed("Sec-WebSocket-Protocol is not a list of distinct tokens (RFC 6455 section 4.1)")
	errManyProtocols = malformed("Sec-WebSocket-Protocol offers more subprotocols than this server reads")
	errExtensions    = malformed("Sec-WebSocket-Extensions is malformed (RFC 6455 section 9.1)")
	errManyExtension = malformed("Sec-WebSocket-Extensions offers more than this server reads")
)

// Errors of the application's own doing, found before anything is sent.
var (
	// ErrHeaderName: the name given to a header is not a token.
	ErrHeaderName = errors.New("handshake: header name is not a token")
	// ErrHeaderValue: the value holds CR, LF, NUL or another control byte.
	ErrHeaderValue = errors.New("handshake: header value holds a control byte")
	// ErrHeaderReserved: the field is written by this package alone.
	ErrHeaderReserved = errors.New("handshake: header is reserved")
	// ErrNotOffered: the client did not offer this subprotocol (RFC 6455 section 4.2.2).
	ErrNotOffered = errors.New("handshake: subprotocol was not offered by the client")
	// ErrStatus: the status cannot refuse a request.
	ErrStatus = errors.New("handshake: status of a refusal must lie between 300 and 599")
)

// ConfigError names the entry of a configuration that cannot be used.
type ConfigError struct {
	What   string // "origin pattern" or "subprotocol"; of an Opening also "target", "host", "origin" or "header"
	Entry  string // as it was given
	Reason string
}

// Error names the entry and the reason.
func (e *ConfigError) Error() string {
	return "handshake: " + e.What + " " + strconv.Quote(e.Entry) + ": " + e.Reason
}

func malformed(reason string) *Error { return &Error{400, reason, ErrBadRequest} }
func forbidden(reason string) *Error { return &Error{403, reason, ErrForbiddenOrigin} }
func upgrade(reason string) *Error   { return &Error{426, reason, ErrUpgradeRequired} }
func tooLarge(reason string) *Error  { return &Error{431, reason, ErrHeadTooLarge} }
