package nats

import (
	"context"
	"net"
	"sync"
	"time"

	client "github.com/nats-io/nats.go"
)

// sockets know the socket that leads to NATS, so that it can be closed whatever the client library is waiting for: its own lock is
// held while it writes.
type sockets struct {
	ctx    context.Context // of dialing
	cancel context.CancelFunc
	mu     sync.Mutex
	last   net.Conn
}

// abort ends the connection that there is, and any that is being made.
func (s *sockets) abort() {
	s.cancel()
	s.close()
}

// close ends the connection that there is.
func (s *sockets) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last != nil {
		s.last.Close()
	}
}

// keep remembers a socket. One that was made when no more are wanted is closed.
func (s *sockets) keep(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = c
	if s.ctx.Err() != nil {
		c.Close()
	}
}

// dialer makes the sockets of a Bridge.
type dialer struct {
	bridge  *Bridge
	under   client.CustomDialer // nil if the user has none
	timeout time.Duration
}

// Dial implements client.CustomDialer.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	c, err := d.dial(network, address)
	if err != nil {
		return nil, err
	}
	d.bridge.sockets.keep(c)
	return &socket{c, &d.bridge.arrivals}, nil
}

func (d *dialer) dial(network, address string) (net.Conn, error) {
	if d.under != nil {
		return d.under.Dial(network, address)
	}
	ctx, cancel := context.WithTimeout(d.bridge.sockets.ctx, d.timeout)
	defer cancel()
	return new(net.Dialer).DialContext(ctx, network, address)
}

// socket is read only while there is room for what comes: the client library would drop it without a word of which.
type socket struct {
	net.Conn
	arrivals *arrivals
}

func (s *socket) Read(p []byte) (int, error) {
	s.arrivals.waitForRoom()
	return s.Conn.Read(p)
}
