package benchmarks

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/benchmarks/internal/certificate"
)

// secured are the servers that can speak TLS.
var secured = map[string]bool{"bun": true, "gorilla": true, "gws": true, "nbio": true, "nbio-blocking": true, "wsloop": true}

// certify makes a certificate, and returns the flags that have a server use it, and its file.
func certify(t *testing.T) (flags []string, authority string) {
	t.Helper()
	dir := t.TempDir()
	if err := certificate.Make(dir); err != nil {
		t.Fatal(err)
	}
	authority, key := certificate.Files(dir)
	return []string{"-tls-cert", authority, "-tls-key", key}, authority
}

// openSecure is connect, a handshake of TLS, and one of WebSocket.
func openSecure(t *testing.T, addr, authority string) *client {
	t.Helper()
	text, err := os.ReadFile(authority)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	c := connect(t, addr)
	conn := tls.Client(c.conn, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"})
	if err := conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	if version := conn.ConnectionState().Version; version != tls.VersionTLS13 {
		t.Fatal(tls.VersionName(version))
	}
	c.conn, c.in = conn, bufio.NewReader(conn)
	if extensions := c.upgrade(addr, "permessage-deflate"); extensions != "" {
		t.Fatalf("Sec-WebSocket-Extensions: %q", extensions)
	}
	return c
}

// All that speak TLS echo over it, and take what comes in one segment or in many.
func TestSecureEcho(t *testing.T) {
	flags, authority := certify(t)
	for _, r := range rivals {
		if !secured[r.name] {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			c := openSecure(t, r.start(t, flags...), authority)
			for _, n := range []int{1, 125, 16 << 10, 100_000, 1 << 20} {
				c.send(bin, pattern(n))
				c.expect(bin, pattern(n))
			}
			for i := range 16 {
				c.send(bin, pattern(100+i))
			}
			for i := range 16 {
				c.expect(bin, pattern(100+i))
			}
			c.leave()
		})
	}
}

// secureLoad builds the load generator of TLS.
func secureLoad(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wssload")
	if out, err := exec.Command("go", "build", "-o", path, "./wssload").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// generateSecure runs it for a moment, measuring this process instead of the server.
func generateSecure(load, addr, authority string, args ...string) (string, error) {
	_, port, _ := net.SplitHostPort(addr) // a wrong one shows
	args = append([]string{"-p", port, "-P", strconv.Itoa(os.Getpid()), "-ca", authority, "-w", "0", "-t", "0.5"}, args...)
	out, err := exec.Command(load, args...).CombinedOutput()
	return string(out), err
}

// The load generator agrees with all of them on one cipher, and finds nothing wrong with their replies.
func TestSecureLoad(t *testing.T) {
	load := secureLoad(t)
	flags, authority := certify(t)
	for _, r := range rivals {
		if !secured[r.name] {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			addr := r.start(t, flags...)
			for _, args := range [][]string{{"-c", "20"}, {"-c", "20", "-o", "16"}, {"-c", "3", "-b", "16384"}, {"-c", "2", "-b", "1048576", "-o", "3", "-t", "3"}} {
				out, err := generateSecure(load, addr, authority, args...)
				if err != nil || !strings.HasPrefix(out, "mode=wss conns="+args[1]+" ") || !strings.Contains(out, " tls_version=772 tls_cipher=4865\n") {
					t.Errorf("%q: %v\n%s", args, err, out)
				}
			}
		})
	}
}

// It measures nothing where TLS is not what it was asked for, or the server is not one.
func TestSecureLoadRefuses(t *testing.T) {
	load := secureLoad(t)
	flags, authority := certify(t)
	_, other := certify(t)
	gorilla := rival{name: "gorilla"}
	good, plain := gorilla.start(t, flags...), gorilla.start(t)
	old := serveTLS(t, flags, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, nil)
	refusing := serveTLS(t, flags, nil, []byte("HTTP/1.1 404 Not Found\r\n\r\n"))
	wrong := serveTLS(t, flags, nil, []byte("HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\n\r\n"))
	switching := "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: " + acceptValue + "\r\n\r\n"
	ending := serveTLS(t, flags, nil, []byte(switching))
	more := serveTLS(t, flags, nil, append([]byte(switching), 1))
	for _, c := range []struct{ addr, authority, want string }{
		{good, other, "unknown authority"},
		{good, os.DevNull, "no certificate"},
		{good, "/does/not/exist", "no such file"},
		{plain, authority, "TLS: "},
		{old, authority, "protocol version"},
		{refusing, authority, "refused: HTTP/1.1 404"},
		{wrong, authority, "Sec-WebSocket-Accept"},
		{ending, authority, "alert"},
		{more, authority, "behind its response"},
	} {
		if out, err := generateSecure(load, c.addr, c.authority); err == nil || !strings.Contains(out, c.want) {
			t.Errorf("expected %q: %v\n%s", c.want, err, out)
		}
	}
	if out, err := exec.Command(load, "-c", "0").CombinedOutput(); err == nil || !bytes.Contains(out, []byte("Usage")) {
		t.Errorf("%v\n%s", err, out)
	}
}

// serveTLS answers one read of each connection with some bytes, and reads once more before it ends.
func serveTLS(t *testing.T, flags []string, change func(*tls.Config), answer []byte) (addr string) {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(flags[1], flags[3])
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}}
	if change != nil {
		change(config)
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			buffer := make([]byte, 4096)
			_, _ = conn.Read(buffer) // what goes wrong shows at the client
			_, _ = conn.Write(answer)
			_, _ = conn.Read(buffer)
			conn.Close()
		}
	}()
	return ln.Addr().String()
}
