package engine

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

// whoServer answers every request with its RemoteAddr.
func whoServer(t *testing.T) *Server {
	return &Server{Forwarding: forwarding(t), HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.RemoteAddr)
	})}
}

// who asks for the RemoteAddr of one request.
func (c *client) who(fields ...string) string {
	c.t.Helper()
	c.write("GET / HTTP/1.1\r\nHost: x\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n")
	status, _, body := c.response()
	if status != 200 {
		c.t.Errorf("status %d", status)
	}
	return body
}

// Each request on one connection of a trusted proxy has the client that it names.
func TestForwardedRequests(t *testing.T) {
	t.Parallel()
	s := whoServer(t)
	told := watchRemote(&s.Events)
	r := serve(t, s)
	c := r.dial()
	own := c.LocalAddr().String()
	long := "X-Forwarded-For: " + strings.Repeat("198.51.100.1, ", 10_000) + "192.0.2.4"
	for _, test := range []struct{ field, want string }{
		{"X-Forwarded-For: 198.51.100.1, 192.0.2.1", "192.0.2.1:0"},
		{"X-Forwarded-For: 192.0.2.2:4711", "192.0.2.2:4711"},
		{"X-Forwarded-For: 192.0.2.9\r\nX-Forwarded-For: 2001:db8::3", "[2001:db8::3]:0"},
		{"X: y", own},
		{"X-Forwarded-For: unknown", own},
		{"X-Forwarded-For: unknown, 10.0.0.1", "10.0.0.1:0"},
		{long, "192.0.2.4:0"},
	} {
		if got := c.who(test.field); got != test.want {
			t.Errorf("%.60q: %s, want %s", test.field, got, test.want)
		}
	}
	other := r.dialFrom("127.0.9.1")
	if got := other.who("X-Forwarded-For: 192.0.2.1"); got != other.LocalAddr().String() {
		t.Errorf("not trusted: %s", got)
	}
	// A handshake that follows has the client that it names itself.
	c.write(head("/", "X-Forwarded-For: 192.0.2.5"))
	if got := await(t, told, "Upgrade"); got != "upgrade forwarded 192.0.2.5:0" {
		t.Error(got)
	}
}

// What a PROXY header told is the RemoteAddr of requests that net/http serves, and of the WebSocket that such a connection becomes.
func TestProxiedRequests(t *testing.T) {
	t.Parallel()
	for header, want := range map[string][2]string{
		"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n":  {"192.0.2.7:4711", "proxy 192.0.2.7:4711"},
		"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n": {"[2001:db8::7]:4711", "proxy [2001:db8::7]:4711"},
		"PROXY UNKNOWN ffff::1 2001:db8::1 4711 443\r\n":  {"", "hidden 127.0.0.1:P"},
		proxyLocal: {"", "peer 127.0.0.1:P"},
	} {
		s := whoServer(t)
		told := watchRemote(&s.Events)
		c := relayedServer(t, s).dial()
		if want[0] == "" {
			want[0] = c.LocalAddr().String()
		}
		c.write(header)
		for range 2 {
			if got := c.who(); got != want[0] {
				t.Errorf("%q: %s, want %s", header, got, want[0])
			}
		}
		c.write(head("/"))
		if status, _, _ := c.responseHead(); status != 101 {
			t.Fatalf("%q: status %d", header, status)
		}
		c.send(codec.OpcodeText, "x")
		for _, callback := range []string{"upgrade", "open", "message"} {
			if got := await(t, told, callback); got != callback+" "+want[1] {
				t.Errorf("%q: %s, want %s", header, got, want[1])
			}
		}
	}
}

// A connection that Server.Upgrade takes from net/http is its client's as any other.
func TestForwardedUpgrade(t *testing.T) {
	t.Parallel()
	s := &Server{Forwarding: forwarding(t), PerAddress: SourceLimits{Connections: 1}}
	told := watchRemote(&s.Events)
	_, dial := behind(t, s, func(w http.ResponseWriter, r *http.Request) { _ = s.Upgrade(w, r, nil) })
	for _, source := range []string{"192.0.2.1", "192.0.2.2"} {
		if status, _ := dial().askAs(forwardedFor(source)); status != 101 {
			t.Errorf("%s: status %d", source, status)
		}
		for _, want := range []string{"upgrade", "open"} {
			if got := await(t, told, want); got != want+" forwarded "+source+":0" {
				t.Error(got)
			}
		}
	}
	if status, _ := dial().askAs(forwardedFor("192.0.2.1")); status != 503 {
		t.Errorf("one too many: status %d", status)
	}
}
