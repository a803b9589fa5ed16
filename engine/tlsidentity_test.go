package engine

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller/tlsdriver"
)

// statesOf has an echo server report the TLS of connections that open.
func statesOf(s *Server) <-chan tls.ConnectionState {
	states := make(chan tls.ConnectionState, 100)
	s.Events = Events{Message: echo, Open: func(c Conn) {
		state, _ := c.TLS()
		states <- state
	}}
	return states
}

// TestTLSClientCertificates asks for certificates: without one, or with one of a foreign authority, nobody gets in; Conn.TLS tells whose it is.
func TestTLSClientCertificates(t *testing.T) {
	own, authority := certificate(t, "somebody")
	foreign, _ := certificate(t, "somebody else")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		s := &Server{TLSConfig: &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: authority}}
		states := statesOf(s)
		r := serveSecure(t, s)
		config := r.config()
		config.MaxVersion = version
		for _, certificates := range [][]tls.Certificate{nil, {foreign}} {
			config := config.Clone()
			// It sends the certificate although the server does not name its authority.
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return &append(certificates, tls.Certificate{})[0], nil
			}
			c := tls.Client(r.dial(), config)
			err := c.Handshake()
			if err == nil { // with TLS 1.3 the client is done before the server has seen its certificate
				_, err = io.ReadAll(c)
			}
			if err == nil || !strings.Contains(err.Error(), "remote error: tls: ") {
				t.Errorf("%s, %d certificates: %v", tls.VersionName(version), len(certificates), err)
			}
		}
		stats := r.stats()
		poll(t, "the refusals", func() bool {
			foreign, _ := stats.Failed(tlsdriver.Certificate)
			none, _ := stats.Failed(tlsdriver.Protocol)
			return foreign == 1 && none == 1
		})
		if n := r.opens.Load(); n != 0 {
			t.Errorf("%d calls of Open", n)
		}
		config.Certificates = []tls.Certificate{own}
		r.upgraded(config).echoes("known")
		state := await(t, states, "Open")
		if len(state.PeerCertificates) != 1 || state.PeerCertificates[0].Subject.CommonName != "somebody" || len(state.VerifiedChains) == 0 || state.Version != version {
			t.Errorf("%+v", state)
		}
	}
}

// TestTLSServerNames serves two certificates by the name that the client asks for, and the first to who asks for another or none.
func TestTLSServerNames(t *testing.T) {
	one, _ := certificate(t, "one.test")
	two, _ := certificate(t, "two.test")
	s := &Server{TLSConfig: &tls.Config{Certificates: []tls.Certificate{one, two}}}
	states := statesOf(s)
	r := serveSecure(t, s)
	for asked, want := range map[string]string{"one.test": "one.test", "two.test": "two.test", "three.test": "one.test", "": "one.test"} {
		c := r.upgraded(&tls.Config{ServerName: asked, InsecureSkipVerify: true})
		if got := c.state().PeerCertificates[0].Subject.CommonName; got != want {
			t.Errorf("%q is served %s", asked, got)
		}
		if state := await(t, states, "Open"); state.ServerName != asked {
			t.Errorf("Conn.TLS names %q for %q", state.ServerName, asked)
		}
		c.echoes(asked)
	}
}

// TestTLSProtocols agrees on http/1.1, with who offers it or offers nothing, and refuses who offers only others.
func TestTLSProtocols(t *testing.T) {
	s := &Server{}
	states := statesOf(s)
	r := serveSecure(t, s)
	for _, test := range []struct {
		offered []string
		want    string
	}{{nil, ""}, {[]string{"http/1.1"}, "http/1.1"}, {[]string{"h2", "http/1.1"}, "http/1.1"}} {
		config := r.config()
		config.NextProtos = test.offered
		c := r.upgraded(config)
		if state := await(t, states, "Open"); state.NegotiatedProtocol != test.want || c.state().NegotiatedProtocol != test.want {
			t.Errorf("%q gets %q", test.offered, state.NegotiatedProtocol)
		}
		c.echoes("x")
	}
	config := r.config()
	config.NextProtos = []string{"h2"}
	if err := tls.Client(r.dial(), config).Handshake(); err == nil || !strings.Contains(err.Error(), "no application protocol") {
		t.Errorf("%v", err)
	}
}

