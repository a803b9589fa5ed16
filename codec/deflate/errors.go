package deflate

import (
	"errors"
	"fmt"

	"github.com/wsloop/wsloop/codec"
)

// What an Error is, for errors.Is.
var (
	ErrCorrupt     = errors.New("deflate: corrupt message")             // StatusInvalidFramePayloadData
	ErrInvalidUTF8 = errors.New("deflate: invalid UTF-8")               // StatusInvalidFramePayloadData
	ErrTooBig      = errors.New("deflate: message too big")             // StatusMessageTooBig
	ErrRatio       = errors.New("deflate: message compressed too much") // StatusMessageTooBig
)

// Error is a compressed message that cannot be taken. The connection is to be failed with Code.
type Error struct {
	Code codec.StatusCode

	// Compressed counts the bytes of the compressed message that were read, a few kilobytes more than
	// were needed, and Inflated the bytes that came of them.
	Compressed, Inflated int

	// Reason explains it. It is a constant text without any of the peer's bytes.
	Reason string

	kind error
}

// Error gives the reason, the status code and the place.
func (e *Error) Error() string {
	return fmt.Sprintf("deflate: %s (status %d, after %d bytes that became %d)", e.Reason, uint16(e.Code), e.Compressed, e.Inflated)
}

// Unwrap returns the sentinel.
func (e *Error) Unwrap() error { return e.kind }

// fault is what can be wrong with a message. It is an error itself, so that a sink can stop the library with it.
type fault uint8

const (
	faultCorrupt fault = iota
	faultTruncated
	faultRestarts
	faultUTF8
	faultIncomplete
	faultTooBig
	faultRatio
)

var faults = [...]struct {
	code   codec.StatusCode
	kind   error
	reason string
}{
	faultCorrupt:    {codec.StatusInvalidFramePayloadData, ErrCorrupt, "the compressed data is corrupt"},
	faultTruncated:  {codec.StatusInvalidFramePayloadData, ErrCorrupt, "the compressed data ends inside a block"},
	faultRestarts:   {codec.StatusInvalidFramePayloadData, ErrCorrupt, "the compressed data has too many final blocks"},
	faultUTF8:       {codec.StatusInvalidFramePayloadData, ErrInvalidUTF8, "a text message is not UTF-8"},
	faultIncomplete: {codec.StatusInvalidFramePayloadData, ErrInvalidUTF8, "a text message ends inside a character"},
	faultTooBig:     {codec.StatusMessageTooBig, ErrTooBig, "a message is longer than the limit"},
	faultRatio:      {codec.StatusMessageTooBig, ErrRatio, "a message is compressed more than the limit allows"},
}

func (f fault) Error() string { return faults[f].reason }

func (f fault) at(compressed, inflated int) *Error {
	w := &faults[f]
	return &Error{w.code, compressed, inflated, w.reason, w.kind}
}
