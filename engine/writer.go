package engine

import (
	"context"

	"github.com/wsloop/wsloop/codec"
)

// A MessageWriter sends a message whose length is not known in fragments. Until it is
// closed the connection can send no other message, only control frames. One
// goroutine at a time may use it.
type MessageWriter struct {
	conn Conn
	op   codec.Opcode // that of the next frame
	err  error        // sticky, once the message is over
}

// NewWriter begins a text or binary message. The first fragment leaves with the first
// Write or with Close. The error is ErrClosed, ErrMessageOpen or ErrOpcode.
func (c Conn) NewWriter(op codec.Opcode) (*MessageWriter, error) {
	if op != codec.OpcodeText && op != codec.OpcodeBinary {
		return nil, ErrOpcode
	}
	if c.loop == nil {
		return nil, ErrClosed
	}
	c.loop.mu.Lock()
	defer c.loop.mu.Unlock()
	s := c.loop.sendingOf(c.token)
	if s == nil || s.state != sendOpen {
		return nil, whyNot(s)
	}
	s.state = sendFragments
	return &MessageWriter{conn: c, op: op}, nil
}

// Write sends p as one fragment. It is copied before Write returns; a text may be split
// inside a character. Write either sends all of p or, with an error, nothing: ErrBufferFull or ErrMemory,
// after which it can be tried again, or ErrClosed. Overflow does not apply to fragments.
func (w *MessageWriter) Write(p []byte) (n int, err error) {
	if w.err != nil {
		return 0, w.err
	}
	_, err = sendBytes(w.conn.loop, w.conn.token, w.fragment(), p)
	return w.wrote(p, err)
}

// WriteWait is Write for goroutines that may wait: see Conn.SendWait.
func (w *MessageWriter) WriteWait(ctx context.Context, p []byte) (n int, err error) {
	if w.err != nil {
		return 0, w.err
	}
	return w.wrote(p, sendWait(ctx, w.conn, w.fragment(), p))
}

func (w *MessageWriter) fragment() *outgoing {
	return &outgoing{op: w.op, from: sendFragments, to: sendFragments}
}

func (w *MessageWriter) wrote(p []byte, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	w.op = codec.OpcodeContinuation
	return len(p), nil
}

// Close ends the message with an empty final fragment. With ErrBufferFull or ErrMemory it can be tried again.
func (w *MessageWriter) Close() error {
	if w.err != nil {
		return w.err
	}
	_, err := sendFrame(w.conn.loop, w.conn.token, w.final(), []byte(nil))
	return w.closed(err)
}

// CloseWait is Close for goroutines that may wait: see Conn.SendWait.
func (w *MessageWriter) CloseWait(ctx context.Context) error {
	if w.err != nil {
		return w.err
	}
	return w.closed(sendWait(ctx, w.conn, w.final(), nil))
}

func (w *MessageWriter) final() *outgoing {
	return &outgoing{op: w.op, fin: true, from: sendFragments, to: sendOpen}
}

func (w *MessageWriter) closed(err error) error {
	if err == nil {
		w.err = ErrClosed
	}
	return err
}
