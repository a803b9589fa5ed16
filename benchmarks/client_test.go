package benchmarks

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Opcodes of RFC 6455 section 5.2.
const (
	text    = 0x1
	bin     = 0x2
	closing = 0x8
	ping    = 0x9
	pong    = 0xa
)

const (
	fin    = 0x80
	masked = 0x80
	// maxPayload is more than any reply here has.
	maxPayload = 1 << 20
	// patience is how long anything may take here: long enough for a busy machine.
	patience = time.Minute
)

// The key of RFC 6455 section 1.3, with the answer given there, and the masking key of section 5.7.
const (
	key         = "dGhlIHNhbXBsZSBub25jZQ=="
	acceptValue = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

var maskingKey = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// A client speaks to one server, byte by byte, so that no library's leniency hides anything.
type client struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

// connect opens a TCP connection that the test closes.
func connect(t *testing.T, addr string) *client {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &client{t, conn, bufio.NewReader(conn)}
}

// open is connect and an opening handshake, in which the server agrees to no extension.
func open(t *testing.T, addr string) *client {
	t.Helper()
	c, extensions := offer(t, addr, "permessage-deflate")
	if extensions != "" {
		t.Fatalf("Sec-WebSocket-Extensions: %q", extensions)
	}
	return c
}

// offer is connect and an opening handshake with an offer of extensions. It returns which the server agrees to.
func offer(t *testing.T, addr, extensions string) (c *client, agreed string) {
	t.Helper()
	c = connect(t, addr)
	return c, c.upgrade(addr, extensions)
}

// upgrade is an opening handshake with an offer of extensions. It returns which the server agrees to.
func (c *client) upgrade(addr, extensions string) (agreed string) {
	c.t.Helper()
	c.write([]byte("GET / HTTP/1.1\r\nHost: " + addr + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Origin: http://elsewhere.example\r\nSec-WebSocket-Extensions: " + extensions + "\r\n" +
		"Sec-WebSocket-Key: " + key + "\r\nSec-WebSocket-Version: 13\r\n\r\n"))
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		c.t.Fatalf("opening handshake: %v", err)
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		c.t.Fatalf("opening handshake: %s", response.Status)
	}
	if got := response.Header.Get("Sec-WebSocket-Accept"); got != acceptValue {
		c.t.Fatalf("Sec-WebSocket-Accept: %q", got)
	}
	return response.Header.Get("Sec-WebSocket-Extensions")
}

func (c *client) write(b []byte) {
	c.t.Helper()
	if _, err := c.conn.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

// send writes one masked frame; the opcode may have other bits of the first byte.
func (c *client) send(opcode byte, payload []byte) {
	c.t.Helper()
	frame := []byte{fin | opcode}
	switch n := len(payload); {
	case n <= 125:
		frame = append(frame, masked|byte(n))
	case n <= 0xffff:
		frame = binary.BigEndian.AppendUint16(append(frame, masked|126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, masked|127), uint64(n))
	}
	frame = append(frame, maskingKey[:]...)
	for i, b := range payload {
		frame = append(frame, b^maskingKey[i%4])
	}
	c.write(frame)
}

// receive reads one frame, which has to be whole and not masked: the load generator counts on it.
func (c *client) receive() (opcode byte, payload []byte) {
	c.t.Helper()
	first, payload := c.frame()
	if first&^0xf != fin {
		c.t.Fatalf("a frame begins with %#x", first)
	}
	return first & 0xf, payload
}

// frame reads one frame that is not masked, and returns its first byte.
func (c *client) frame() (first byte, payload []byte) {
	c.t.Helper()
	var header [2]byte
	c.read(header[:])
	if header[1]&masked != 0 {
		c.t.Fatalf("frame header % x", header)
	}
	payloadLen := uint64(header[1])
	if extended := map[byte]int{126: 2, 127: 8}[header[1]]; extended > 0 {
		var length [8]byte
		c.read(length[8-extended:])
		payloadLen = binary.BigEndian.Uint64(length[:])
	}
	if payloadLen > maxPayload {
		c.t.Fatalf("a frame of %d bytes", payloadLen)
	}
	payload = make([]byte, payloadLen)
	c.read(payload)
	return header[0], payload
}

func (c *client) read(b []byte) {
	c.t.Helper()
	if _, err := io.ReadFull(c.in, b); err != nil {
		c.t.Fatal(err)
	}
}

// expect reads one frame and compares it.
func (c *client) expect(opcode byte, payload []byte) {
	c.t.Helper()
	op, got := c.receive()
	if op != opcode || !bytes.Equal(got, payload) {
		c.t.Fatalf("received opcode %#x %s, expected %#x %s", op, brief(got), opcode, brief(payload))
	}
}

// leave is a closing handshake that the client begins: the server answers, and closes first.
func (c *client) leave() {
	c.t.Helper()
	normal := []byte{1000 >> 8, 1000 & 0xff}
	c.send(closing, normal)
	if op, got := c.receive(); op != closing || !bytes.HasPrefix(got, normal) {
		c.t.Fatalf("received opcode %#x %s, expected a Close frame with 1000", op, brief(got))
	}
	if _, err := c.in.ReadByte(); !errors.Is(err, io.EOF) {
		c.t.Fatalf("behind the Close frame: %v, expected the end", err)
	}
}

func brief(b []byte) string {
	if len(b) <= 32 {
		return fmt.Sprintf("%q", b)
	}
	return fmt.Sprintf("%q and %d bytes", b[:32], len(b)-32)
}

// pattern is n bytes without a short period, so that a shifted or torn reply is noticed.
func pattern(n int) []byte {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%d\xff", i)
	}
	return []byte(b.String()[:n])
}
