//go:build windows || gnetgate

package engine

import (
	"crypto/tls"
	"errors"
	"net/http"
	"testing"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/gnetdriver"
)

// TestGnetByItself has servers that were given no driver run over gnet, with and without TLS.
func TestGnetByItself(t *testing.T) {
	for name, open := range map[string]func(s *Server) (*running, *client){
		"Plain": func(s *Server) (*running, *client) {
			r := serve(t, s)
			return r, r.open()
		},
		"TLS": func(s *Server) (*running, *client) {
			r, _, dial := serveTLS(t, s)
			c := dial()
			c.write(head("/"))
			if status, _, _ := c.responseHead(); status != 101 {
				t.Fatalf("status %d", status)
			}
			return r, c
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, c := open(&Server{Loops: 2, Events: Events{Message: echo}})
			c.send(codec.OpcodeText, "hello")
			c.expect(codec.OpcodeText, "hello")
			d, ok := r.stack.sockets.(*gnetdriver.Driver)
			if !ok || d.Stats().Accepted.Load() != 1 {
				t.Fatalf("%T has not accepted one connection", r.stack.sockets)
			}
			d.Stats().AcceptErrors.Add(7)
			if n := r.Stats().AcceptErrors; n != 7 {
				t.Errorf("%d errors of Accept, want 7", n)
			}
		})
	}
}

// TestGnetDialsNot has every way to open a connection say that it cannot.
func TestGnetDialsNot(t *testing.T) {
	for name, config := range map[string]*tls.Config{"Plain": nil, "TLS": {}} {
		s := serve(t, &Server{ClientTLS: config})
		s.open()
		_, err := s.Dial(t.Context(), "ws://"+s.addr, nil)
		checkNoDialer(t, name, err)
	}
	_, err := Dial(t.Context(), "ws://127.0.0.1:9", Events{})
	checkNoDialer(t, "Dial", err)
}

func checkNoDialer(t *testing.T, name string, err error) {
	t.Helper()
	if failed, ok := errors.AsType[*DialError](err); !ok || failed.Op != DialConnect || !errors.Is(err, poller.ErrUnsupported) {
		t.Errorf("%s: %v", name, err)
	}
}

// TestGnetServesNoHTTP answers what should go to net/http with 503.
func TestGnetServesNoHTTP(t *testing.T) {
	s := serve(t, &Server{HTTP: http.NotFoundHandler()})
	c := s.dial()
	c.write("GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if status, _, _ := c.responseHead(); status != 503 {
		t.Errorf("status %d", status)
	}
}
