package interop

import (
	"context"
	"crypto/tls"
	"fmt"
)

// client is a WebSocket client library.
type client interface {
	// dial opens a connection. The error is a refusal when the server answered with
	// another status than 101. ctx bounds the whole life of the connection.
	dial(ctx context.Context, url string, o dialOptions) (peer, error)
}

// dialOptions are for the opening handshake.
type dialOptions struct {
	subprotocols []string
	origin       string
	tls          *tls.Config // for wss
}

// refusal is the HTTP status of a refused opening handshake.
type refusal int

func (r refusal) Error() string { return fmt.Sprintf("refused with status %d", int(r)) }

// opcode is one of those that data messages have.
type opcode int

const (
	text   opcode = 1
	binary opcode = 2
)

// peer is the client's end of a connection.
type peer interface {
	send(op opcode, payload []byte) error
	// sendFragments sends a message in several frames. Where the library lets its caller
	// choose, each piece is a frame.
	sendFragments(op opcode, pieces [][]byte) error
	// ping sends a ping and fails unless a pong with the same payload comes. What else comes
	// meanwhile is an error.
	ping(payload []byte) error
	// receive waits for a message. The error is a closed when the server's Close frame came.
	receive() (opcode, []byte, error)
	// close performs the closing handshake; code 1005 sends a Close frame without a code. It
	// returns the code that the server sent.
	close(how closing) (int, error)
	subprotocol() string
	// drop closes the TCP connection, if it is still open.
	drop()
}

// closed says what the server's Close frame said.
type closed closing

func (c closed) Error() string { return fmt.Sprintf("closed with %d %q", c.Code, c.Reason) }
