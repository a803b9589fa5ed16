package migration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
	"github.com/wsloop/wsloop/wstest"
)

const patience = 60 * time.Second

func reportOf(n int64) string { return fmt.Sprintf("%d bytes", n) }

// serve runs a handler of net/http, and returns its ws URL.
func serve(t *testing.T, h http.Handler) string {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return "ws" + strings.TrimPrefix(server.URL, "http")
}

// listen runs one of ours by itself.
func listen(t *testing.T, s *engine.Server) string {
	t.Helper()
	listeners, err := s.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(listeners...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return "ws://" + listeners[0].Addr().String()
}

// start runs one of ours that lives from the connections of net/http.
func start(t *testing.T, s *engine.Server) *engine.Server {
	t.Helper()
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// dial is the client of all tests here, gorilla's.
func dial(t *testing.T, url string, header http.Header, subprotocols ...string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	dialer := websocket.Dialer{Subprotocols: subprotocols, HandshakeTimeout: patience}
	c, answer, err := dialer.Dial(url, header)
	if err == nil {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		t.Cleanup(func() { c.Close() })
	}
	return c, answer, err
}

func say(t *testing.T, c *websocket.Conn, text string) {
	t.Helper()
	if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, c *websocket.Conn, text string) {
	t.Helper()
	op, payload, err := c.ReadMessage()
	if err != nil || op != websocket.TextMessage || string(payload) != text {
		t.Fatalf("%d %q, %v, expected %q", op, payload, err, text)
	}
}

func TestEcho(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{"gorilla": gorillaEcho, "wsloop": handleEcho(start(t, newEcho()))} {
		t.Run(name, func(t *testing.T) {
			url := serve(t, h)
			c, answer, err := dial(t, url, http.Header{"Origin": {"https://example.com"}}, "chat.v1", "chat.v2")
			if err != nil {
				t.Fatal(err)
			}
			if c.Subprotocol() != "chat.v2" || answer.Header.Get("X-Served-By") != name {
				t.Errorf("%q, %v", c.Subprotocol(), answer.Header)
			}
			say(t, c, "hello")
			hear(t, c, "hello")
			say(t, c, strings.Repeat("x", 64<<10+1))
			if _, _, err := c.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseMessageTooBig) {
				t.Error(err)
			}
			if _, answer, _ := dial(t, url, http.Header{"Origin": {"https://evil.example"}}); answer == nil || answer.StatusCode != 403 {
				t.Errorf("%+v", answer)
			}
		})
	}
}

func TestHub(t *testing.T) {
	theirs, ours := &gorillaHub{clients: make(map[*gorillaClient]bool)}, newHub()
	for name, url := range map[string]string{"gorilla": serve(t, http.HandlerFunc(theirs.serve)), "wsloop": listen(t, ours.server)} {
		t.Run(name, func(t *testing.T) {
			var all []*websocket.Conn
			for range 3 {
				c, _, err := dial(t, url, nil)
				if err != nil {
					t.Fatal(err)
				}
				say(t, c, "hello") // who hears itself is in
				all = append(all, c)
				for _, one := range all {
					hear(t, one, "hello")
				}
			}
			all[0].Close()
			say(t, all[1], "bye")
			hear(t, all[1], "bye")
			hear(t, all[2], "bye")
		})
	}
}

func TestUpload(t *testing.T) {
	var theirs, ours file
	upload := newUpload(func() io.Writer { return &ours })
	for name, url := range map[string]string{
		"gorilla": serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c, err := upgrader.Upgrade(w, r, nil); err == nil {
				defer c.Close()
				_ = gorillaUpload(c, &theirs)
			}
		})),
		"wsloop": listen(t, upload),
	} {
		t.Run(name, func(t *testing.T) {
			c, _, err := dial(t, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			say(t, c, strings.Repeat("x", 300_000))
			hear(t, c, "300000 bytes")
		})
	}
	if a, b := theirs.String(), ours.String(); a != b || len(a) != 300_000 {
		t.Errorf("%d and %d bytes", len(a), len(b))
	}
}

// A file is where an upload goes.
type file struct {
	mu sync.Mutex
	strings.Builder
}

func (f *file) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.Builder.Write(b)
}

func (f *file) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.Builder.String()
}

func TestAsk(t *testing.T) {
	url := listen(t, &engine.Server{Events: engine.Events{
		Message: func(c engine.Conn, _ codec.Opcode, payload []byte) { _, _ = c.SendText(string(payload) + "? Yes!") },
	}})
	for name, f := range map[string]func(context.Context, string, string) (string, error){"gorilla": gorillaAsk, "wsloop": ask} {
		if answer, err := f(t.Context(), url, "Really"); err != nil || answer != "Really? Yes!" {
			t.Errorf("%s: %q, %v", name, answer, err)
		}
	}
}

func TestGuarded(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
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
			go gobwasServe(conn)
		}
	}()
	for name, url := range map[string]string{"gobwas": "ws://" + ln.Addr().String(), "wsloop": listen(t, newGuarded())} {
		t.Run(name, func(t *testing.T) {
			c, answer, err := dial(t, url+"/a/b?c=d", http.Header{"X-User": {"ada"}})
			if err != nil || answer.Header.Get("X-Path") != "/a/b" {
				t.Fatalf("%v, %+v", err, answer)
			}
			say(t, c, "hello")
			hear(t, c, "hello")
			if _, answer, _ := dial(t, url, nil); answer == nil || answer.StatusCode != 401 {
				t.Errorf("%+v", answer)
			}
		})
	}
}

// TestHubInAWorld is the example of a test without sockets.
func TestHubInAWorld(t *testing.T) {
	wstest.Run(t, newHub().server, func(w *wstest.World) {
		ada, bob := w.Dial("/"), w.Dial("/")
		ada.SendText("hello")
		if got := bob.ReceiveText(); got != "hello" {
			t.Errorf("%q", got)
		}
		bob.Vanish() // as a telephone in a tunnel
		w.Advance(2 * time.Minute)
		if n := w.Stats().PongTimeouts; n != 1 {
			t.Errorf("%d gone, expected 1", n)
		}
	})
}

func TestWhy(t *testing.T) {
	for expected, how := range map[string]engine.Closure{
		"closed as agreed, with 1000":                                      {Code: codec.StatusNormalClosure},
		"the peer is slow or gone: engine: peer does not read fast enough": {Err: engine.ErrTooSlow},
		"EOF": {Err: io.EOF},
		"what the peer sent was wrong: " + (&codec.ProtocolError{}).Error(): {Err: errors.Join(&codec.ProtocolError{})},
	} {
		if text := why(how); text != expected {
			t.Errorf("%q, expected %q", text, expected)
		}
	}
}
