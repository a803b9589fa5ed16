package handshake

import (
	"crypto/sha1"
	"encoding/base64"
)

// keyGUID is appended to the key before hashing (RFC 6455 section 1.3).
const keyGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

const (
	keyBytes    = 24 // base64 of 16 bytes
	acceptBytes = 28 // base64 of a SHA-1 hash
)

// strictBase64 refuses bits in the padding, so that a key has one spelling.
var strictBase64 = base64.StdEncoding.Strict()

// Policy is what the server wants of an opening handshake. The zero value takes
// pages of the same host and no subprotocol. It is only read, so one Policy serves
// every loop.
type Policy struct {
	// Subprotocols in the server's order of preference: the first that the client
	// offers is chosen. Names are compared exactly. See [CheckSubprotocols].
	Subprotocols []string
	// Origins that may connect, from [ParseOrigins]. When it is zero the origin must
	// be the host of the request itself. A request without Origin does not come from
	// a page and is always taken.
	Origins Origins
	// Secure says that clients reach the server by TLS. It makes "the same host" mean
	// https: a page loaded without TLS is a stranger, for anyone may have written it.
	Secure bool
}

// Acceptance is an opening handshake that may be answered with 101.
type Acceptance struct {
	// Subprotocol is the one chosen, or empty when none was in common.
	Subprotocol string
	// Extensions is what the client offers, in its order. The slice belongs to the
	// Request and is valid as long as the views within.
	Extensions []Extension
	// Agreed is sent as the value of Sec-WebSocket-Extensions unless it is empty. The
	// one who negotiated the offer sets it; its grammar is not checked here.
	Agreed []byte

	accept [acceptBytes]byte // Sec-WebSocket-Accept
}

// Accept checks a complete request against RFC 6455 section 4.2.1 and against the
// policy; a nil policy is the zero one. It returns an [*Error] when the request must
// be refused. Nothing is negotiated but the subprotocol.
func Accept(r *Request, p *Policy) (a Acceptance, err error) {
	if refusal := r.checkUpgrade(); refusal != nil {
		return a, refusal
	}
	if p == nil {
		p = &Policy{}
	}
	chosen, refusal := r.chooseProtocol(p.Subprotocols)
	if refusal != nil {
		return a, refusal
	}
	if refusal := r.parseExtensions(); refusal != nil {
		return a, refusal
	}
	if refusal := p.checkOrigin(r); refusal != nil {
		return a, refusal
	}
	a.Subprotocol, a.Extensions = chosen, r.extensions
	a.accept = acceptOf(r.Header("Sec-WebSocket-Key"))
	return a, nil
}

// IsUpgrade reports whether the request asks for a WebSocket at all. A GET that does
// not is a plain HTTP request, which the server may answer with a page. A key without
// an Upgrade counts: a proxy that took the Upgrade away leaves it, and a refusal
// tells more than a page.
func (r *Request) IsUpgrade() bool {
	return r.HasToken("Upgrade", "websocket") || r.next("Sec-WebSocket-Key", 0) >= 0
}

// checkUpgrade checks what does not depend on the policy, in this order, so that the
// answer to a request with several faults is always the same.
func (r *Request) checkUpgrade() *Error {
	switch {
	case r.head == nil:
		return ErrBadRequest
	case string(r.Method()) != "GET":
		return ErrMethod
	case r.announcesBody():
		return errBody
	case !r.HasToken("Upgrade", "websocket"):
		return errNoUpgrade
	case !r.HasToken("Connection", "Upgrade"):
		return errNoConnection
	}
	if version, ok := r.single("Sec-WebSocket-Version"); !ok || string(version) != "13" {
		return errWebSocketVersion
	}
	key, ok := r.single("Sec-WebSocket-Key")
	if !ok {
		return errNoKey
	}
	if !validKey(key) {
		return errKey
	}
	return nil
}

// announcesBody is true for any Content-Length but a single 0, and for any
// Transfer-Encoding. Bytes of a body would otherwise be read as frames.
func (r *Request) announcesBody() bool {
	if r.next("Transfer-Encoding", 0) >= 0 {
		return true
	}
	if r.next("Content-Length", 0) < 0 {
		return false
	}
	length, ok := r.single("Content-Length")
	return !ok || string(length) != "0"
}

func validKey(key []byte) bool {
	if len(key) != keyBytes {
		return false
	}
	var nonce [keyBytes / 4 * 3]byte
	n, err := strictBase64.Decode(nonce[:], key)
	return err == nil && n == 16
}

// acceptOf gives the Sec-WebSocket-Accept of a valid key (RFC 6455 section 4.2.2).
func acceptOf(key []byte) (accept [acceptBytes]byte) {
	var text [keyBytes + len(keyGUID)]byte
	copy(text[copy(text[:], key):], keyGUID)
	sum := sha1.Sum(text[:])
	base64.StdEncoding.Encode(accept[:], sum[:])
	return accept
}
