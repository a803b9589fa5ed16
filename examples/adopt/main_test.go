package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
	"github.com/wsloop/wsloop/handshake"
)

const patience = 60 * time.Second

// start runs the program, and returns where. It must end well.
func start(t *testing.T) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := await(t, ended); err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

func await[T any](t *testing.T, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(patience):
		t.Fatal("nothing came")
	}
	return v
}

// A browser has a user's cookies.
type browser struct {
	http.Client
	t    *testing.T
	base *url.URL
}

func newBrowser(t *testing.T, address string) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{http.Client{Jar: jar, Transport: transport, Timeout: patience}, t, &url.URL{Scheme: "http", Host: address}}
}

func (b *browser) post(path string, form url.Values, status int) {
	b.t.Helper()
	answer, err := b.PostForm(b.base.JoinPath(path).String(), form)
	if err != nil {
		b.t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != status {
		b.t.Fatalf("%s: %s, expected %d", path, answer.Status, status)
	}
}

// A window has a WebSocket of its browser's user. It is open when the server has greeted.
type window struct {
	engine.Conn
	heard  chan string
	closed chan engine.Closure
}

func (b *browser) open() *window {
	b.t.Helper()
	var header handshake.Header
	for _, cookie := range b.Jar.Cookies(b.base) {
		if err := header.Add("Cookie", cookie.String()); err != nil {
			b.t.Fatal(err)
		}
	}
	w := &window{heard: make(chan string, 10), closed: make(chan engine.Closure, 1)}
	client := &engine.Server{Loops: 1, Events: engine.Events{
		Message: func(_ engine.Conn, _ codec.Opcode, payload []byte) { w.heard <- string(payload) },
		Close:   func(_ engine.Conn, how engine.Closure) { w.closed <- how },
	}}
	if err := client.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { client.Close() })
	var err error
	w.Conn, err = client.Dial(b.t.Context(), "ws://"+b.base.Host+"/socket", &engine.DialOptions{Header: header, Origin: b.base.String()})
	if err != nil {
		b.t.Fatal(err)
	}
	if text := await(b.t, w.heard); !strings.HasPrefix(text, "welcome, ") {
		b.t.Errorf("%q", text)
	}
	return w
}

func TestAdopt(t *testing.T) {
	address := start(t)
	ada, bob := newBrowser(t, address), newBrowser(t, address)
	ada.post("/login", url.Values{"user": {"Ada"}}, http.StatusNoContent)
	bob.post("/login", url.Values{"user": {"Bob"}}, http.StatusNoContent)
	one, two, other := ada.open(), ada.open(), bob.open()
	if _, err := one.SendText("hello"); err != nil {
		t.Fatal(err)
	}
	for _, w := range []*window{one, two} {
		if text := await(t, w.heard); text != "hello" {
			t.Errorf("%q", text)
		}
	}
	ada.post("/logout", nil, http.StatusNoContent)
	for _, w := range []*window{one, two} {
		if how := await(t, w.closed); how.Code != codec.StatusPolicyViolation || how.Reason != "logged out" {
			t.Errorf("%+v", how)
		}
	}
	if _, err := other.SendText("still here"); err != nil {
		t.Fatal(err)
	}
	if text := await(t, other.heard); text != "still here" { // and nothing of Ada's before it
		t.Errorf("%q", text)
	}
}

// TestAnswers has the handler and Upgrade refuse, and sees what the middleware adds.
func TestAnswers(t *testing.T) {
	address := start(t)
	b := newBrowser(t, address)
	b.post("/login", url.Values{"user": {"Ada"}}, http.StatusNoContent)
	cookie := "Cookie: " + b.Jar.Cookies(b.base)[0].String() + "\r\n"
	const upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	for _, c := range []struct {
		fields string
		status int
	}{
		{upgrade + cookie, http.StatusSwitchingProtocols},
		{upgrade, http.StatusUnauthorized},
		{upgrade + "Cookie: session=guess\r\n", http.StatusUnauthorized},
		{cookie, http.StatusUpgradeRequired},
		{upgrade + cookie + "Origin: https://evil.example\r\n", http.StatusForbidden},
	} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(conn, "GET /socket HTTP/1.1\r\nHost: "+address+"\r\n"+c.fields+"\r\n"); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || answer.StatusCode != c.status || answer.Header.Get("X-Served-By") != "adopt" {
			t.Errorf("%s: %+v, %v, expected %d", strings.ReplaceAll(c.fields, "\r\n", "; "), answer, err, c.status)
		}
		conn.Close()
	}
}

func TestPage(t *testing.T) {
	address := start(t)
	b := newBrowser(t, address)
	answer, err := b.Get(b.base.String())
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 || string(body) != string(page) {
		t.Errorf("%s, %d bytes, %v", answer.Status, len(body), err)
	}
	b.post("/login", nil, http.StatusBadRequest)
}
