package codec

import "fmt"

// StatusCode says why a connection is closed (RFC 6455 section 7.4).
type StatusCode uint16

// The status codes of the IANA registry, under the names they have there.
const (
	StatusNormalClosure           StatusCode = 1000
	StatusGoingAway               StatusCode = 1001
	StatusProtocolError           StatusCode = 1002
	StatusUnsupportedData         StatusCode = 1003
	StatusNoStatusRcvd            StatusCode = 1005 // never sent: the Close frame had no status code
	StatusAbnormalClosure         StatusCode = 1006 // never sent: there was no Close frame
	StatusInvalidFramePayloadData StatusCode = 1007
	StatusPolicyViolation         StatusCode = 1008
	StatusMessageTooBig           StatusCode = 1009
	StatusMandatoryExtension      StatusCode = 1010
	StatusInternalError           StatusCode = 1011
	StatusServiceRestart          StatusCode = 1012
	StatusTryAgainLater           StatusCode = 1013
	StatusBadGateway              StatusCode = 1014
	StatusTLSHandshake            StatusCode = 1015 // never sent: the TLS handshake failed
)

// Valid reports whether c may appear in a Close frame: a registered code that is not reserved for
// local use, or one of the ranges for libraries (3000 to 3999) and applications (4000 to 4999).
func (c StatusCode) Valid() bool {
	switch {
	case c >= 3000:
		return c < 5000
	case c == 1004, c == StatusNoStatusRcvd, c == StatusAbnormalClosure:
		return false
	default:
		return StatusNormalClosure <= c && c < StatusTLSHandshake
	}
}

// String returns the name in the registry in words, or "status" and the number.
func (c StatusCode) String() string {
	switch c {
	case StatusNormalClosure:
		return "normal closure"
	case StatusGoingAway:
		return "going away"
	case StatusProtocolError:
		return "protocol error"
	case StatusUnsupportedData:
		return "unsupported data"
	case StatusNoStatusRcvd:
		return "no status received"
	case StatusAbnormalClosure:
		return "abnormal closure"
	case StatusInvalidFramePayloadData:
		return "invalid frame payload data"
	case StatusPolicyViolation:
		return "policy violation"
	case StatusMessageTooBig:
		return "message too big"
	case StatusMandatoryExtension:
		return "mandatory extension"
	case StatusInternalError:
		return "internal error"
	case StatusServiceRestart:
		return "service restart"
	case StatusTryAgainLater:
		return "try again later"
	case StatusBadGateway:
		return "bad gateway"
	case StatusTLSHandshake:
		return "TLS handshake"
	}
	return fmt.Sprintf("status %d", uint16(c))
}
