package main

import (
	"bufio"
	"bytes"
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
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
)

// pemPair makes a certificate of a name, for 127.0.0.1.
func pemPair(t *testing.T, name string) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

// put replaces a file in one step.
func put(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := errors.Join(os.WriteFile(name+".new", b, 0o600), os.Rename(name+".new", name)); err != nil {
		t.Fatal(err)
	}
}

// openSecure is open over TLS, with whoever's certificate, and tells whose.
func (p *process) openSecure() (c *peer, name string) {
	p.t.Helper()
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", p.addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	c = &peer{conn, p.t, bufio.NewReader(conn)}
	c.write("GET / HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
	return c.upgraded(), conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func (c *peer) echoes(text string) {
	c.t.Helper()
	c.send(codec.OpcodeText, text)
	c.expect(codec.OpcodeText, text)
}

// TestCertificateReload replaces the files under serve. New connections get the new certificate, old ones go on; of files that fit no
// certificate the log tells, and what was there stays.
func TestCertificateReload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	install := func(name string) {
		certificate, key := pemPair(t, name)
		put(t, certFile, certificate)
		put(t, keyFile, key)
	}
	install("first")
	p := start(t, "-addr", "127.0.0.1:0", "-tls-cert", certFile, "-tls-key", keyFile, "-tls-reload", "10ms")
	log := &p.stderr
	old, name := p.openSecure()
	old.echoes("begin")
	if name != "first" {
		t.Errorf("the certificate is %s's", name)
	}

	install("second")
	await(t, "the second certificate", func() bool {
		c, name := p.openSecure()
		defer c.Close()
		c.echoes("x")
		return name == "second"
	})
	old.echoes("goes on")

	for _, broken := range []string{"no certificate", ""} {
		before := strings.Count(log.String(), "the certificate stays as it was")
		put(t, certFile, []byte(broken))
		await(t, "the log", func() bool { return strings.Count(log.String(), "the certificate stays as it was") > before })
		if c, name := p.openSecure(); name != "second" {
			t.Errorf("the certificate is %s's", name)
		} else {
			c.echoes("x")
		}
	}
	if text := log.String(); !strings.Contains(text, certFile) {
		t.Errorf("logged %q", text)
	}

	install("third")
	await(t, "the third certificate", func() bool {
		c, name := p.openSecure()
		defer c.Close()
		return name == "third"
	})
	old.echoes("goes on")
	p.signal(syscall.SIGTERM)
	old.expect(codec.OpcodeClose, goingAway)
}

// await polls until something holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); !holds(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// lockedBuffer is written by a process and read by a test.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestTLSFlags has what cannot work be refused before anything is served, and a plain request to the TLS port be answered.
func TestTLSFlags(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile, other := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "other.pem")
	certificate, key := pemPair(t, "a")
	_, foreign := pemPair(t, "b")
	put(t, certFile, certificate)
	put(t, keyFile, key)
	put(t, other, foreign)
	for _, test := range []struct{ args, want string }{
		{"-tls-cert " + certFile, "go together"},
		{"-tls-cert " + certFile + " -tls-key " + other, "private key"},
		{"-tls-cert " + filepath.Join(dir, "none") + " -tls-key " + keyFile, "no such file"},
		{"-tls-cert " + certFile + " -tls-key " + keyFile + " -tls-reload 0s", "-tls-reload"},
		{"-tls-cert " + certFile + " -tls-key " + keyFile + " -driver gnet", "-driver native"},
	} {
		status, stdout, stderr := launch(t, append([]string{"serve", "-addr", "127.0.0.1:0"}, strings.Fields(test.args)...)...).exit()
		if status != 2 || stdout != "" || !strings.Contains(stderr, test.want) {
			t.Errorf("%s: exit %d\n%s%s", test.args, status, stdout, stderr)
		}
	}
	p := start(t, "-addr", "127.0.0.1:0", "-tls-cert", certFile, "-tls-key", keyFile)
	if head := p.open().head(); !strings.HasPrefix(head, "HTTP/1.0 400 ") {
		t.Errorf("a plain request gets %q", head)
	}
}
