package engine

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/handshake"
)

// A hook may choose whatever was offered, but a server tells no more than maxProtocols apart: the next
// one is refused rather than forgotten, and those before keep their names.
func TestSubprotocolsRunOut(t *testing.T) {
	var open []Conn
	choice := ""
	s := &Server{Subprotocols: []string{"p0", "p1"}, Events: Events{
		Upgrade: func(_ Conn, _ *handshake.Request, w *handshake.Response) {
			if err := w.SetSubprotocol(choice); err != nil {
				t.Error(err)
			}
		},
		Open: func(c Conn) { open = append(open, c) },
	}}
	m := newMemory(t, s)
	agree := func(i int) string {
		choice = fmt.Sprint("p", i)
		c := m.accept()
		m.data(c, []byte(head("/", "Sec-WebSocket-Protocol: "+choice)))
		line, _, _ := strings.Cut(string(m.take(c)), "\r\n")
		if strings.HasPrefix(line, "HTTP/1.1 101 ") == m.over(c) {
			t.Errorf("%s: %q, and the end is %t", choice, line, m.over(c))
		}
		return line
	}
	// The configured ones have their numbers though no connection speaks them yet.
	for i := maxProtocols - 1; i >= 0; i-- {
		if line := agree(i); !strings.HasPrefix(line, "HTTP/1.1 101 ") {
			t.Fatalf("subprotocol %d: %q", i, line)
		}
	}
	if line := agree(maxProtocols); !strings.HasPrefix(line, "HTTP/1.1 500 ") {
		t.Errorf("one too many: %q", line)
	}
	if line := agree(7); !strings.HasPrefix(line, "HTTP/1.1 101 ") {
		t.Errorf("a known one, after that: %q", line)
	}
	if got := s.Stats(); got.Refused != 1 || got.Handshakes != maxProtocols+1 {
		t.Errorf("counted %+v", got)
	}
	if len(open) != maxProtocols+1 {
		t.Fatalf("%d connections opened", len(open))
	}
	for i, c := range open[:maxProtocols] {
		if got, want := c.Subprotocol(), fmt.Sprint("p", maxProtocols-1-i); got != want {
			t.Errorf("connection %d speaks %q, want %q", i, got, want)
		}
	}
}

// As many may be configured, and no more.
func TestTooManySubprotocolsConfigured(t *testing.T) {
	s := &Server{}
	for i := range maxProtocols {
		s.Subprotocols = append(s.Subprotocols, fmt.Sprint("p", i))
	}
	if _, err := s.options(); err != nil {
		t.Error(err)
	}
	s.Subprotocols = append(s.Subprotocols, "more")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var config *ConfigError
	if err := s.Serve(ln); !errors.As(err, &config) || config.Field != "Subprotocols" {
		t.Errorf("Serve: %v", err)
	}
}
