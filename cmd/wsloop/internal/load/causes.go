package load

import (
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
	"github.com/wsloop/wsloop/handshake"
)

// dialCause says in plain words why a connection did not come about.
func dialCause(err error) string {
	step := "connecting"
	var dial *engine.DialError
	if errors.As(err, &dial) {
		err = dial.Err
		if dial.Op == engine.DialHandshake {
			step = "the handshake"
		}
	}
	var answer *handshake.AnswerError
	switch {
	case errors.Is(err, engine.ErrTimeout):
		return "timed out in " + step
	case errors.As(err, &answer) && errors.Is(answer, handshake.ErrAnswerStatus):
		return fmt.Sprintf("handshake answered %d %s", answer.Status, handshake.StatusText(answer.Status))
	case errors.As(err, &answer):
		return "handshake answered wrongly: " + answer.Reason
	case errors.Is(err, io.EOF):
		return "closed by the server in " + step
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset by the server in " + step
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "no local port is left for this target, or no such source address"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "no file descriptor is left"
	}
	return "error in " + step + ": " + err.Error()
}

// closeCause says in plain words how a connection ended that we did not end.
func closeCause(how engine.Closure) string {
	var protocol *codec.ProtocolError
	var timeout *engine.TimeoutError
	switch {
	case how.Err == nil && how.Code == codec.StatusNoStatusRcvd:
		return "closed by the server without a status code"
	case how.Err == nil:
		return fmt.Sprintf("closed by the server with %d", uint16(how.Code))
	case errors.As(how.Err, &protocol):
		return "the server broke the protocol: " + protocol.Reason
	case errors.As(how.Err, &timeout) && timeout.Deadline == engine.PongDeadline:
		return "no answer to a ping"
	case errors.As(how.Err, &timeout) && timeout.Deadline == engine.CloseDeadline:
		return "no end after the closing handshake began"
	case errors.Is(how.Err, io.EOF):
		return "closed by the server without a Close frame"
	case errors.Is(how.Err, syscall.ECONNRESET), errors.Is(how.Err, syscall.EPIPE):
		return "reset by the server"
	case errors.Is(how.Err, engine.ErrAborted):
		return "given up in the middle of a message"
	}
	return "connection lost: " + how.Err.Error()
}

// sendCause says in plain words why a message was not sent.
func sendCause(err error) string {
	switch {
	case errors.Is(err, engine.ErrBufferFull):
		return "not sent: the server does not read, and the connection's buffer is full"
	case errors.Is(err, engine.ErrMemory):
		return "not sent: the generator's memory budget is used up"
	case errors.Is(err, engine.ErrClosed):
		return causeGone
	}
	return "not sent: " + err.Error()
}
