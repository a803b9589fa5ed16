package engine

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller"
)

// offer brings bytes as long as the connection is read, and returns what the driver would keep.
func (m *memory) offer(t poller.Token, b []byte) (left []byte) {
	for len(b) > 0 && m.live(t) != nil && !m.live(t).paused {
		b = b[m.engine.Data(t, b):]
		m.turn()
	}
	return b
}

// pauseAt pauses a connection in the callback of one message.
func pauseAt(what string) func(Conn, codec.Opcode, []byte) {
	return func(c Conn, _ codec.Opcode, payload []byte) {
		if string(payload) == what {
			c.Pause()
		}
	}
}

func texts(payloads ...string) (all string) {
	for _, p := range payloads {
		all += masked(true, codec.OpcodeText, p)
	}
	return all
}

// No message comes behind the one whose callback paused. Pings are answered meanwhile.
func TestPauseInACallback(t *testing.T) {
	tr := newTrace()
	tr.message = pauseAt("b")
	m := newMemory(t, &Server{Events: tr.events()})
	c := m.conn(tr)
	m.data(c.token, []byte(texts("a", "b", "c")+masked(true, codec.OpcodePing, "p")+texts("d")))
	tr.expect(t, "text a", "text b", "ping p")
	m.expectFrames(t, c, `pong fin=true of 1 bytes "p"`)
	m.data(c.token, []byte(masked(false, codec.OpcodeBinary, "e")+masked(true, codec.OpcodeContinuation, "e")))
	m.turn()
	tr.expect(t)
	c.Resume()
	m.turn()
	tr.expect(t, "text c", "text d", "binary ee")
	m.data(c.token, []byte(texts("f")))
	tr.expect(t, "text f")
	if s := m.engine.find(c.token); s.sending.inbox != 0 || s.flags&flagQueues != 0 {
		t.Error("the inbox is kept")
	}
}

// A pause before the first message holds it back, though it came with the request head.
func TestPauseBeforeTheFirstMessage(t *testing.T) {
	for _, workers := range []int{0, 2} {
		for name, hang := range map[string]func(*trace){
			"Upgrade": func(tr *trace) { tr.upgrade = Conn.Pause },
			"Open":    func(tr *trace) { tr.open = Conn.Pause },
		} {
			tr := newTrace()
			hang(tr)
			told := make(chan struct{}, 10)
			open := tr.open
			tr.open = func(c Conn) {
				call(open, c)
				told <- struct{}{}
			}
			tr.message = func(Conn, codec.Opcode, []byte) { told <- struct{}{} }
			s := &Server{Workers: workers, Events: tr.events()}
			m := newMemory(t, s)
			c := m.accept()
			m.data(c, []byte(head("/")+texts("a", "b")))
			await(t, told, "Open")
			settle(s)
			tr.expect(t, "open")
			tr.conn.Resume()
			m.turn()
			await(t, told, "a message")
			await(t, told, "a message")
			settle(s)
			tr.expect(t, "text a", "text b")
			if t.Failed() {
				t.Fatalf("in %s, %d workers", name, workers)
			}
		}
	}
}

// settle waits until the workers have nothing to do.
func settle(s *Server) {
	if s.workers != nil {
		s.workers.wg.Wait()
	}
}

// More than MaxInFlightBytes are not held back: the connection is not read then, and goes on where it
// stopped.
func TestPauseBeyondMaxInFlightBytes(t *testing.T) {
	const limit, size, messages = 4000, 100, 200
	var got []string
	s := &Server{MaxInFlightBytes: limit, Events: Events{Message: func(_ Conn, _ codec.Opcode, payload []byte) {
		got = append(got, strings.TrimRight(string(payload), "."))
	}}}
	m := newMemory(t, s)
	token := m.open()
	c := Conn{m.engine, token}
	var all string
	for i := range messages {
		all += texts(fmt.Sprintf("%-*d", size, i))
	}
	c.Pause()
	left := m.offer(token, []byte(all))
	if !m.live(token).paused || len(left) == 0 {
		t.Fatalf("it is still read, %d bytes left", len(left))
	}
	if held := m.engine.held(token); held < limit || held > limit+2*size+jobBytes {
		t.Errorf("%d bytes held", held)
	}
	for len(left) > 0 {
		before := len(left)
		c.Resume()
		m.turn()
		if m.live(token).paused {
			t.Fatal("it is not read again")
		}
		c.Pause()
		m.turn()
		if left = m.offer(token, left); len(left) == before {
			t.Fatal("nothing more is read")
		}
	}
	c.Resume()
	m.turn()
	for i, g := range got {
		if strings.TrimSpace(g) != fmt.Sprint(i) {
			t.Fatalf("message %d is %q", i, g)
		}
	}
	if len(got) != messages {
		t.Errorf("%d messages", len(got))
	}
	if n := m.engine.held(token); n != 0 || m.engine.find(token).sending.inbox != 0 {
		t.Errorf("%d bytes are held", n)
	}
}

