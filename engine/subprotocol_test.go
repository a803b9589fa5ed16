package engine

import (
	"errors"
	"fmt"
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
	const accepted, refused = "HTTP/1.1 101 ", "HTTP/1.1 500 "
	for i := 2; i < maxProtocols; i++ {
		if line := agree(i); !strings.HasPrefix(line, accepted) {
			t.Fatalf("subprotocol %d: %q", i, line)
		}
	}
	// The configured ones have their numbers though no connection has spoken them yet.
	for _, test := range []struct {
		i    int
		want string
	}{{maxProtocols, refused}, {0, accepted}, {1, accepted}, {maxProtocols, refused}, {2, accepted}} {
		if line := agree(test.i); !strings.HasPrefix(line, test.want) {
			t.Errorf("subprotocol %d: %q, want %q", test.i, line, test.want)
		}
	}
	if got := s.Stats(); got.Refused != 2 || got.Handshakes != maxProtocols+1 {
		t.Errorf("counted %+v", got)
	}
	if len(open) != maxProtocols+1 {
		t.Fatalf("%d connections opened", len(open))
	}
	for k, c := range open {
		if got, want := c.Subprotocol(), fmt.Sprint("p", (k+2)%maxProtocols); k < maxProtocols && got != want {
			t.Errorf("connection %d speaks %q, want %q", k, got, want)
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
	var config *ConfigError
	if _, err := s.options(); !errors.As(err, &config) || config.Field != "Subprotocols" {
		t.Errorf("one more: %v", err)
	}
}
