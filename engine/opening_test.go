package engine

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/handshake"
)

// request plays a whole request in memory and returns the status, the head and the body of the
// answer.
func (m *memory) request(t testing.TB, request string) (status int, fields, body string) {
	t.Helper()
	c := m.accept()
	m.data(c, []byte(request))
	line, rest, _ := strings.Cut(string(m.take(c)), "\r\n")
	if _, err := fmt.Sscanf(line, "HTTP/1.1 %d", &status); err != nil {
		t.Fatalf("status line %q", line)
	}
	if status != 101 && !m.over(c) {
		t.Errorf("%d, and the connection goes on", status)
	}
	m.eof(c)
	fields, body, _ = strings.Cut(rest, "\r\n\r\n")
	return status, fields + "\r\n", body
}

// Upgrade sees the request and the peer's address, and may add fields to the answer.
func TestUpgradeSeesTheRequest(t *testing.T) {
	t.Parallel()
	var seen string
	s := serve(t, &Server{Loops: 1, Events: Events{Upgrade: func(c Conn, r *handshake.Request, w *handshake.Response) {
		cookie, _ := r.Cookie("session")
		seen = fmt.Sprintf("%s %s %s %s %s %v", r.Path(), r.Query(), r.Header("x-token"), cookie, r.Host(), c.RemoteAddr())
		if _, err := c.SendText("too early"); !errors.Is(err, ErrClosed) {
			t.Errorf("Send in Upgrade: %v", err)
		}
		if err := errors.Join(w.AddHeader("X-Answer", "42"), w.AddHeader("Set-Cookie", "a=b")); err != nil {
			t.Error(err)
		}
	}}})
	c := s.dial()
	c.write(head("/room?name=x", "X-Token: t", "Cookie: a=1; session=abc"))
	status, fields, _ := c.response()
	if status != 101 || !strings.Contains(fields, "X-Answer: 42\r\n") || !strings.Contains(fields, "Set-Cookie: a=b\r\n") {
		t.Errorf("status %d, %q", status, fields)
	}
	s.stop()
	if want := fmt.Sprintf("/room name=x t abc server.example.com %v", c.LocalAddr()); seen != want {
		t.Errorf("Upgrade saw %s\nwant        %s", seen, want)
	}
}

// Upgrade may refuse with any status of an error or a redirect, with fields and a body.
func TestUpgradeRefuses(t *testing.T) {
	for _, status := range []int{300, 302, 401, 403, 404, 429, 500, 503, 599} {
		s := &Server{Events: Events{
			Upgrade: func(_ Conn, _ *handshake.Request, w *handshake.Response) {
				if err := errors.Join(w.AddHeader("X-Reason", "because"), w.Refuse(status, "go away")); err != nil {
					t.Error(err)
				}
			},
			Open:  func(Conn) { t.Error("Open was called") },
			Close: func(Conn, Closure) { t.Error("Close was called") },
		}}
		m := newMemory(t, s)
		got, fields, body := m.request(t, head("/")+masked(true, codec.OpcodeText, "frame"))
		if got != status || !strings.Contains(fields, "X-Reason: because\r\n") || body != "go away" {
			t.Errorf("status %d, want %d: %q, %q", got, status, fields, body)
		}
		if stats := s.Stats(); stats.Refused != 1 || stats.Connections != 0 {
			t.Errorf("%+v", stats)
		}
	}
}

