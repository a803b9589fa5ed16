package engine

import (
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/handshake"
)

// askAs sends an opening handshake and returns the status of the answer.
func (c *client) askAs(fields ...string) (status int, body string) {
	c.t.Helper()
	c.write(head("/", fields...))
	status, _, body = c.response()
	return status, body
}

func forwardedFor(client string) string { return "X-Forwarded-For: 198.51.100.1, " + client }

// Connections through a trusted proxy count for their clients: one client's are limited, with the status that everybody gets, and the others
// go on. Those that end make room.
func TestForwardedConnectionsPerAddress(t *testing.T) {
	t.Parallel()
	r := serve(t, &Server{Forwarding: forwarding(t), PerAddress: SourceLimits{Connections: 2}, CloseTimeout: never})
	var first *client
	for i, source := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.2", "2001:db8::1", "[2001:db8::2]:80"} {
		c := r.dial()
		if status, _ := c.askAs(forwardedFor(source)); status != 101 {
			t.Errorf("%s: status %d", source, status)
		}
		if i == 0 {
			first = c
		}
	}
	for _, source := range []string{"192.0.2.1", "192.0.2.2", "2001:db8::3"} {
		c := r.dial()
		c.write(head("/", forwardedFor(source)))
		c.refused(503, "from this address")
		c.Close()
	}
	if n := r.Stats().RefusedSources; n != 3 {
		t.Errorf("%d refused", n)
	}
	// What was refused while its head came in pieces leaves nothing behind.
	pieces := r.dial()
	text := head("/", forwardedFor("192.0.2.1"))
	pieces.write(text[:100])
	pieces.write(text[100:])
	pieces.refused(503, "from this address")
	pieces.Close()
	opens := r.opens.Load()
	first.Close()
	until(t, "there is room", func() bool { return r.Stats().Connections == 5 }) // and the refused ones are gone
	if status, _ := r.dial().askAs(forwardedFor("192.0.2.1")); status != 101 || r.opens.Load() != opens+1 {
		t.Errorf("status %d", status)
	}
	until(t, "the refused ones are gone", func() bool { return r.Stats().Connections == 6 })
}

// Whoever is not trusted counts by its own address, at once, and a proxy that tells nobody counts for nobody.
func TestForwardedOthersPerAddress(t *testing.T) {
	t.Parallel()
	r := serve(t, &Server{Forwarding: forwarding(t), PerAddress: SourceLimits{Connections: 1}, CloseTimeout: never})
	for _, fields := range [][]string{nil, nil, {"X-Forwarded-For: unknown"}, {"X-Forwarded-For: unknown"}} {
		if status, _ := r.dial().askAs(fields...); status != 101 {
			t.Errorf("%q: status %d", fields, status)
		}
	}
	if status, _ := r.dialFrom("127.0.9.1").askAs(forwardedFor("192.0.2.1")); status != 101 {
		t.Errorf("another: status %d", status)
	}
	r.dialFrom("127.0.9.1").refused(503, "from this address")
	if status, _ := r.dial().askAs(forwardedFor("192.0.2.1")); status != 101 {
		t.Errorf("what it said counted: status %d", status)
	}
	// A client that has the address of one that connects itself.
	c := r.dial()
	c.write(head("/", forwardedFor("127.0.9.1")))
	c.refused(503, "from this address")
}

func TestForwardedRatePerAddress(t *testing.T) {
	t.Parallel()
	r := serve(t, &Server{Forwarding: forwarding(t), PerAddress: SourceLimits{Handshakes: Rate{PerSecond: 1, Burst: 1}}})
	refused := false
	for range 1000 { // a second passes between some on a slow machine
		c := r.dial()
		status, body := c.askAs(forwardedFor("192.0.2.1"))
		if status == 429 && strings.Contains(body, "from this address") {
			refused = true
			break
		}
		c.Close()
	}
	if !refused {
		t.Error("nothing was refused")
	}
	if status, _ := r.dial().askAs(forwardedFor("192.0.2.2")); status != 101 {
		t.Errorf("another client: status %d", status)
	}
}

// Requests that ask for no WebSocket count as well.
func TestForwardedPlainPerAddress(t *testing.T) {
	t.Parallel()
	r := serve(t, &Server{
		Forwarding: forwarding(t), PerAddress: SourceLimits{Connections: 1},
		Events: Events{Plain: func(_ *handshake.Request, p *Page) { p.Body = []byte("page") }},
	})
	if status, _ := r.dial().askAs(forwardedFor("192.0.2.1")); status != 101 {
		t.Errorf("status %d", status)
	}
	for source, want := range map[string]int{"192.0.2.1": 503, "192.0.2.2": 200} {
		c := r.dial()
		c.write("GET / HTTP/1.1\r\nHost: x\r\n" + forwardedFor(source) + "\r\n\r\n")
		if status, _, _ := c.response(); status != want {
			t.Errorf("%s: status %d, want %d", source, status, want)
		}
	}
}

// A PROXY header that names nobody counts for nobody, and one that does for its client.
func TestProxiedPerAddress(t *testing.T) {
	t.Parallel()
	r := relayedServer(t, &Server{PerAddress: SourceLimits{Connections: 1}, CloseTimeout: never})
	for _, test := range []struct {
		header string
		status int
	}{
		{"PROXY UNKNOWN\r\n", 101},
		{"PROXY UNKNOWN\r\n", 101},
		{proxyLocal, 101},
		{proxyLocal, 101},
		{"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n", 101},
		{"PROXY TCP4 192.0.2.8 198.51.100.1 4711 443\r\n", 101},
		{"PROXY TCP4 192.0.2.7 198.51.100.1 4712 443\r\n", 503},
	} {
		c := r.dial()
		c.write(test.header + head("/"))
		if status, _, _ := c.response(); status != test.status {
			t.Errorf("%q: status %d, want %d", test.header, status, test.status)
		}
	}
}

// A client that was refused is not told of, and one that a callback refuses makes room.
func TestForwardedRefusedByUpgrade(t *testing.T) {
	t.Parallel()
	r := serve(t, &Server{Forwarding: forwarding(t), PerAddress: SourceLimits{Connections: 1}, Events: Events{
		Upgrade: func(_ Conn, r *handshake.Request, w *handshake.Response) {
			if r.Header("X-No") != nil {
				_ = w.Refuse(418, "no\n")
			}
		},
		Message: echo,
	}})
	c := r.dial()
	if status, _ := c.askAs(forwardedFor("192.0.2.1"), "X-No: please"); status != 418 {
		t.Errorf("status %d", status)
	}
	c.Close()
	until(t, "it is gone", func() bool { return r.Stats().Connections == 0 })
	c = r.dial()
	if status, _ := c.askAs(forwardedFor("192.0.2.1")); status != 101 {
		t.Errorf("status %d", status)
	}
	c.send(codec.OpcodeText, "x")
	c.expect(codec.OpcodeText, "x")
}
