package engine

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/mask"
)

// dialing runs a server without listeners until the test ends.
func startDialing(t testing.TB, s *Server) *Server {
	t.Helper()
	s.Logger = slog.New(slog.DiscardHandler)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		<-s.done
		if n := s.Stats().Connections; n != 0 {
			t.Errorf("%d connections are left", n)
		}
	})
	return s
}

// farServer is the far end of connections that a server under test dials. It says what it is told, legal or not.
type farServer struct {
	net.Listener
	t testing.TB
}

func newFarServer(t testing.TB) *farServer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return &farServer{ln, t}
}

func (f *farServer) url() string { return "ws://" + f.Addr().String() + "/path?q=1" }

// accepted is one of its connections.
type accepted struct {
	net.Conn
	t       testing.TB
	in      *bufio.Reader
	request *http.Request
}

// take accepts a connection and reads the request.
func (f *farServer) take() *accepted {
	f.t.Helper()
	conn, err := f.Accept()
	if err != nil {
		f.t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	f.t.Cleanup(func() { conn.Close() })
	a := &accepted{Conn: conn, t: f.t, in: bufio.NewReader(conn)}
	if a.request, err = http.ReadRequest(a.in); err != nil {
		f.t.Fatal(err)
	}
	return a
}

// answer is a 101 with further fields.
func (a *accepted) answer(fields ...string) string {
	sum := sha1.Sum([]byte(a.request.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n"
}

func (a *accepted) write(b string) {
	a.t.Helper()
	if _, err := io.WriteString(a.Conn, b); err != nil {
		a.t.Fatal(err)
	}
}

// serverFrame is a frame as a server sends it.
func serverFrame(fin bool, op codec.Opcode, payload string) string {
	return string(codec.AppendFrame(nil, fin, op, []byte(payload)))
}

// read reads a frame, which has to be masked, and says with which key.
func (a *accepted) read() (f frame, key uint32) {
	a.t.Helper()
	var b []byte
	for {
		c, err := a.in.ReadByte()
		if err != nil {
			a.t.Fatal(err)
		}
		b = append(b, c)
		h, n, err := codec.ParseHeader(b)
		if err != nil {
			a.t.Fatal(err)
		}
		if n == 0 {
			continue
		}
		if !h.Masked || h.Rsv != 0 {
			a.t.Fatalf("header %+v", h)
		}
		f = frame{h.Fin, h.Opcode, make([]byte, h.PayloadLen)}
		if _, err := io.ReadFull(a.in, f.payload); err != nil {
			a.t.Fatal(err)
		}
		mask.XOR(f.payload, h.MaskingKey)
		return f, h.MaskingKey
	}
}

// expect reads a frame that must be this one.
func (a *accepted) expect(op codec.Opcode, payload string) {
	a.t.Helper()
	if f, _ := a.read(); f.op != op || string(f.payload) != payload {
		a.t.Fatalf("got %v, want %v %.40q", f, op, payload)
	}
}

func (a *accepted) expectClose(want codec.StatusCode) {
	a.t.Helper()
	if f, _ := a.read(); f.op != codec.OpcodeClose || code(f.payload) != want {
		a.t.Fatalf("got %v, want close %d", f, want)
	}
}

// expectEOF reads the end of the connection, with nothing before it.
func (a *accepted) expectEOF() {
	a.t.Helper()
	if rest, err := io.ReadAll(a.in); err != nil || len(rest) > 0 {
		a.t.Fatalf("got %.60q, %v; want EOF", rest, err)
	}
}
