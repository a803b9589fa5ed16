//go:build linux || darwin || freebsd

package wstest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/wsloop/wsloop/codec"
)

// A Closure says how the server ended a connection.
type Closure struct {
	// Code is that of the server's Close frame: StatusNoStatusRcvd (1005) when that had none,
	// StatusAbnormalClosure (1006) when the connection ended without a Close frame.
	Code   codec.StatusCode
	Reason string
	// Err is how TCP ended: io.EOF for FIN, syscall.ECONNRESET for RST, and nil while it has not.
	Err error
}

// Receive returns the next text or binary message. The test fails if there is none.
func (c *Client) Receive() codec.Message {
	c.world.t.Helper()
	m, ok := c.TryReceive()
	if !ok {
		c.fatalf("no message: %s", c.standing())
	}
	return m
}

// ReceiveText is Receive for a message that must be text.
func (c *Client) ReceiveText() string {
	c.world.t.Helper()
	return string(c.receive(codec.OpcodeText))
}

// ReceiveBinary is Receive for a message that must be binary.
func (c *Client) ReceiveBinary() []byte {
	c.world.t.Helper()
	return c.receive(codec.OpcodeBinary)
}

func (c *Client) receive(op codec.Opcode) []byte {
	c.world.t.Helper()
	m := c.Receive()
	if m.Opcode != op {
		c.fatalf("a %v message of %d bytes instead of %v", m.Opcode, len(m.Payload), op)
	}
	return m.Payload
}

// TryReceive is Receive that may find nothing.
func (c *Client) TryReceive() (m codec.Message, ok bool) {
	c.world.t.Helper()
	c.world.Settle()
	if len(c.messages) == 0 {
		return m, false
	}
	m = c.messages[0]
	c.messages = c.messages[1:]
	return m, true
}

// Outstanding is how many messages came that Receive has not returned.
func (c *Client) Outstanding() int {
	c.world.t.Helper()
	c.world.Settle()
	return len(c.messages)
}

// ExpectNothing fails the test if there is a message to receive.
func (c *Client) ExpectNothing() {
	c.world.t.Helper()
	if n := c.Outstanding(); n > 0 {
		m := c.messages[0]
		c.fatalf("%d messages, the first of them %v: %.80q", n, m.Opcode, m.Payload)
	}
}

// Pings are the payloads of all pings that came.
func (c *Client) Pings() []string {
	c.world.t.Helper()
	c.world.Settle()
	return c.pings
}

// Pongs are the payloads of all pongs that came.
func (c *Client) Pongs() []string {
	c.world.t.Helper()
	c.world.Settle()
	return c.pongs
}

// Closed says how the server ended the connection. It is false while neither a Close frame nor FIN nor RST has
// come. Of what the client did itself it knows nothing.
func (c *Client) Closed() (how Closure, closed bool) {
	c.world.t.Helper()
	c.world.Settle()
	return c.closure, c.closed
}

// ExpectClose fails the test unless the server closed the connection with this code, StatusAbnormalClosure meaning
// without a Close frame.
func (c *Client) ExpectClose(code codec.StatusCode) Closure {
	c.world.t.Helper()
	if how, closed := c.Closed(); !closed || how.Code != code {
		c.fatalf("%s; want status code %d (%v)", c.standing(), uint16(code), code)
	}
	return c.closure
}

// standing says how the connection stands.
func (c *Client) standing() string {
	switch how := c.closure; {
	case c.closed && how.Code == codec.StatusAbnormalClosure:
		return fmt.Sprintf("the server ended the connection without a Close frame (%v)", how.Err)
	case c.closed:
		return fmt.Sprintf("the server closed the connection with %d (%v) %q", uint16(how.Code), how.Code, how.Reason)
	case c.left != "":
		return c.left
	}
	return "the connection is open"
}

// data takes what the server sent. It is called inside a step.
func (c *Client) data(b []byte) {
	if c.response == nil || c.response.StatusCode != http.StatusSwitchingProtocols {
		b = c.readResponse(b)
	}
	for len(b) > 0 && c.violation == nil {
		m, n, ok, err := c.assembler.Next(&c.decoder, b, nil)
		b = b[n:]
		if ok && err == nil {
			err = c.take(m)
		}
		if err != nil {
			c.violation = err
		}
	}
}

// take keeps a message, or answers a control frame.
func (c *Client) take(m codec.Message) error {
	switch m.Opcode {
	case codec.OpcodePing:
		c.pings = append(c.pings, string(m.Payload))
		c.reply(codec.OpcodePong, m.Payload)
	case codec.OpcodePong:
		c.pongs = append(c.pongs, string(m.Payload))
	case codec.OpcodeClose:
		code, reason, err := c.decoder.ParseClose(m.Payload)
		if err != nil {
			return err
		}
		c.closed, c.closure.Code, c.closure.Reason = true, code, string(reason)
		if c.reply(codec.OpcodeClose, m.Payload[:min(len(m.Payload), 2)]) {
			c.closeSent = true
		}
	default:
		c.messages = append(c.messages, codec.Message{Opcode: m.Opcode, Payload: bytes.Clone(m.Payload)})
	}
	return nil
}

// reply answers with a control frame if the client is to and can.
func (c *Client) reply(op codec.Opcode, payload []byte) bool {
	if !c.autoReply || c.closeSent || c.left != "" {
		return false
	}
	c.peer.Send(codec.AppendMaskedFrame(nil, true, op, payload, c.world.Random().Uint32()))
	return true
}

// end takes note of the server's FIN or RST, and ends the client's side too.
func (c *Client) end(err error) {
	if !c.closed {
		c.closed, c.closure.Code = true, codec.StatusAbnormalClosure
	}
	c.closure.Err = err
	if errors.Is(err, io.EOF) {
		c.peer.Close()
	}
}
