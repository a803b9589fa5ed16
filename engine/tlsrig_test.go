package engine

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller/tlsdriver"
)

// both are the versions of TLS that the server speaks.
var both = []uint16{tls.VersionTLS12, tls.VersionTLS13}

// secureServer is a server under test that speaks TLS.
type secureServer struct {
	*running
	pool     *x509.CertPool // trusts its certificate
	closures chan Closure   // of all connections
}

// serveSecure runs s with TLS until the test ends, with a certificate for localhost unless its TLSConfig has one.
func serveSecure(t testing.TB, s *Server) *secureServer {
	t.Helper()
	own, pool := certificate(t)
	if s.TLSConfig == nil {
		s.TLSConfig = &tls.Config{}
	}
	if s.TLSConfig.GetCertificate == nil && len(s.TLSConfig.Certificates) == 0 {
		s.TLSConfig.Certificates = []tls.Certificate{own}
	}
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	listeners, err := s.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listeners[0].Addr()
	r := &secureServer{
		running:  &running{Server: s, t: t, network: addr.Network(), addr: addr.String(), served: make(chan error, 1)},
		pool:     pool,
		closures: make(chan Closure, 1<<15),
	}
	closed := s.Events.Close
	s.Events.Close = func(c Conn, how Closure) {
		if closed != nil {
			closed(c, how)
		}
		r.closures <- how
	}
	r.count(&s.Events)
	go func() { r.served <- s.ServeTLS("", "", listeners...) }()
	t.Cleanup(r.stop)
	return r
}

// config is that of a client that trusts the server.
func (r *secureServer) config() *tls.Config {
	return &tls.Config{RootCAs: r.pool, ServerName: "localhost"}
}

// secure connects and does the TLS handshake.
func (r *secureServer) secure(config *tls.Config) *client {
	r.t.Helper()
	return r.shake(r.dial(), config)
}

// shake does the TLS handshake on a connection.
func (r *secureServer) shake(raw net.Conn, config *tls.Config) *client {
	r.t.Helper()
	c := tls.Client(raw, config)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.HandshakeContext(ctx); err != nil {
		r.t.Fatalf("TLS handshake: %v", err)
	}
	return r.adopt(c)
}

// upgraded connects, with TLS and the opening handshake.
func (r *secureServer) upgraded(config *tls.Config) *client {
	r.t.Helper()
	c := r.secure(config)
	c.upgrade()
	return c
}

// upgrade completes the opening handshake.
func (c *client) upgrade() {
	c.t.Helper()
	c.write(head("/"))
	if status, _, _ := c.response(); status != 101 {
		c.t.Fatalf("status %d, want 101", status)
	}
}

// echoes sends a message and expects it back.
func (c *client) echoes(text string) {
	c.t.Helper()
	c.send(codec.OpcodeText, text)
	c.expect(codec.OpcodeText, text)
}

// state is that of the client's TLS.
func (c *client) state() tls.ConnectionState { return c.Conn.(*tls.Conn).ConnectionState() }

// stats are those of the server's TLS. It serves.
func (r *secureServer) stats() *tlsdriver.Stats {
	r.Stats() // whose lock has the stack be seen
	<-r.began
	return r.stack.tls.Stats()
}

// A tap keeps what crypto/tls writes after some writes, for the test to send as it likes, and what it reads.
type tap struct {
	net.Conn
	through int // writes that still pass
	kept    []byte
	read    []byte
}

func (c *tap) Write(b []byte) (int, error) {
	if c.through > 0 {
		c.through--
		return c.Conn.Write(b)
	}
	c.kept = append(c.kept, b...)
	return len(b), nil
}

func (c *tap) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.read = append(c.read, b[:n]...)
	return n, err
}

// SetWriteDeadline is how crypto/tls forbids writes behind close_notify.
func (*tap) SetWriteDeadline(time.Time) error { return nil }

// firstFlight is the record of a ClientHello.
func firstFlight(t testing.TB, config *tls.Config) []byte {
	t.Helper()
	near, far := net.Pipe()
	far.Close()
	defer near.Close()
	c := &tap{Conn: near}
	if err := tls.Client(c, config).Handshake(); err == nil {
		t.Fatal("a handshake succeeded with nobody")
	}
	return c.kept
}

// expectAlert reads records in the clear until one is this fatal alert, and then the end.
func (c *client) expectAlert(want tls.AlertError) {
	c.t.Helper()
	for {
		header := make([]byte, 5)
		if _, err := io.ReadFull(c.in, header); err != nil {
			c.t.Fatalf("no alert came, but %v", err)
		}
		payload := make([]byte, int(header[3])<<8|int(header[4]))
		if _, err := io.ReadFull(c.in, payload); err != nil {
			c.t.Fatal(err)
		}
		if header[0] == typeAlert {
			if len(payload) != 2 || tls.AlertError(payload[1]) != want {
				c.t.Fatalf("alert %v, want %v", payload, want)
			}
			c.expectGone()
			return
		}
	}
}
