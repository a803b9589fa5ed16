package engine

import (
	"bufio"
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
)

// refused reads an answer that was given before the request was read, and asks to come back later.
func (c *client) refused(want int, why string) {
	c.t.Helper()
	status, fields, body := c.response()
	if status != want || !strings.Contains(body, why) || !strings.Contains(fields, "Retry-After: ") || !strings.Contains(fields, "Connection: close\r\n") {
		c.t.Errorf("status %d, %q, %q; want %d, %q", status, fields, body, want, why)
	}
	c.expectEOF()
}

// dialFrom connects from an address of the loopback network.
func (r *running) dialFrom(address string) *client {
	r.t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	conn, err := dialer.Dial(r.network, r.addr)
	if err != nil {
		r.t.Skipf("the system has no %s: %v", address, err)
	}
	return r.clientOn(conn)
}

// clientOn makes a client of a connection.
func (r *running) clientOn(conn net.Conn) *client {
	conn.SetDeadline(time.Now().Add(patience))
	r.t.Cleanup(func() { conn.Close() })
	return &client{Conn: conn, t: r.t, in: bufio.NewReaderSize(conn, 4<<10)}
}

// until waits for a condition.
func until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// W95: beyond MaxConnections a new connection is answered 503, before its request has come; far beyond it is closed at
// once. Those that are there are served on, and when one leaves there is room again.
func TestMaxConnectionsW95(t *testing.T) {
	t.Parallel()
	s := serve(t, &Server{Loops: 1, MaxConnections: 2, CloseTimeout: never, Events: Events{Message: echo}})
	a, b := s.open(), s.open()
	if got := s.Stats().MaxConnections; got != 2 {
		t.Errorf("the limit in force is %d", got)
	}
	var told []*client
	for range reserveConnections {
		c := s.dial()
		c.refused(503, "too many connections")
		told = append(told, c)
	}
	for range 3 {
		s.dial().expectGone()
	}
	stats := s.Stats()
	if stats.RefusedConnections != reserveConnections+3 || stats.Refused != reserveConnections || stats.Connections != 2+reserveConnections {
		t.Errorf("stats %+v", stats)
	}
	for _, c := range []*client{a, b} {
		c.send(codec.OpcodeText, "unharmed")
		c.expect(codec.OpcodeText, "unharmed")
	}
	for _, c := range append(told, b) {
		c.Close()
	}
	until(t, "the others are gone", func() bool { return s.Stats().Connections == 1 })
	s.open()
}

// No limit is a limit too, and does not wrap.
func TestUnlimitedConnections(t *testing.T) {
	m := newMemory(t, &Server{MaxConnections: Unlimited})
	if c := m.open(); m.over(c) {
		t.Error("a connection was refused")
	}
}

// W95: more connections from one address than it may have are answered 503, those from others are taken; a
// connection that ended makes room.
func TestPerAddressConnectionsW95(t *testing.T) {
	t.Parallel()
	s := serve(t, &Server{PerAddress: SourceLimits{Connections: 2}, CloseTimeout: never})
	first := s.open()
	s.open()
	s.dial().refused(503, "from this address")
	other := s.dialFrom("127.0.7.1")
	other.write(head("/"))
	if status, _, _ := other.response(); status != 101 {
		t.Errorf("another address was answered %d", status)
	}
	if n := s.Stats().RefusedSources; n != 1 {
		t.Errorf("%d connections refused", n)
	}
	first.Close()
	until(t, "there is room", func() bool { return s.Stats().Connections == 3 }) // with the one that was refused
	s.open()
}

// A prefix has a limit for all its addresses.
func TestPerPrefixConnections(t *testing.T) {
	t.Parallel()
	s := serve(t, &Server{PerPrefix: SourceLimits{Connections: 2}, CloseTimeout: never})
	for _, from := range []string{"127.0.8.1", "127.0.8.2", "127.0.9.1"} {
		c := s.dialFrom(from)
		c.write(head("/"))
		if status, _, _ := c.response(); status != 101 {
			t.Errorf("%s was answered %d", from, status)
		}
	}
	s.dialFrom("127.0.8.3").refused(503, "from this address")
}

// New connections beyond the rate of an address are answered 429. Connections that were refused do not count.
func TestPerAddressRate(t *testing.T) {
	t.Parallel()
	s := serve(t, &Server{PerAddress: SourceLimits{Handshakes: Rate{PerSecond: 1, Burst: 1}}})
	s.open()
	refused := false
	for range 1000 { // a second passes between some on a slow machine
		c := s.dial()
		c.write(head("/"))
		if status, fields, _ := c.response(); status == 429 && strings.Contains(fields, "Retry-After: ") {
			refused = true
			break
		}
		c.Close()
	}
	if !refused || s.Stats().RefusedSources == 0 {
		t.Errorf("refused %t; stats %+v", refused, s.Stats())
	}
}

// W35: while memory is short new connections are answered 503, and those that are there are served.
func TestTightMemoryRefusesHandshakesW35(t *testing.T) {
	t.Parallel()
	s := serve(t, &Server{Loops: 1, MaxMemoryBytes: 8 << 20, Events: Events{Message: echo}})
	c := s.open()
	s.budget.held.Add(7 << 20)
	s.dial().refused(503, "short of memory")
	if n := s.Stats().RefusedMemory; n != 1 {
		t.Errorf("%d connections refused for memory", n)
	}
	c.send(codec.OpcodeText, "still here")
	c.expect(codec.OpcodeText, "still here")
	s.budget.held.Add(-7 << 20)
	s.open()
}

// A connection that was refused is not given up before it had the time to read why, and then it is.
func TestRefusedConnectionsAreClosed(t *testing.T) {
	m := newMemory(t, &Server{MaxConnections: 1})
	m.open()
	c := m.accept()
	m.turn()
	if m.gone(c) || !m.over(c) {
		t.Fatalf("gone %t, over %t", m.gone(c), m.over(c))
	}
	m.pass(DefaultCloseTimeout + 3*tick)
	if !m.gone(c) {
		t.Error("it is still there")
	}
	if n := m.engine.server.Stats().Connections; n != 1 {
		t.Errorf("%d connections", n)
	}
	for range reserveConnections + 1 {
		c = m.accept()
		m.turn()
	}
	if told := m.take(c); !m.gone(c) || len(told) > 0 {
		t.Errorf("the last: gone %t, was told %q", m.gone(c), told)
	}
}
