package engine

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/handshake"
)

const pageRequest = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

// page asks for one, and keeps the connection.
func (c *client) page(fields ...string) (status int) {
	c.t.Helper()
	c.write(strings.TrimSuffix(pageRequest, "\r\n") + strings.Join(append(fields, ""), "\r\n") + "\r\n")
	status, _, _ = c.response()
	return status
}

// A connection counts once, also while it moves.
func TestHTTPCountsOnce(t *testing.T) {
	t.Parallel()
	r := serve(t, &Server{
		MaxConnections: 1, PerAddress: SourceLimits{Connections: 1, Handshakes: Rate{PerSecond: 1, Burst: 100}},
		HTTP: http.NotFoundHandler(), Events: Events{Message: echo},
	})
	for range 50 { // and there is room again each time
		c := r.dial()
		if status := c.page(); status != 404 {
			t.Fatalf("page: status %d", status)
		}
		c.write(head("/"))
		if status, _, _ := c.responseHead(); status != 101 {
			t.Fatalf("status %d", status)
		}
		c.send(codec.OpcodeText, "x")
		c.expect(codec.OpcodeText, "x")
		if n := r.Stats().Connections; n != 1 {
			t.Errorf("%d connections", n)
		}
		c.Close()
		poll(t, "the connection to end", func() bool { return r.Stats().Connections == 0 })
	}
}

// An address that keeps connections of HTTP has no more for that.
func TestHTTPPerAddress(t *testing.T) {
	t.Parallel()
	r := serve(t, &Server{PerAddress: SourceLimits{Connections: 2}, HTTP: http.NotFoundHandler(), CloseTimeout: never})
	first, second := r.dial(), r.dial()
	for _, c := range []*client{first, second} {
		if status := c.page(); status != 404 {
			t.Errorf("status %d", status)
		}
	}
	c := r.dial()
	c.refused(503, "from this address")
	c.Close()
	poll(t, "the refused one to end", func() bool { return r.Stats().Connections == 2 })
	first.Close()
	poll(t, "the first one to end", func() bool { return r.Stats().Connections == 1 })
	second.write(head("/"))
	if status, _, _ := second.responseHead(); status != 101 {
		t.Errorf("status %d", status)
	}
	if status := r.dial().page(); status != 404 {
		t.Errorf("status %d", status)
	}
	r.dial().refused(503, "from this address")
}

// A proxy keeps connections for requests of many clients: none of them counts for the first.
func TestHTTPPerAddressOfProxies(t *testing.T) {
	t.Parallel()
	r := serve(t, &Server{Forwarding: forwarding(t), PerAddress: SourceLimits{Connections: 1}, HTTP: http.NotFoundHandler()})
	for range 3 {
		if status := r.dial().page(forwardedFor("192.0.2.1")); status != 404 {
			t.Errorf("status %d", status)
		}
	}
	kept := r.dial()
	kept.page(forwardedFor("192.0.2.2"))
	if status, _ := kept.askAs(forwardedFor("192.0.2.1")); status != 101 {
		t.Errorf("status %d", status)
	}
	c := r.dial()
	c.write(head("/", forwardedFor("192.0.2.1")))
	c.refused(503, "from this address")
}

// A client that sends FIN behind its request gets the answer, also if all of it comes in the segment that ends the TLS handshake.
func TestHTTPHalfClosed(t *testing.T) {
	t.Parallel()
	handler := http.NotFoundHandler()
	plain, secure := serve(t, &Server{HTTP: handler}), serveSecure(t, &Server{HTTP: handler})
	for range 20 {
		c := plain.dial()
		c.write(pageRequest)
		if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if status, _, _ := c.response(); status != 404 {
			t.Errorf("status %d", status)
		}
		c.Close()

		raw := secure.dial().Conn.(*net.TCPConn)
		kept := &tap{Conn: raw, through: 1}
		c = secure.shake(kept, secure.config())
		c.write(pageRequest)
		if _, err := raw.Write(kept.kept); err != nil {
			t.Fatal(err)
		}
		if err := raw.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if status, _, _ := c.response(); status != 404 {
			t.Errorf("TLS: status %d", status)
		}
		c.Close()
	}
}

// Each request counts. A handler that ends its output leaves the client the whole of it, behind a header of the PROXY protocol and over TLS, too.
func TestHTTPCloseWrite(t *testing.T) {
	t.Parallel()
	newServer := func() *Server {
		return &Server{HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/end" {
				return
			}
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
				t.Error(err)
			}
			_, _ = io.Copy(io.Discard, conn)
		})}
	}
	proxied := newServer()
	proxied.Proxy = handshake.ProxyPolicy{Mode: handshake.ProxyRequired, Trusted: trusting(t, "127.0.0.1")}
	plain, behind, secure := serve(t, newServer()), serve(t, proxied), serveSecure(t, newServer())
	relayed := behind.dial()
	relayed.write("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n")
	for c, s := range map[*client]*Server{plain.dial(): plain.Server, relayed: proxied, secure.secure(secure.config()): secure.Server} {
		c.page()
		c.page()
		c.write("GET /end HTTP/1.1\r\nHost: x\r\n\r\n")
		c.expectEOF()
		if n := s.Stats().Plain; n != 3 {
			t.Errorf("%d requests, want 3", n)
		}
		c.Close()
		poll(t, "the connection to end", func() bool { return s.Stats().Connections == 0 })
	}
}

func TestHTTPIdle(t *testing.T) {
	t.Parallel()
	s := &Server{HTTP: http.NotFoundHandler()}
	s.tune = func(o *options) {
		if o.httpIdle <= 0 {
			t.Error("connections of HTTP wait for ever")
		}
		o.httpIdle = 10 * time.Millisecond
	}
	r := serve(t, s)
	c := r.dial()
	if status := c.page(); status != 404 {
		t.Errorf("status %d", status)
	}
	c.expectEOF()
	poll(t, "the connection to end", func() bool { return s.Stats().Connections == 0 })
}

func TestHTTPMaxHeadBytes(t *testing.T) {
	t.Parallel()
	for limit, want := range map[int]int{0: 404, 2000: 431, Unlimited: 404} {
		r := serve(t, &Server{MaxHeadBytes: limit, HTTP: http.NotFoundHandler()})
		if status := r.dial().page("X-Long: " + strings.Repeat("x", 100_000)); status != want {
			t.Errorf("%d: status %d, want %d", limit, status, want)
		}
	}
}

// Panics in the handler are told as those in callbacks, but for the one that is none.
func TestHTTPPanic(t *testing.T) {
	t.Parallel()
	log := &lines{}
	s := &Server{Logger: slog.New(slog.NewTextHandler(log, nil)), HTTP: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Abort") != "" {
			panic(http.ErrAbortHandler)
		}
		panic("in a handler")
	})}
	r := serve(t, s)
	for _, field := range []string{"X: y", "X-Abort: yes"} {
		c := r.dial()
		c.write(strings.TrimSuffix(pageRequest, "\r\n") + field + "\r\n\r\n")
		c.expectEOF()
	}
	poll(t, "the connections to end", func() bool { return s.Stats().Connections == 0 })
	if n := s.Stats().Panics; n != 1 || strings.Count(log.String(), "in a handler") != 1 {
		t.Errorf("%d panics, and the log is\n%s", n, log.String())
	}
}

// lines is a log.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

var _ io.Writer = (*lines)(nil)

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
