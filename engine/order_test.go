package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/handshake"
)

// The order of callbacks, in one segment with the request head.
func TestOrderOfCallbacks(t *testing.T) {
	tr := newTrace()
	tr.upgrade = func(Conn) { tr.note("upgrade") }
	m := newMemory(t, &Server{Events: tr.events()})
	c := m.accept()
	m.data(c, []byte(head("/")+masked(true, codec.OpcodeText, "a")+masked(true, codec.OpcodePing, "b")+
		masked(true, codec.OpcodePong, "c")+masked(false, codec.OpcodeBinary, "d")+masked(true, codec.OpcodePing, "e")+
		masked(true, codec.OpcodeContinuation, "f")+closeFrame(1000, "g")+masked(true, codec.OpcodeText, "h")))
	m.eof(c)
	tr.expect(t, "upgrade", "open", "text a", "ping b", "pong c", "ping e", "binary df", "close 1000 g, <nil>")
}

// endingKind is a way for a connection to end.
type endingKind int

const (
	peerCloses endingKind = iota
	peerResets
	peerFails
	peerLeaves // FIN without a Close frame
	serverCloses
	serverAborts
	serverPanics
	endingKinds
)

// Under churn, on several loops, every Open is followed by one Close and nothing else after it, and
// no two callbacks of one connection overlap.
func TestOpenAndCloseBalanceUnderChurn(t *testing.T) {
	t.Parallel()
	const clients, rounds = 8, 60
	var mu sync.Mutex
	state := make(map[Conn]string) // last callback, "" once closed
	step := func(c Conn, from, to string) {
		mu.Lock()
		defer mu.Unlock()
		if was, found := state[c]; was != from || found != (from != "") {
			t.Errorf("%v: %s after %q", c, to, was)
		}
		if state[c] = to; to == "closed" {
			delete(state, c)
		}
	}
	s := serve(t, &Server{Loops: 3, CloseTimeout: never, Events: Events{
		Upgrade: func(c Conn, _ *handshake.Request, _ *handshake.Response) { step(c, "", "upgrade") },
		Open:    func(c Conn) { step(c, "upgrade", "open") },
		Message: func(c Conn, op codec.Opcode, payload []byte) {
			step(c, "open", "busy")
			defer step(c, "busy", "open")
			switch kind := endingKind(payload[0]); kind {
			case serverCloses:
				_ = c.Close(codec.StatusNormalClosure, "")
			case serverAborts:
				c.Abort()
			case serverPanics:
				panic("at random")
			default:
				echo(c, op, payload)
			}
		},
		Close: func(c Conn, _ Closure) { step(c, "open", "closed") },
	}})
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(i)))
			for range rounds {
				s.open().end(endingKind(random.IntN(int(endingKinds))))
			}
		})
	}
	all.Wait()
	s.stop()
	if n := s.opens.Load(); n != clients*rounds {
		t.Errorf("%d connections opened, want %d", n, clients*rounds)
	}
	if len(state) > 0 {
		t.Errorf("never closed: %v", state)
	}
}

// end brings the connection to its end.
func (c *client) end(kind endingKind) {
	c.send(codec.OpcodeBinary, string(rune(kind)))
	switch kind {
	case peerCloses:
		c.write(closeFrame(codec.StatusNormalClosure, ""))
	case peerResets:
		c.reset()
		return
	case peerFails:
		c.write("\xff")
	case peerLeaves:
		c.closeWrite()
	case serverCloses:
		c.expectClose(codec.StatusNormalClosure)
		c.write(closeFrame(codec.StatusNormalClosure, ""))
	}
	c.expectGone()
	c.Close()
}

// W62: Close inside Open, Message and Close. W63: sending inside Close. What stands in the same
// segment behind the frame is not delivered.
func TestCloseInsideCallbacksW62W63(t *testing.T) {
	shut := func(c Conn) {
		if err := c.Close(codec.StatusNormalClosure, ""); err != nil {
			t.Error(err)
		}
		if err := c.Close(codec.StatusNormalClosure, ""); !errors.Is(err, ErrClosed) {
			t.Errorf("second Close: %v", err)
		}
		if _, err := c.SendText("late"); !errors.Is(err, ErrClosed) {
			t.Errorf("Send after Close: %v", err)
		}
	}
	first := masked(true, codec.OpcodeText, "first")
	more := masked(true, codec.OpcodeText, "second") + masked(true, codec.OpcodePing, "third")
	for name, hang := range map[string]func(*trace){
		"open":    func(tr *trace) { tr.open = shut },
		"message": func(tr *trace) { tr.message = func(c Conn, _ codec.Opcode, _ []byte) { shut(c) } },
	} {
		tr := newTrace()
		hang(tr)
		tr.closed = func(c Conn) {
			for what, err := range map[string]error{
				"Send": errorOf(c.SendText("late")), "Ping": c.Ping(nil), "Close": c.Close(codec.StatusNormalClosure, ""),
			} {
				if !errors.Is(err, ErrClosed) {
					t.Errorf("%s inside Close: %v", what, err)
				}
			}
			if _, err := c.NewWriter(codec.OpcodeText); !errors.Is(err, ErrClosed) {
				t.Errorf("NewWriter inside Close: %v", err)
			}
			c.Abort()
		}
		m := newMemory(t, &Server{Events: tr.events()})
		c := m.accept()
		m.data(c, []byte(head("/")+first+more))
		m.data(c, []byte(more+closeFrame(codec.StatusNormalClosure, "")))
		if !m.gone(c) {
			t.Errorf("%s: still open", name)
		}
		if wire := fmt.Sprint(wireEvents(m.take(c))); wire != "[close 1000]" {
			t.Errorf("%s: sent %s", name, wire)
		}
		if name == "open" {
			tr.expect(t, "open", "close 1000 , <nil>")
		} else {
			tr.expect(t, "open", "text first", "close 1000 , <nil>")
		}
	}
}

