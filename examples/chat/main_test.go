package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
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

// A visitor is a guest's end.
type visitor struct {
	engine.Conn
	t      *testing.T
	lines  chan line
	closed chan engine.Closure
}

func visit(t *testing.T, address, room, name string) *visitor {
	t.Helper()
	v := &visitor{t: t, lines: make(chan line, 100), closed: make(chan engine.Closure, 1)}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var err error
	v.Conn, err = engine.Dial(ctx, "ws://"+address+"/rooms/"+room+"?name="+url.QueryEscape(name), engine.Events{
		Message: func(_ engine.Conn, _ codec.Opcode, payload []byte) {
			var l line
			if err := json.Unmarshal(payload, &l); err != nil {
				t.Errorf("%q: %v", payload, err)
			}
			v.lines <- l
		},
		Close: func(_ engine.Conn, how engine.Closure) { v.closed <- how },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Abort)
	return v
}

func (v *visitor) say(text string) {
	v.t.Helper()
	if _, err := v.SendText(text); err != nil {
		v.t.Fatal(err)
	}
}

func (v *visitor) hear(expected line) {
	v.t.Helper()
	if l := await(v.t, v.lines); l != expected {
		v.t.Errorf("%+v, expected %+v", l, expected)
	}
}

func TestChat(t *testing.T) {
	address := start(t)
	ada := visit(t, address, "lobby", "Ada")
	ada.hear(line{Text: "Ada joins", Guests: 1})
	bob := visit(t, address, "lobby", "Bob & Söhne")
	ada.hear(line{Text: "Bob & Söhne joins", Guests: 2})
	bob.hear(line{Text: "Bob & Söhne joins", Guests: 2})
	stranger := visit(t, address, "cellar", "Ada")
	stranger.hear(line{Text: "Ada joins", Guests: 1})
	ada.say("hello")
	for _, v := range []*visitor{ada, bob} {
		v.hear(line{From: "Ada", Text: "hello"})
	}
	stranger.say("echo?")
	stranger.hear(line{From: "Ada", Text: "echo?"}) // and nothing of the lobby before it
	if err := bob.Close(codec.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
	ada.hear(line{Text: "Bob & Söhne leaves", Guests: 1})
	if _, err := ada.Send(codec.OpcodeBinary, []byte{0}); err != nil {
		t.Fatal(err)
	}
	if how := await(t, ada.closed); how.Code != codec.StatusUnsupportedData {
		t.Errorf("closed with %d", how.Code)
	}
}

// TestEverybodyHearsTheSame has many speak at once.
func TestEverybodyHearsTheSame(t *testing.T) {
	address := start(t)
	const guests, each = 5, 20
	var all []*visitor
	for i := range guests {
		all = append(all, visit(t, address, "round", string(rune('A'+i))))
		for _, v := range all {
			v.hear(line{Text: string(rune('A'+i)) + " joins", Guests: i + 1})
		}
	}
	for _, v := range all {
		go func() {
			for range each {
				_, _ = v.SendText("me")
			}
		}()
	}
	for range guests * each {
		l := await(t, all[0].lines)
		for _, v := range all[1:] {
			v.hear(l)
		}
	}
}

func TestRefused(t *testing.T) {
	address := start(t)
	for path, status := range map[string]int{
		"/rooms/lobby": 400,
		"/rooms/lobby?name=" + strings.Repeat("x", 81): 400,
		"/rooms/lobby?name=%ff":                        400,
		"/elsewhere?name=x":                            404,
	} {
		_, err := engine.Dial(t.Context(), "ws://"+address+path, engine.Events{})
		if answer, ok := errors.AsType[*handshake.AnswerError](err); !ok || answer.Status != status {
			t.Errorf("%s: %v, expected %d", path, err, status)
		}
	}
}

func TestPage(t *testing.T) {
	address := start(t)
	answer, err := http.Get("http://" + address + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 || answer.Request.URL.Path != "/rooms/lobby" || string(body) != string(page) {
		t.Errorf("%s, %s, %d bytes, %v", answer.Status, answer.Request.URL, len(body), err)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestGoodbye(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, ln) }()
	v := visit(t, ln.Addr().String(), "lobby", "Ada")
	stop()
	if how := await(t, v.closed); how.Code != codec.StatusGoingAway {
		t.Errorf("closed with %d", how.Code)
	}
	if err := await(t, ended); err != nil {
		t.Error(err)
	}
}
