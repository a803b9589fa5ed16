//go:build linux || darwin || freebsd

package wstest

import (
	"fmt"
	"net/http"
	"net/netip"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller/sim"
)

// A Client is the far end of a connection. What it sends is put on its way, and arrives as the world goes on.
type Client struct {
	world     *World
	peer      *sim.Peer
	request   request
	autoReply bool
	closeSent bool
	left      string // how the client ended its side for good, if it did

	response *http.Response // nil until its head has come
	received []byte         // of the response

	decoder      codec.Decoder
	assembler    codec.Assembler
	messages     []codec.Message
	pings, pongs []string
	closed       bool // a Close frame came, or the connection ended
	closure      Closure
	violation    error
}

// Subprotocol is the one agreed in the opening handshake, or "".
func (c *Client) Subprotocol() string { return c.response.Header.Get("Sec-WebSocket-Protocol") }

// ResponseHeader is what came with the 101.
func (c *Client) ResponseHeader() http.Header { return c.response.Header }

// Addr is what the server sees as Conn.RemoteAddr.
func (c *Client) Addr() netip.AddrPort { return c.peer.Addr() }

// AutoReply sets whether the client answers pings and Close frames by itself, as it does at first and as
// RFC 6455 sections 5.5.1 and 5.5.2 demand.
func (c *Client) AutoReply(on bool) { c.autoReply = on }

// SendText sends a text message.
func (c *Client) SendText(text string) {
	c.world.t.Helper()
	c.SendFrame(true, codec.OpcodeText, []byte(text))
}

// SendBinary sends a binary message.
func (c *Client) SendBinary(payload []byte) {
	c.world.t.Helper()
	c.SendFrame(true, codec.OpcodeBinary, payload)
}

// Ping sends a ping.
func (c *Client) Ping(payload string) {
	c.world.t.Helper()
	c.SendFrame(true, codec.OpcodePing, []byte(payload))
}

// Pong sends a pong, asked for or not.
func (c *Client) Pong(payload string) {
	c.world.t.Helper()
	c.SendFrame(true, codec.OpcodePong, []byte(payload))
}

// SendFrame sends a frame, masked. That it is legal is up to the caller: several make a message in fragments.
func (c *Client) SendFrame(fin bool, op codec.Opcode, payload []byte) {
	c.world.t.Helper()
	c.SendRaw(codec.AppendMaskedFrame(nil, fin, op, payload, c.world.Random().Uint32()))
}

// SendRaw sends bytes as they are. The test fails if the client cannot send any more: behind its Close
// frame, or when the connection is known to be gone.
func (c *Client) SendRaw(b []byte) {
	c.world.t.Helper()
	switch {
	case c.closeSent:
		c.fatalf("nothing can be sent behind a Close frame")
	case c.left != "" || c.closure.Err != nil:
		c.fatalf("nothing can be sent: %s", c.standing())
	}
	c.peer.Send(b)
}

// Close sends a Close frame, without a status code for StatusNoStatusRcvd. If the server sent one before, and the
// client answered it, it does nothing.
func (c *Client) Close(code codec.StatusCode, reason string) {
	c.world.t.Helper()
	if c.closeSent && c.closed {
		return
	}
	payload, err := closePayload(code, reason)
	if err != nil {
		c.fatalf("Close(%d, %q): %v", code, reason, err)
	}
	c.SendFrame(true, codec.OpcodeClose, payload)
	c.closeSent = true
}

func closePayload(code codec.StatusCode, reason string) ([]byte, error) {
	if code == codec.StatusNoStatusRcvd && reason == "" {
		return nil, nil
	}
	return codec.AppendClose(nil, code, reason)
}

// Stall has the client stop reading, so that what the server sends piles up: in the sockets, 64 KiB each way at
// most, and then in the server.
func (c *Client) Stall() { c.peer.Window(0) }

// Resume has the client read again.
func (c *Client) Resume() { c.peer.Window(-1) }

// CloseWrite sends FIN behind what was sent, and no Close frame. The client still reads.
func (c *Client) CloseWrite() {
	c.left = "the client sent FIN"
	c.peer.CloseWrite()
}

// Reset ends the connection with RST.
func (c *Client) Reset() {
	c.left = "the client sent RST"
	c.peer.Reset()
}

// Vanish loses everything from here on in both directions, as a cable does that is cut. The server is not told.
func (c *Client) Vanish() {
	c.left = "the client vanished"
	c.peer.Vanish()
}

// String names the client: its number and what it asked for.
func (c *Client) String() string { return fmt.Sprintf("client %d (%s)", c.peer.ID(), c.request.target) }

func (c *Client) fatalf(format string, args ...any) {
	c.world.t.Helper()
	c.world.t.Fatalf("wstest: %v at %v: %s", c, c.world.Now(), fmt.Sprintf(format, args...))
}
