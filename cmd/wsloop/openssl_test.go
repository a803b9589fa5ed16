package main

import (
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

// TestOpenSSL has openssl s_client carry an opening handshake and frames that are written by hand (RFC 6455 sections 4.1 and
// 5.7) to a server with a certificate that openssl made. It verifies that certificate, and ends well only after close_notify.
func TestOpenSSL(t *testing.T) {
	t.Parallel()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if out, err := exec.CommandContext(t.Context(), openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
		"-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	server := start(t, "-addr", "127.0.0.1:0", "-tls-cert", cert, "-tls-key", key, "-close-timeout", "1h")
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		// -quiet leaves nothing but the peer's bytes on standard output, and takes no commands.
		client, c := carry(t, openssl, "s_client", "-quiet", version, "-connect", server.addr, "-servername", "localhost",
			"-CAfile", cert, "-verify_hostname", "localhost", "-verify_return_error")
		c.write("GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nOrigin: https://localhost\r\n\r\n")
		head := c.head()
		if !strings.HasPrefix(head, "HTTP/1.1 101 ") || !strings.Contains(head, "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") {
			t.Fatalf("%s: answer %q", version, head)
		}
		c.write("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")
		c.expect(codec.OpcodeText, "Hello")
		c.write("\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")
		c.expect(codec.OpcodePong, "Hello")
		c.write("\x88\x82\x00\x00\x00\x00\x03\xe8")
		c.expect(codec.OpcodeClose, "\x03\xe8")
		c.expectEnd()
		if status, _, stderr := client.exit(); status != 0 || strings.Contains(stderr, "error") {
			t.Errorf("%s: s_client exits with %d: %s", version, status, stderr)
		}
	}
	server.signal(syscall.SIGTERM)
	if status, _, stderr := server.exit(); status != 0 || stderr != "" {
		t.Errorf("exit %d: %s", status, stderr)
	}
}

// carry starts a program that carries bytes from its standard input to a server, and back to its standard output. The peer has no
// deadlines: the process is killed when patience ends.
func carry(t *testing.T, program string, args ...string) (*process, *peer) {
	t.Helper()
	command := exec.CommandContext(t.Context(), program, args...)
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := executeCommand(t, command)
	return p, &peer{Conn: stdin{w: in}, t: t, in: p.stdout}
}

// stdin is a connection that can only be written to.
type stdin struct {
	net.Conn
	w io.Writer
}

func (s stdin) Write(b []byte) (int, error) { return s.w.Write(b) }
