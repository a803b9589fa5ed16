package pollertest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// A client is the peer of a connection under test. A method that cannot do its
// work fails the test.
type client struct {
	net.Conn
	t testing.TB
}

func dial(t testing.TB, s *server, addr net.Addr) *client {
	t.Helper()
	c, err := net.DialTimeout(addr.Network(), addr.String(), deadline)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(deadline)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if s.transport.Client != nil {
		c = s.transport.Client(t, s.driver, c)
	}
	return &client{c, t}
}

func (c *client) send(b []byte) {
	c.t.Helper()
	if _, err := c.Write(b); err != nil {
		c.t.Fatalf("client write: %v", err)
	}
}

// expect reads exactly want.
func (c *client) expect(want []byte) {
	c.t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil {
		c.t.Fatalf("client read %d of %d bytes: %v", n, len(want), err)
	}
	if i := firstDifference(got, want); i >= 0 {
		c.t.Fatalf("client read %#x at offset %d, want %#x", got[i], i, want[i])
	}
}

// expectEOF reads the end of the stream.
func (c *client) expectEOF() {
	c.t.Helper()
	var b [1]byte
	if n, err := c.Read(b[:]); n != 0 || !errors.Is(err, io.EOF) {
		c.t.Fatalf("client read %d bytes and %v, want EOF", n, err)
	}
}

// expectEnd reads the end of the stream or a reset, and no byte before it.
func (c *client) expectEnd() {
	c.t.Helper()
	var b [1]byte
	n, err := c.Read(b[:])
	var timeout net.Error
	if n != 0 || err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		c.t.Fatalf("client read %d bytes and %v, want the end", n, err)
	}
}

// closeWrite sends FIN.
func (c *client) closeWrite() {
	c.t.Helper()
	if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		c.t.Fatal(err)
	}
}

// reset closes with RST instead of FIN.
func (c *client) reset() {
	c.t.Helper()
	socket := c.Conn
	if over, ok := socket.(interface{ NetConn() net.Conn }); ok {
		socket = over.NetConn()
	}
	if err := socket.(*net.TCPConn).SetLinger(0); err != nil {
		c.t.Fatal(err)
	}
	socket.Close()
}

func firstDifference(a, b []byte) int {
	if bytes.Equal(a, b) {
		return -1
	}
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// pattern is n bytes in which each place can be told from its neighbours: a
// sequence of period 2^32 bytes, started at seed.
func pattern(seed uint64, n int) []byte {
	b := make([]byte, n)
	state := seed*2654435761 + 1
	for i := range b {
		state = state*6364136223846793005 + 1442695040888963407
		b[i] = byte(state >> 56)
	}
	return b
}
