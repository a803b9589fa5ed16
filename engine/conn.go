package engine

import (
	"fmt"
	"net/netip"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller"
)

// A Conn names one connection of a Server. It is small and comparable, and its methods
// may be called from any goroutine. Once the connection is gone it is inert: it never
// reaches another connection. The zero Conn is one that is gone.
type Conn struct {
	loop  *loop
	token poller.Token
}

// Send sends a text or binary message. payload is copied before Send returns. That a text
// is valid UTF-8 is up to the caller: a peer fails the connection if it is not.
//
// The error is ErrClosed, ErrBufferFull, ErrMessageOpen or ErrOpcode, and then nothing was
// sent. Messages that one goroutine sends arrive in its order.
func (c Conn) Send(op codec.Opcode, payload []byte) error {
	if op != codec.OpcodeText && op != codec.OpcodeBinary {
		return ErrOpcode
	}
	if c.loop == nil {
		return ErrClosed
	}
	return sendFrame(c.loop, c.token, true, op, payload, sendOpen, sendOpen)
}

// SendText is Send for a text message in a string.
func (c Conn) SendText(text string) error {
	if c.loop == nil {
		return ErrClosed
	}
	return sendFrame(c.loop, c.token, true, codec.OpcodeText, text, sendOpen, sendOpen)
}

// Ping sends a ping with a payload of at most 125 bytes (RFC 6455 section 5.5.2).
// Events.Pong tells of the answer. The error is ErrClosed, ErrBufferFull or
// ErrControlTooLong.
func (c Conn) Ping(payload []byte) error { return c.control(codec.OpcodePing, payload) }

// Pong sends a pong that nobody asked for: a one-way heartbeat (RFC 6455 section
// 5.5.3). Pings are answered by the engine.
func (c Conn) Pong(payload []byte) error { return c.control(codec.OpcodePong, payload) }

func (c Conn) control(op codec.Opcode, payload []byte) error {
	if len(payload) > codec.MaxControlPayload {
		return ErrControlTooLong
	}
	if c.loop == nil {
		return ErrClosed
	}
	return c.loop.sendControl(c.token, op, payload)
}

// Close begins the closing handshake: what was sent before goes out, then the Close frame,
// and when the peer's has come, or Server.CloseTimeout has passed, the
// connection is closed and Events.Close called. No further callback but that comes.
//
// The error is ErrClosed, or that of a code or reason which must not be sent
// (codec.ErrStatusCode, codec.ErrReasonTooLong, codec.ErrInvalidUTF8); then nothing happens.
func (c Conn) Close(code codec.StatusCode, reason string) error {
	var payload [codec.MaxControlPayload]byte
	frame, err := codec.AppendClose(payload[:0], code, reason)
	if err != nil {
		return err
	}
	if c.loop == nil {
		return ErrClosed
	}
	return c.loop.sendClose(c.token, frame, true)
}

// Abort closes the connection without a closing handshake, and drops what waits to be
// sent. Events.Close follows.
func (c Conn) Abort() {
	if c.loop != nil {
		c.loop.abort(c.token)
	}
}

// Buffered is the number of bytes that wait in the engine to be sent, frame headers
// included.
func (c Conn) Buffered() int {
	if c.loop == nil {
		return 0
	}
	c.loop.mu.Lock()
	defer c.loop.mu.Unlock()
	s := c.loop.sendingOf(c.token)
	if s == nil {
		return 0
	}
	waiting := int(s.queued)
	if s.entry != 0 {
		waiting += int(c.loop.outbox.entries[s.entry-1].size)
	}
	return waiting
}

// Subprotocol is the one agreed in the opening handshake, or "".
func (c Conn) Subprotocol() string {
	if c.loop == nil {
		return ""
	}
	c.loop.mu.Lock()
	defer c.loop.mu.Unlock()
	if s := c.loop.sendingOf(c.token); s != nil {
		return c.loop.server.protocol(s.subprotocol)
	}
	return ""
}

// SetData attaches v to the connection, until Events.Close has returned. On a connection
// that is gone it does nothing.
func (c Conn) SetData(v any) {
	if c.loop == nil {
		return
	}
	c.loop.mu.Lock()
	defer c.loop.mu.Unlock()
	if c.loop.sendingOf(c.token) != nil {
		c.loop.data.Grow(c.token.Slot())
		*c.loop.data.At(c.token.Slot()) = v
	}
}

// Data is what SetData attached, or nil.
func (c Conn) Data() any {
	if c.loop == nil {
		return nil
	}
	c.loop.mu.Lock()
	defer c.loop.mu.Unlock()
	if c.loop.sendingOf(c.token) == nil || int(c.token.Slot()) >= c.loop.data.Len() {
		return nil
	}
	return *c.loop.data.At(c.token.Slot())
}

// RemoteAddr asks the system for the peer's address; nothing is stored for it. It is the
// zero AddrPort for a Unix socket, and for a connection that is gone or that the peer
// has reset: ask in Upgrade or Open what Close is to know.
func (c Conn) RemoteAddr() netip.AddrPort {
	if c.loop == nil {
		return netip.AddrPort{}
	}
	addr, _ := c.loop.driver.RemoteAddr(c.token)
	return addr
}

// String names the connection in logs: its loop, slot and generation.
func (c Conn) String() string {
	if c.loop == nil {
		return "conn(none)"
	}
	return fmt.Sprintf("conn(%d/%d/%d)", c.loop.driver.Index(), c.token.Slot(), c.token.Generation())
}