// TestTLSResumption resumes sessions in both versions, unless the server issues no tickets.
func TestTLSResumption(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, tickets := range []bool{true, false} {
			s := &Server{TLSConfig: &tls.Config{SessionTicketsDisabled: !tickets}}
			states := statesOf(s)
			r := serveSecure(t, s)
			config := r.config()
			config.MaxVersion, config.ClientSessionCache = version, tls.NewLRUClientSessionCache(10)
			for i := range 3 {
				r.upgraded(config).echoes("brings the ticket")
				want := tickets && i > 0
				if state := await(t, states, "Open"); state.DidResume != want || state.Version != version {
					t.Errorf("%s, tickets %v, connection %d: resumed %v", tls.VersionName(version), tickets, i, state.DidResume)
				}
			}
			if n := r.stats().Resumed.Load(); n != 2 && tickets || n != 0 && !tickets {
				t.Errorf("%d resumed", n)
			}
		}
	}
}

// TestTLSChangedAuthoritiesW09 changes the authorities of client certificates between two connections. The ticket of the first is not accepted for the second:
// it must show a certificate of the new authority.
func TestTLSChangedAuthoritiesW09(t *testing.T) {
	before, old := certificate(t, "before")
	after, young := certificate(t, "after")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		var authorities atomic.Pointer[x509.CertPool]
		authorities.Store(old)
		own, pool := certificate(t)
		base := &tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAndVerifyClientCert}
		s := &Server{TLSConfig: &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			c := base.Clone()
			c.ClientCAs = authorities.Load()
			return c, nil
		}}}
		states := statesOf(s)
		r := serveSecure(t, s)
		current := &before
		config := &tls.Config{
			RootCAs: pool, ServerName: "localhost", MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(10),
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return current, nil },
		}
		expect := func(resumed bool, who string) {
			t.Helper()
			r.upgraded(config).echoes("brings the ticket")
			if state := await(t, states, "Open"); state.DidResume != resumed || state.PeerCertificates[0].Subject.CommonName != who {
				t.Errorf("%s: resumed %v by %s", tls.VersionName(version), state.DidResume, state.PeerCertificates[0].Subject.CommonName)
			}
		}
		expect(false, "before")
		expect(true, "before")
		authorities.Store(young)
		current = &after
		expect(false, "after")
		expect(true, "after")
	}
}

// TestTLSPlainHTTP asks the TLS port for a WebSocket and for a page in plaintext: the answer can be read, whatever came with the request.
func TestTLSPlainHTTP(t *testing.T) {
	r := serveSecure(t, &Server{Events: Events{Message: echo}})
	for _, request := range []string{head("/"), "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("z", 100_000)} {
		c := r.dial()
		c.write(request)
		c.Conn.(*net.TCPConn).CloseWrite()
		answer, err := io.ReadAll(c.in)
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.0 400 Bad Request\r\n") || !strings.Contains(string(answer), "wss://") {
			t.Errorf("%q, %v", answer, err)
		}
	}
	if n := r.stats().PlainHTTP.Load(); n != 2 || r.opens.Load() != 0 {
		t.Errorf("%d counted, %d calls of Open", n, r.opens.Load())
	}
	c := r.upgraded(r.config())
	c.send(codec.OpcodeText, "x")
	c.expect(codec.OpcodeText, "x")
	if stats := r.Stats(); stats.TLSHandshakes != 1 || stats.TLSFailures != 2 || stats.TLSBroken != 0 {
		t.Errorf("%d handshakes, %d failures, %d broken", stats.TLSHandshakes, stats.TLSFailures, stats.TLSBroken)
	}
}