// What a pause held back comes when the connection ends, before Close, even if a callback pauses once
// more; but Close and Abort drop it.
func TestEndWhilePaused(t *testing.T) {
	held := []string{"text b", "text c"}
	for name, test := range map[string]struct {
		end  func(m *memory, c Conn)
		sent []string
		want []string
	}{
		"Close frame": {
			func(m *memory, c Conn) { m.data(c.token, []byte(closeFrame(4000, "bye"))) },
			[]string{`close 4000 ""`},
			append(held, "close 4000 bye, <nil>"),
		},
		"FIN":   {func(m *memory, c Conn) { m.eof(c.token) }, nil, append(held, "close 1006 , EOF")},
		"reset": {func(m *memory, c Conn) { m.Close(c.token, io.ErrUnexpectedEOF) }, nil, append(held, "close 1006 , unexpected EOF")},
		"failure": {
			func(m *memory, c Conn) {
				m.data(c.token, []byte("\xff"))
				m.eof(c.token)
			},
			[]string{`close 1002 ""`},
			append(held, "close 1006 , "+protocolError(t)),
		},
		"Conn.Abort": {func(_ *memory, c Conn) { c.Abort() }, nil, []string{"close 1006 , " + ErrAborted.Error()}},
		"Conn.Close": {
			func(m *memory, c Conn) {
				_ = c.Close(4001, "")
				m.turn()
				m.data(c.token, []byte(texts("dropped")+closeFrame(4002, "")))
			},
			[]string{`close 4001 ""`},
			[]string{"close 4002 , <nil>"},
		},
	} {
		tr := newTrace()
		tr.message = func(c Conn, _ codec.Opcode, _ []byte) { c.Pause() }
		s := &Server{Events: tr.events()}
		m := newMemory(t, s)
		c := m.conn(tr)
		m.data(c.token, []byte(texts("a", "b", "c")))
		tr.expect(t, "text a")
		test.end(m, c)
		m.turn()
		tr.expect(t, test.want...)
		m.expectFrames(t, c, test.sent...)
		if n := s.Stats().Connections; n != 0 || !m.gone(c.token) {
			t.Errorf("%d connections", n)
		}
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

// protocolError is the error of a frame with reserved bits behind three messages.
func protocolError(t testing.TB) string {
	var how Closure
	m := newMemory(t, &Server{Events: Events{Close: func(_ Conn, h Closure) { how = h }}})
	c := m.open()
	m.data(c, []byte(texts("a", "b", "c")+"\xff"))
	m.eof(c)
	return how.Err.Error()
}

// A panic in a callback that was held back closes the connection, and drops the rest.
func TestPanicInAHeldCallbackW60(t *testing.T) {
	for name, test := range map[string]struct {
		release func(m *memory, c Conn)
		sent    []string
		want    string
	}{
		"resumed": {
			func(m *memory, c Conn) {
				c.Resume()
				m.turn()
				m.eof(c.token)
			},
			[]string{`close 1011 ""`},
			"close 1006 , " + ErrPanic.Error(),
		},
		"ended": {func(m *memory, c Conn) { m.eof(c.token) }, nil, "close 1006 , EOF"},
	} {
		tr := newTrace()
		tr.message = func(c Conn, _ codec.Opcode, payload []byte) {
			if string(payload) == "b" {
				panic("told to")
			}
		}
		s := &Server{Events: tr.events()}
		m := newMemory(t, s)
		c := m.conn(tr)
		c.Pause()
		m.turn()
		m.data(c.token, []byte(texts("a", "b", "c")))
		tr.expect(t)
		test.release(m, c)
		tr.expect(t, "text a", "text b", test.want)
		m.expectFrames(t, c, test.sent...)
		if stats := s.Stats(); stats.Panics != 1 || stats.Connections != 0 {
			t.Errorf("%d panics, %d connections", stats.Panics, stats.Connections)
		}
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

// Pieces of messages are held back like messages.
func TestPauseWithFragments(t *testing.T) {
	var got string
	s := &Server{Events: Events{Fragment: func(c Conn, f Fragment) {
		got += fmt.Sprintf("%s %t %t,", f.Payload, f.First, f.Last)
		c.Pause()
	}}}
	m := newMemory(t, s)
	token := m.open()
	m.data(token, []byte(masked(false, codec.OpcodeText, "a")+masked(true, codec.OpcodeContinuation, "b")+texts("c")))
	for _, want := range []string{"a true false,", "b false true,", "c true true,", ""} {
		if got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		got = ""
		Conn{m.engine, token}.Resume()
		m.turn()
	}
}