// W72: a hook may only answer by Response, which refuses nonsense. W73: a subprotocol that was not
// offered. W74: values that would break out of their line. Nothing of it reaches the wire.
func TestUpgradeCannotBreakTheAnswerW72W73W74(t *testing.T) {
	m := newMemory(t, &Server{Subprotocols: []string{"chat"}, Events: Events{
		Upgrade: func(_ Conn, _ *handshake.Request, w *handshake.Response) {
			for _, value := range []string{"a\r\nEvil: 1", "a\nEvil: 1", "a\rEvil", "a\x00"} {
				if err := w.AddHeader("X-Value", value); !errors.Is(err, handshake.ErrHeaderValue) {
					t.Errorf("value %q: %v", value, err)
				}
				if err := w.AddHeader("Evil"+value, "x"); !errors.Is(err, handshake.ErrHeaderName) {
					t.Errorf("name %q: %v", value, err)
				}
				if err := w.SetSubprotocol(value); !errors.Is(err, handshake.ErrNotOffered) {
					t.Errorf("subprotocol %q: %v", value, err)
				}
			}
			if err := w.SetSubprotocol("evil"); !errors.Is(err, handshake.ErrNotOffered) {
				t.Errorf("subprotocol: %v", err)
			}
			if err := w.AddHeader("Upgrade", "evil"); !errors.Is(err, handshake.ErrHeaderReserved) {
				t.Errorf("reserved: %v", err)
			}
			for _, status := range []int{0, 101, 200, 299, 600} {
				if err := w.Refuse(status, "evil"); !errors.Is(err, handshake.ErrStatus) {
					t.Errorf("status %d: %v", status, err)
				}
			}
		},
	}})
	status, fields, _ := m.request(t, head("/", "Sec-WebSocket-Protocol: chat"))
	if status != 101 || strings.Contains(strings.ToLower(fields), "evil") || !strings.Contains(fields, "Sec-WebSocket-Protocol: chat\r\n") {
		t.Errorf("status %d, %q", status, fields)
	}
}

// The subprotocol that was agreed is Conn's, also when Upgrade chose it.
func TestSubprotocol(t *testing.T) {
	var open Conn
	choice := ""
	m := newMemory(t, &Server{Subprotocols: []string{"b", "a"}, Events: Events{
		Upgrade: func(_ Conn, r *handshake.Request, w *handshake.Response) {
			if choice != "" {
				if err := w.SetSubprotocol(choice); err != nil {
					t.Error(err)
				}
			}
		},
		Open: func(c Conn) { open = c },
	}})
	for _, test := range []struct{ offer, choice, want string }{
		{"a, b", "", "b"}, {"a", "", "a"}, {"c", "", ""}, {"a, b, c", "c", "c"}, {"a, b", "a", "a"}, {"b", "", "b"},
	} {
		choice = test.choice
		c := m.accept()
		m.data(c, []byte(head("/", "Sec-WebSocket-Protocol: "+test.offer)))
		if got := open.Subprotocol(); got != test.want {
			t.Errorf("offer %q: %q, want %q", test.offer, got, test.want)
		}
		answer := string(m.take(c))
		if test.want != "" && !strings.Contains(answer, "\r\nSec-WebSocket-Protocol: "+test.want+"\r\n") {
			t.Errorf("offer %q: answer %q", test.offer, answer)
		}
	}
}

// Plain answers what does not ask for a WebSocket; without it that is 426.
func TestPlain(t *testing.T) {
	s := &Server{Events: Events{Plain: func(r *handshake.Request, p *Page) {
		if string(r.Path()) != "/" {
			p.Status, p.Body = 404, []byte("not here")
			return
		}
		p.Body = []byte("<p>hello")
		if err := p.Header.Add("Content-Type", "text/html"); err != nil {
			t.Error(err)
		}
	}}}
	m := newMemory(t, s)
	const rest = " HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, test := range []struct {
		request string
		status  int
		field   string
		body    string
	}{
		{"GET /" + rest, 200, "Content-Type: text/html\r\n", "<p>hello"},
		{"HEAD /" + rest, 200, "Content-Length: 8\r\n", ""},
		{"GET /x" + rest, 404, "Content-Type: text/plain; charset=utf-8\r\n", "not here"},
		{"GET /" + rest, 200, "Connection: close\r\n", "<p>hello"},
	} {
		status, fields, body := m.request(t, test.request)
		if status != test.status || !strings.Contains(fields, test.field) || body != test.body {
			t.Errorf("%q: status %d, %q, %q", test.request, status, fields, body)
		}
	}
	if stats := s.Stats(); stats.Plain != 4 || stats.Refused != 0 || stats.Handshakes != 0 {
		t.Errorf("%+v", stats)
	}
	status, fields, _ := newMemory(t, &Server{}).request(t, "GET /"+rest)
	if status != 426 || !strings.Contains(fields, "Sec-WebSocket-Version: 13\r\n") {
		t.Errorf("without Plain: status %d, %q", status, fields)
	}
}