// Abort drops what waits, and no callback but Close follows, wherever it is called.
func TestAbort(t *testing.T) {
	abort := func(c Conn) {
		_, _ = c.SendText("dropped")
		c.Abort()
		if _, err := c.SendText("late"); !errors.Is(err, ErrClosed) {
			t.Errorf("Send after Abort: %v", err)
		}
		c.Abort()
	}
	for want, hang := range map[string]func(*trace){
		"[open]":        func(tr *trace) { tr.open = abort },
		"[open text a]": func(tr *trace) { tr.message = func(c Conn, _ codec.Opcode, _ []byte) { abort(c) } },
		"[open text a ping b]": func(tr *trace) {
			tr.ping = abort
		},
	} {
		tr := newTrace()
		hang(tr)
		m := newMemory(t, &Server{Events: tr.events()})
		c := m.accept()
		m.data(c, []byte(head("/")+masked(true, codec.OpcodeText, "a")+masked(true, codec.OpcodePing, "b")+
			masked(true, codec.OpcodeText, "c")))
		if !m.gone(c) {
			t.Errorf("%s: still open", want)
		}
		last := len(tr.lines) - 1
		if got := fmt.Sprint(tr.lines[:last]); got != want || tr.lines[last] != "close 1006 , engine: connection aborted" {
			t.Errorf("callbacks %q, want %s and Close", tr.lines, want)
		}
	}
}

// Abort in Upgrade: nothing is answered or counted, no callback follows, and the connection is gone.
func TestAbortInUpgrade(t *testing.T) {
	tr := newTrace()
	tr.upgrade = func(c Conn) { c.Abort() }
	s := &Server{Events: tr.events()}
	m := newMemory(t, s)
	c := m.accept()
	m.data(c, []byte(head("/")+masked(true, codec.OpcodeText, "a")))
	if out := m.take(c); len(out) > 0 || !m.gone(c) {
		t.Errorf("closed %t, sent %q", m.gone(c), out)
	}
	tr.expect(t)
	if got := s.counted(); got != (Stats{}) {
		t.Errorf("counted %+v", got)
	}
}

// W30: two goroutines close one connection, and the peer does too. One of them begins the closing
// handshake, and there is one Close frame and one call of Close.
func TestCloseFromTwoGoroutinesW30(t *testing.T) {
	t.Parallel()
	tr := newTrace()
	opened := make(chan Conn, 1)
	tr.open = func(c Conn) { opened <- c }
	s := serve(t, &Server{CloseTimeout: never, Events: tr.events()})
	for range 50 {
		c := s.open()
		conn := await(t, opened, "Open")
		results := make(chan error, 2)
		for range 2 {
			go func() { results <- conn.Close(codec.StatusNormalClosure, "") }()
		}
		c.write(closeFrame(codec.StatusNormalClosure, ""))
		c.expectClose(codec.StatusNormalClosure)
		c.expectEOF()
		if a, b := await(t, results, "Close"), await(t, results, "Close"); a == nil && b == nil {
			t.Error("both calls of Close succeeded")
		}
		await(t, tr.gone, "Close")
		tr.expect(t, "open", "close 1000 , <nil>")
	}
}

// Abort from another goroutine, over a socket.
func TestAbortFromAnotherGoroutine(t *testing.T) {
	t.Parallel()
	tr := newTrace()
	opened := make(chan Conn, 1)
	tr.open = func(c Conn) { opened <- c }
	c := serve(t, &Server{Events: tr.events()}).open()
	await(t, opened, "Open").Abort()
	await(t, tr.gone, "Close")
	c.expectGone()
	tr.expect(t, "open", "close 1006 , engine: connection aborted")
}
