package engine

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/handshake"
)

// lockedBuffer is written by loops and read by a test.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

// panicIn makes one callback panic, for clients whose request or message says so.
func panicIn(name string) Events {
	e := Events{Message: func(c Conn, op codec.Opcode, payload []byte) {
		if string(payload) == "panic" {
			panic("told to")
		}
		echo(c, op, payload)
	}}
	marked := func(c Conn, _ []byte) {
		if c.Data() != nil {
			panic("told to")
		}
	}
	e.Upgrade = func(c Conn, r *handshake.Request, _ *handshake.Response) {
		if string(r.Path()) == "/panic" {
			c.SetData("panic")
			if name == "Upgrade" {
				panic("told to")
			}
		}
	}
	switch name {
	case "Plain":
		e.Plain = func(*handshake.Request, *Page) { panic("told to") }
	case "Open":
		e.Open = func(c Conn) { marked(c, nil) }
	case "Ping":
		e.Ping = marked
	case "Pong":
		e.Pong = marked
	case "Fragment":
		e.Fragment = func(c Conn, f Fragment) {
			marked(c, nil)
			echo(c, f.Opcode, f.Payload)
		}
	case "Close":
		e.Close = func(c Conn, _ Closure) { marked(c, nil) }
	}
	return e
}

// W60: a panic in any callback closes its connection with 1011, or 500 before it is open, is counted
// and logged with its stack, and harms no other connection. W84: the log is one line.
func TestPanicInEveryCallbackW60W84(t *testing.T) {
	for name, test := range map[string]struct {
		path string
		then string // sent behind the head
		want string // what the server sends
	}{
		"Upgrade":  {"/panic", "", "status 500"},
		"Plain":    {"", "", "status 500"},
		"Open":     {"/panic", masked(true, codec.OpcodeText, "x"), "close 1011"},
		"Message":  {"/", masked(true, codec.OpcodeText, "panic"), "close 1011"},
		"Fragment": {"/panic", masked(true, codec.OpcodeText, "x"), "close 1011"},
		"Ping":     {"/panic", masked(true, codec.OpcodePing, "x"), `pong "x" close 1011`},
		"Pong":     {"/panic", masked(true, codec.OpcodePong, "x"), "close 1011"},
		"Close":    {"/panic", closeFrame(codec.StatusNormalClosure, ""), "close 1000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &lockedBuffer{}
			s := serve(t, &Server{Loops: 1, CloseTimeout: never, Events: panicIn(name), Logger: slog.New(slog.NewTextHandler(log, nil))})
			other := s.open()
			c := s.dial()
			if test.path == "" {
				c.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			} else {
				c.write(head(test.path) + test.then)
			}
			status, _, _ := c.response()
			got := fmt.Sprintf("status %d", status)
			if status == 101 {
				got = strings.Trim(fmt.Sprint(c.events()), "[]")
			}
			if got != test.want {
				t.Errorf("the server sent %s, want %s", got, test.want)
			}
			c.Close()
			other.send(codec.OpcodeText, "alive")
			other.expect(codec.OpcodeText, "alive")
			s.stop()
			if n := s.Stats().Panics; n != 1 {
				t.Errorf("%d panics counted", n)
			}
			if lines := strings.Count(log.String(), "\n"); lines != 1 || !strings.Contains(log.String(), "told to") || !strings.Contains(log.String(), "panic_test.go") {
				t.Errorf("%d lines logged: %s", lines, log)
			}
		})
	}
}

// events reads frames to the end.
func (c *client) events() (events []string) {
	for {
		f, err := readFrame(c.in)
		if err != nil {
			return events
		}
		if f.op == codec.OpcodeClose {
			events = append(events, fmt.Sprintf("close %d", code(f.payload)))
		} else {
			events = append(events, payloadEvent(f.op.String(), f.payload))
		}
	}
}

// W84: a panic with bytes of the client in it is quoted in the log.
func TestPanicValueIsQuotedW84(t *testing.T) {
	var log bytes.Buffer
	m := newMemory(t, &Server{Logger: slog.New(slog.NewTextHandler(&log, nil)), Events: Events{
		Message: func(_ Conn, _ codec.Opcode, payload []byte) { panic(string(payload)) },
	}})
	c := m.open()
	m.data(c, []byte(masked(true, codec.OpcodeText, "x\nlevel=ERROR msg=forged\x1b[31m")))
	if strings.Count(log.String(), "\n") != 1 || strings.Contains(log.String(), "\x1b") {
		t.Errorf("logged %q", log.String())
	}
}

// A panic after Close or Send in the same callback: the Close frame that was sent stands, and a
// message in fragments is cut by 1011.
func TestPanicAfterSending(t *testing.T) {
	for want, act := range map[string]func(Conn){
		`[close 4000 ""]`: func(c Conn) { _ = c.Close(4000, "") },
		`[text fin=true of 2 bytes "hi" close 1011 ""]`: func(c Conn) { _, _ = c.SendText("hi") },
		`[text fin=false of 2 bytes "hi" close 1011 ""]`: func(c Conn) {
			w, err := c.NewWriter(codec.OpcodeText)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = w.Write([]byte("hi"))
		},
		`[]`: func(c Conn) { c.Abort() },
	} {
		tr := newTrace()
		tr.message = func(c Conn, _ codec.Opcode, _ []byte) {
			act(c)
			panic("and then")
		}
		s := &Server{Events: tr.events()}
		m := newMemory(t, s)
		c := m.conn(tr)
		m.data(c.token, []byte(masked(true, codec.OpcodeText, "a")+masked(true, codec.OpcodeText, "b")))
		if !m.over(c.token) {
			t.Errorf("%s: still open", want)
		}
		m.eof(c.token)
		all, err := frames(m.take(c.token))
		if got := fmt.Sprint(all); got != want || err != nil {
			t.Errorf("sent %s, %v, want %s", got, err, want)
		}
		if len(tr.lines) != 2 || s.Stats().Panics != 1 {
			t.Errorf("%s: callbacks %q, %d panics", want, tr.lines, s.Stats().Panics)
		}
	}
}