// A page longer than the socket takes at once reaches a client that half-closes after its request, as
// many tools do; net/http reads the answer of the server as well.
func TestPlainOverTCP(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("0123456789abcdef", 1<<19)
	s := serve(t, &Server{CloseTimeout: never, Events: Events{Plain: func(_ *handshake.Request, p *Page) { p.Body = []byte(body) }}})
	c := s.dial()
	c.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	c.closeWrite()
	if status, _, got := c.response(); status != 200 || got != body {
		t.Errorf("status %d, %d bytes", status, len(got))
	}
	c.expectEOF()
	resp, err := http.Get("http://" + s.addr + "/page?x")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 || resp.ContentLength != int64(len(body)) || !resp.Close {
		t.Errorf("net/http: %v", resp)
	}
	http.DefaultClient.CloseIdleConnections()
}

// The timeout is for the whole head: a client that sends a byte now and then is answered 408 and
// closed. W45: the longest timeout does not lie in the past.
func TestHandshakeTimeout(t *testing.T) {
	s := &Server{HandshakeTimeout: 10 * time.Second}
	m := newMemory(t, s)
	c := m.accept()
	silent := m.accept()
	for i := range 10 {
		if m.over(c) {
			t.Fatalf("ended after %d s", i)
		}
		m.data(c, []byte(head("/")[i:i+1]))
		m.pass(time.Second)
	}
	m.pass(2 * tick)
	for _, c := range []struct{ sent string }{{string(m.take(c))}, {string(m.take(silent))}} {
		if !strings.HasPrefix(c.sent, "HTTP/1.1 408 ") || !strings.Contains(c.sent, "Connection: close\r\n") {
			t.Errorf("sent %q", c.sent)
		}
	}
	m.data(c, []byte(head("/")[10:]))
	m.pass(DefaultCloseTimeout + 2*tick)
	if sent := m.take(c); !m.gone(c) || len(sent) > 0 {
		t.Errorf("gone %t, and sent %q", m.gone(c), sent)
	}
	if stats := s.Stats(); stats.HandshakeTimeouts != 2 || stats.CloseTimeouts != 2 || stats.Refused != 2 || stats.Connections != 0 {
		t.Errorf("%+v", stats)
	}
	for _, timeout := range []time.Duration{Never, Never - 1, 50 * 24 * time.Hour} {
		m = newMemory(t, &Server{HandshakeTimeout: timeout})
		m.pass(time.Hour)
		c = m.accept()
		m.pass(24 * time.Hour)
		if m.over(c) {
			t.Errorf("a timeout of %v has passed after a day", timeout)
		}
	}
}

func TestHandshakeTimeoutOverTCP(t *testing.T) {
	t.Parallel()
	c := serve(t, &Server{HandshakeTimeout: time.Millisecond}).dial()
	c.write("GET / HTTP/1.1\r\nHost:")
	if status, _, _ := c.response(); status != 408 {
		t.Errorf("status %d", status)
	}
	c.expectEOF()
}

// The timeout is over once the handshake is done.
func TestNoTimeoutAfterTheHandshake(t *testing.T) {
	m := newMemory(t, &Server{HandshakeTimeout: time.Second, PingInterval: Never})
	c := m.open()
	m.pass(24 * time.Hour)
	if m.over(c) {
		t.Error("an idle connection was ended")
	}
}
