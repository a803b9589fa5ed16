package topics

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// patience bounds every wait of a test; nothing is measured by it.
const patience = 60 * time.Second

// served is a service on a socket.
type served struct {
	*Service
	t    testing.TB
	addr string
}

// serve serves with two loops until the test ends.
func serve(t testing.TB, server *engine.Server) *served {
	t.Helper()
	s := &served{New(server), t, ""}
	server.Loops, server.Events = 2, s.Events()
	listeners, err := server.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = listeners[0].Addr().String()
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listeners...) }()
	t.Cleanup(func() {
		server.Close()
		if err := <-ended; !errors.Is(err, engine.ErrServerClosed) {
			t.Error(err)
		}
		s.poll("the service to forget all", func() bool {
			return len(s.conns) == 0 && len(s.watches) == 0 && len(s.changed) == 0 && !s.all && !s.counting
		})
	})
	return s
}

// poll waits until something holds that mu guards.
func (s *served) poll(what string, holds func() bool) {
	s.t.Helper()
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		ok := holds()
		s.mu.Unlock()
		if ok {
			return
		}
		if time.Since(start) > patience {
			s.t.Fatal("waited in vain for ", what)
		}
	}
}

// client is one that reads only when it is asked to.
type client struct {
	net.Conn
	t  testing.TB
	in *bufio.Reader
}

func (s *served) open() *client {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	c := &client{conn, s.t, bufio.NewReader(conn)}
	c.write([]byte("GET / HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"))
	head := ""
	for !strings.HasSuffix(head, "\r\n\r\n") {
		line, err := c.in.ReadString('\n')
		if err != nil {
			s.t.Fatalf("after %q: %v", head, err)
		}
		head += line
	}
	if !strings.HasPrefix(head, "HTTP/1.1 101 ") {
		s.t.Fatalf("answer %q", head)
	}
	return c
}

func (c *client) write(b []byte) {
	c.t.Helper()
	if _, err := c.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

// ask sends requests.
func (c *client) ask(requests ...string) {
	c.t.Helper()
	var frames []byte
	for _, request := range requests {
		frames = codec.AppendMaskedFrame(frames, true, codec.OpcodeText, []byte(request), 0x3d21fa37)
	}
	c.write(frames)
}

// read reads a frame of a server.
func (c *client) read() (first byte, payload string) {
	c.t.Helper()
	c.SetDeadline(time.Now().Add(patience))
	head := c.take(2)
	n := int(head[1])
	switch n {
	case 126:
		n = int(binary.BigEndian.Uint16(c.take(2)))
	case 127:
		n = int(binary.BigEndian.Uint64(c.take(8)))
	}
	return head[0], string(c.take(n))
}

func (c *client) take(n int) []byte {
	c.t.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(c.in, b); err != nil {
		c.t.Fatal(err)
	}
	return b
}

// message reads a text message.
func (c *client) message() string {
	c.t.Helper()
	first, payload := c.read()
	if first != 0x80|byte(codec.OpcodeText) {
		c.t.Fatalf("got a frame that begins with %#x, of %q", first, payload)
	}
	return payload
}

// expect reads messages, which are these.
func (c *client) expect(messages ...string) {
	c.t.Helper()
	for _, want := range messages {
		if got := c.message(); got != want {
			c.t.Fatalf("got  %.300s\nwant %.300s", got, want)
		}
	}
}

// do sends requests that are answered with done and no more.
func (c *client) do(requests ...string) {
	c.t.Helper()
	c.ask(requests...)
	for range requests {
		c.expect(`{"type":"done"}`)
	}
}

// untilCount reads counts of a topic, of which no two that follow each other are the same, until one is n.
func (c *client) untilCount(topic string, n int) {
	c.t.Helper()
	for last := uncounted; last != n; {
		var m struct {
			Type, Topic string
			Subscribers int
		}
		message := c.message()
		if err := json.Unmarshal([]byte(message), &m); err != nil || m.Type != "count" || m.Topic != topic || m.Subscribers == last {
			c.t.Fatalf("got %s, %v while waiting for %d subscribers of %s after %d", message, err, n, topic, last)
		}
		last = m.Subscribers
	}
}

// end closes with 1000.
func (c *client) end() {
	c.t.Helper()
	c.write(codec.AppendMaskedFrame(nil, true, codec.OpcodeClose, []byte("\x03\xe8"), 0x3d21fa37))
	if first, payload := c.read(); first != 0x80|byte(codec.OpcodeClose) {
		c.t.Fatalf("got a frame that begins with %#x, of %q", first, payload)
	}
}
