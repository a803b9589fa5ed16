package tlsdriver

import (
	"crypto/tls"
	"net"
	"sync/atomic"
	"time"

	"github.com/wsloop/wsloop/poller"
)

// phase is how far a TLS connection has come.
type phase uint8

const (
	phaseConnecting phase = iota // dialed, TCP is being made
	phaseHandshake
	phaseOpen      // the upper handler knows the connection as made
	phaseLingering // the handshake failed: the answer is on its way, and input is dropped until the peer's FIN
	phaseClosed    // Close was called
)

type connFlags uint16

const (
	connDialed   connFlags = 1 << iota
	connTold               // the upper handler knows of it
	connPaused             // by the upper handler
	connListed             // stands in layer.again or layer.due
	connBacklog            // in holds whole records
	connEOFDue             // the upper handler is still to be told of the end
	connNotified           // close_notify came, or the end without it
	connGoodbye            // close_notify was sent, or an alert
)

// conn is a TLS connection. Its fields are the loop's unless they say otherwise. As a net.Conn it is what crypto/tls reads and writes, on
// the goroutine of the handshake first, and on the loop afterwards.
type conn struct {
	layer     *layer
	token     poller.Token
	wire      *wire                    // what leads crypto/tls here
	handshake *handshake               // nil once it succeeded
	secured   atomic.Pointer[tls.Conn] // nil until then; loaded by any goroutine
	in        []byte                   // ciphertext that was not decrypted: part of a record, or more with connBacklog
	rest      []byte                   // plaintext that the upper handler has not consumed
	reason    error                    // what Close was given
	client    *tls.Config              // of a dialed connection
	owed      int                      // bytes that complete a record of which crypto/tls has the beginning
	updates   time.Duration            // since when answers are counted
	answers   uint8                    // key updates that were answered since
	phase     phase
	flags     connFlags
}

var _ net.Conn = (*conn)(nil)

// waits says that the connection has something to present that the inner driver does not know of.
func (c *conn) waits() bool { return c.rest != nil || c.flags&(connBacklog|connEOFDue) != 0 }

// Read implements net.Conn for crypto/tls.
func (c *conn) Read(b []byte) (int, error) {
	if h := c.handshake; h != nil {
		return h.read(b)
	}
	l := c.layer
	if len(l.input) == 0 {
		return 0, errEmpty
	}
	n := copy(b, l.input)
	l.input = l.input[n:]
	return n, nil
}

// Write implements net.Conn for crypto/tls. It takes everything: a short write would be the end of the connection.
func (c *conn) Write(b []byte) (int, error) {
	if h := c.handshake; h != nil {
		return h.write(b)
	}
	l := c.layer
	l.writes++
	l.out = append(l.out, b...)
	if len(l.out) >= outBytes {
		// What becomes of it shows when the last of it is written.
		_ = l.inner.Write(c.token, l.out)
		l.out = l.out[:0]
	}
	return len(b), nil
}

// Close implements net.Conn. crypto/tls calls it when the context of the handshake is cancelled.
func (c *conn) Close() error {
	if h := c.handshake; h != nil {
		h.end()
	}
	return nil
}

// LocalAddr implements net.Conn. It is not known.
func (c *conn) LocalAddr() net.Addr { return &net.TCPAddr{} }

// RemoteAddr implements net.Conn, for callbacks such as tls.Config.GetConfigForClient.
func (c *conn) RemoteAddr() net.Addr {
	addr, err := c.layer.inner.RemoteAddr(c.token)
	if err != nil {
		return &net.TCPAddr{}
	}
	return net.TCPAddrFromAddrPort(addr)
}

// SetDeadline implements net.Conn. The loop keeps the time.
func (*conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (*conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (*conn) SetWriteDeadline(time.Time) error { return nil }
