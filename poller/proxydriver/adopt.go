package proxydriver

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
)

var (
	_ poller.Adopter  = (*Driver)(nil)
	_ poller.Detacher = (*layer)(nil)
	_ syscall.Conn    = (*relayed)(nil)
)

// relayed is a connection that was given up after its header had been read: what that told goes with it.
type relayed struct {
	net.Conn
	kind   handshake.ProxyKind
	source netip.AddrPort
}

// RemoteAddr implements net.Conn: the client's address if the header told one.
func (c *relayed) RemoteAddr() net.Addr {
	if hasAddress(c.kind) {
		return net.TCPAddrFromAddrPort(c.source)
	}
	return c.Conn.RemoteAddr()
}

// SyscallConn implements syscall.Conn if the connection below does.
func (c *relayed) SyscallConn() (syscall.RawConn, error) {
	inner, ok := c.Conn.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("%w: connection of type %T has no descriptor", poller.ErrUnsupported, c.Conn)
	}
	return inner.SyscallConn()
}

// CloseWrite ends the output if the connection below can, as those of package net.
func (c *relayed) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return fmt.Errorf("%w: connection of type %T", poller.ErrUnsupported, c.Conn)
}

// findRelayed looks for a relayed below connections that tell what they wrap, as tls.Conn does, or returns nil.
func findRelayed(conn net.Conn) *relayed {
	for {
		switch c := conn.(type) {
		case *relayed:
			return c
		case interface{ NetConn() net.Conn }:
			conn = c.NetConn()
		default:
			return nil
		}
	}
}

// adopted is the tag of a connection that was relayed, on its way through the inner driver.
type adopted struct {
	tag    any // the caller's
	kind   handshake.ProxyKind
	source netip.AddrPort
}

// Adopt implements poller.Adopter if the inner driver does. A connection that was detached here, however wrapped since as long as
// what wraps it has a method NetConn, has the address from its header again. No header is expected of any.
func (d *Driver) Adopt(a *poller.Adoption) error {
	inner, ok := d.inner.(poller.Adopter)
	if !ok {
		return fmt.Errorf("%w: a driver of type %T adopts no connections", poller.ErrUnsupported, d.inner)
	}
	c := findRelayed(a.Conn)
	if c == nil {
		return inner.Adopt(a)
	}
	told := *a
	told.Tag = &adopted{tag: a.Tag, kind: c.kind, source: c.source}
	return inner.Adopt(&told)
}

// Detach implements poller.Detacher if the inner loop does. The connection's RemoteAddr is what the header told.
func (l *layer) Detach(t poller.Token) (conn net.Conn, input []byte, err error) {
	inner, ok := l.Loop.(poller.Detacher)
	if !ok {
		return nil, nil, fmt.Errorf("%w: a loop of type %T gives no connections up", poller.ErrUnsupported, l.Loop)
	}
	conn, input, err = inner.Detach(t)
	s, m := l.find(t) // Closed has not been called yet
	if err != nil || m.state() != stateTold {
		return conn, input, err
	}
	c := &relayed{Conn: conn, kind: m.kind()}
	if m.addressed() {
		c.source, _ = s.address(m)
	}
	return c, input, nil
}
