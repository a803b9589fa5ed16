package nats

import (
	"context"
	"net"
	"sync"
	"time"

	client "github.com/nats-io/nats.go"
)

// socket is that of a link. It can be closed whatever the client library is waiting for: its own lock is held while it writes.
type socket struct {
	ctx         context.Context // of dialing
	waitForRoom func()

	mu     sync.Mutex
	last   net.Conn // nil before there is one
	closed bool
}

func (s *socket) init(ctx context.Context, waitForRoom func()) {
	s.ctx, s.waitForRoom = ctx, waitForRoom
}

// close ends the connection that there is, and any that is being made.
func (s *socket) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.last != nil {
		s.last.Close()
	}
}

// keep remembers a connection. One that was made when no more are wanted is closed.
func (s *socket) keep(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = c
	if s.closed {
		c.Close()
	}
}

// dialer makes the connections of a socket, one after the other until NATS answers.
type dialer struct {
	socket  *socket
	under   client.CustomDialer // nil if the user has none
	timeout time.Duration
}

// Dial implements client.CustomDialer.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	c, err := d.dial(network, address)
	if err != nil {
		return nil, err
	}
	d.socket.keep(c)
	return &patient{c, d.socket.waitForRoom}, nil
}

func (d *dialer) dial(network, address string) (net.Conn, error) {
	if d.under != nil {
		return d.under.Dial(network, address)
	}
	ctx, cancel := context.WithTimeout(d.socket.ctx, d.timeout)
	defer cancel()
	return new(net.Dialer).DialContext(ctx, network, address)
}

// patient is read only while there is room for what comes: the client library would drop it without a word of which.
type patient struct {
	net.Conn
	waitForRoom func()
}

func (p *patient) Read(b []byte) (int, error) {
	p.waitForRoom()
	return p.Conn.Read(b)
}
