package codec

import (
	"errors"
	"fmt"
)

// What a ProtocolError is, for errors.Is: one sentinel for each status code a Decoder fails with.
var (
	ErrProtocol         = errors.New("codec: protocol error")     // StatusProtocolError
	ErrInvalidUTF8      = errors.New("codec: invalid UTF-8")      // StatusInvalidFramePayloadData
	ErrTooManyFragments = errors.New("codec: too many fragments") // StatusPolicyViolation
	ErrMessageTooBig    = errors.New("codec: message too big")    // StatusMessageTooBig
)

// What AppendClose refuses, besides ErrInvalidUTF8.
var (
	ErrStatusCode    = errors.New("codec: status code not allowed in a Close frame")
	ErrReasonTooLong = errors.New("codec: reason of a Close frame longer than 123 bytes")
)

// ErrNoMemory reports that a Memory refused to lend a buffer. The message is lost, and the connection
// with it; it is no fault of the peer.
var ErrNoMemory = errors.New("codec: no memory for the message")

// ProtocolError is a violation by the peer. The connection is to be failed with Code.
type ProtocolError struct {
	// Code is the status code for the Close frame to the peer.
	Code StatusCode

	// Offset is the place of the byte at which the violation became certain, counted from the first
	// byte the Decoder was given. The functions ParseHeader and ParseClose count from the start of their argument.
	// Where something is missing at an end, Offset is that end.
	Offset int64

	// Reason explains the violation. It is a constant text without any of the peer's bytes.
	Reason string
}

// Error gives the reason, the status code and the place.
func (e *ProtocolError) Error() string {
	return fmt.Sprintf("codec: %s (status %d, at byte %d)", e.Reason, uint16(e.Code), e.Offset)
}

// Unwrap returns the sentinel that belongs to Code.
func (e *ProtocolError) Unwrap() error {
	switch e.Code {
	case StatusInvalidFramePayloadData:
		return ErrInvalidUTF8
	case StatusPolicyViolation:
		return ErrTooManyFragments
	case StatusMessageTooBig:
		return ErrMessageTooBig
	default:
		return ErrProtocol
	}
}
