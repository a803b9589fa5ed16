package engine

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/handshake"
)

// certificate makes one for localhost, or for another name, and the pool of who trusts it.
func certificate(t testing.TB, names ...string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	names = append(names, "localhost")[:1]
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: names[0]},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

// files writes a certificate as ServeTLS reads it.
func files(t testing.TB, c tls.Certificate) (certFile, keyFile string) {
	t.Helper()
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: c.Certificate[0]}, keyFile: {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// serveTLS is serve with TLS. dial speaks it.
func serveTLS(t testing.TB, s *Server) (r *running, pool *x509.CertPool, dial func() *client) {
	t.Helper()
	own, pool := certificate(t)
	certFile, keyFile := files(t, own)
	listeners, err := s.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listeners[0].Addr()
	r = &running{Server: s, t: t, network: addr.Network(), addr: addr.String(), served: make(chan error, 1)}
	r.count(&s.Events)
	go func() { r.served <- s.ServeTLS(certFile, keyFile, listeners...) }()
	t.Cleanup(r.stop)
	return r, pool, func() *client {
		t.Helper()
		conn, err := dialTLS(&net.Dialer{Timeout: patience}, r, &tls.Config{RootCAs: pool, ServerName: "localhost"})
		if err != nil {
			t.Fatal(err)
		}
		return r.adopt(conn)
	}
}

func TestTLSEcho(t *testing.T) {
	states := make(chan tls.ConnectionState, 1)
	s := &Server{Events: Events{Message: echo, Open: func(c Conn) {
		state, ok := c.TLS()
		if !ok {
			t.Error("no state")
		}
		states <- state
	}}}
	_, _, dial := serveTLS(t, s)
	c := dial()
	// Frames in the segment of the handshake are not lost.
	frame := string(codec.AppendMaskedFrame(nil, true, codec.OpcodeText, "early", 0x01020304))
	c.write(head("/") + frame)
	if status, _, _ := c.responseHead(); status != 101 {
		t.Fatalf("status %d", status)
	}
	if state := await(t, states, "Open"); state.Version != tls.VersionTLS13 || state.ServerName != "localhost" {
		t.Errorf("%+v", state)
	}
	c.expect(codec.OpcodeText, "early")
	for _, n := range []int{0, 1, 125, 126, 65_535, 65_536, 1 << 20} {
		text := strings.Repeat("x", n)
		c.send(codec.OpcodeBinary, text)
		c.expect(codec.OpcodeBinary, text)
	}
	c.send(codec.OpcodeClose, "\x03\xe8")
	c.expectClose(codec.StatusNormalClosure)
	c.expectEOF()
}

func TestTLSPlainRequest(t *testing.T) {
	r, _, _ := serveTLS(t, &Server{})
	c := r.dial()
	c.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	line, err := c.in.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "HTTP/1.0 400 ") {
		t.Errorf("%q, %v", line, err)
	}
}

func TestTLSDial(t *testing.T) {
	r, pool, _ := serveTLS(t, &Server{Events: Events{Message: echo}})
	got := make(chan string, 1)
	events := &Events{Message: func(_ Conn, _ codec.Opcode, payload []byte) { got <- string(payload) }}
	s := serve(t, &Server{ClientTLS: &tls.Config{RootCAs: pool, ServerName: "localhost"}, Events: Events{Message: echo}})
	s.open() // a plain one beside it
	c, err := s.Dial(t.Context(), "wss://"+r.addr+"/", &DialOptions{Events: events})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("y", 300_000)
	for _, text := range []string{"x", long} {
		if _, err := c.SendText(text); err != nil {
			t.Fatal(err)
		}
		if back := await(t, got, "the echo"); back != text {
			t.Errorf("%d bytes", len(back))
		}
	}
	if state, ok := c.TLS(); !ok || !state.HandshakeComplete {
		t.Errorf("%+v", state)
	}
	c.Close(codec.StatusNormalClosure, "")

	// Who does not trust the certificate, or has no config, does not connect.
	if _, err := Dial(t.Context(), "wss://"+r.addr+"/", Events{}); !errors.As(err, new(*tls.CertificateVerificationError)) {
		t.Errorf("%v", err)
	}
	plain := serve(t, &Server{})
	plain.open()
	if _, err := plain.Dial(t.Context(), "wss://"+r.addr+"/", nil); !errors.Is(err, errTLS) {
		t.Errorf("%v", err)
	}
}

func TestTLSConfig(t *testing.T) {
	s := &Server{}
	listeners, err := s.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ServeTLS("", "", listeners...); !errors.Is(err, errNoCertificate) {
		t.Errorf("%v", err)
	}
	if err := (&Server{Addr: "127.0.0.1:0"}).ListenAndServeTLS("no such file", ""); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if _, ok := (Conn{}).TLS(); ok {
		t.Error("the state of no connection")
	}
}

// TestProxyThenTLS has the address of the client come from a header ahead of TLS.
func TestProxyThenTLS(t *testing.T) {
	trusted, err := handshake.ParseTrustedProxies("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	addrs := make(chan netip.AddrPort, 1)
	s := &Server{Proxy: handshake.ProxyPolicy{Mode: handshake.ProxyRequired, Trusted: trusted}, Events: Events{Message: echo, Open: func(c Conn) {
		addrs <- c.RemoteAddr()
	}}}
	r, pool, _ := serveTLS(t, s)
	raw, err := net.Dial(r.network, r.addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := raw.Write([]byte("PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n")); err != nil {
		t.Fatal(err)
	}
	c := r.adopt(tls.Client(raw, &tls.Config{RootCAs: pool, ServerName: "localhost"}))
	c.write(head("/"))
	if status, _, _ := c.responseHead(); status != 101 {
		t.Fatalf("status %d", status)
	}
	if addr := await(t, addrs, "Open"); addr != netip.MustParseAddrPort("192.0.2.7:4711") {
		t.Errorf("%v", addr)
	}
	c.send(codec.OpcodeText, "x")
	c.expect(codec.OpcodeText, "x")
}
