package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

// W62, W63 on workers: Close and Abort in any callback end the connection after it, and in Close nothing
// can be sent.
func TestEndInsideAWorkerW62W63(t *testing.T) {
	for name, test := range map[string]struct {
		hang func(tr *trace, end func(Conn))
		want []string // before Close
	}{
		"Open":    {func(tr *trace, end func(Conn)) { tr.open = end }, []string{"open"}},
		"Message": {func(tr *trace, end func(Conn)) { tr.message = func(c Conn, _ codec.Opcode, _ []byte) { end(c) } }, []string{"open", "text a"}},
		"Close":   {func(tr *trace, end func(Conn)) { tr.closed = end }, []string{"open", "text a", "text b"}},
	} {
		for _, abort := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, abort %t", name, abort), func(t *testing.T) {
				t.Parallel()
				tr := newTrace()
				test.hang(tr, func(c Conn) {
					if abort {
						c.Abort()
					} else if err := c.Close(4000, ""); err != nil && err != ErrClosed || err == nil && name == "Close" {
						t.Errorf("Close: %v", err)
					}
					if _, err := c.SendText("behind the end"); !errors.Is(err, ErrClosed) {
						t.Errorf("Send: %v", err)
					}
				})
				s := serve(t, &Server{Loops: 1, Workers: 2, Events: tr.events()})
				c := s.dial()
				c.write(head("/") + texts("a", "b") + closeFrame(4001, ""))
				rest, _ := io.ReadAll(c.in)
				if bytes.Contains(rest, []byte("behind the end")) {
					t.Errorf("got %q", rest)
				}
				await(t, tr.gone, "Close")
				tr.mu.Lock()
				got := tr.lines
				tr.mu.Unlock()
				if len(got) != len(test.want)+1 || !slices.Equal(got[:len(test.want)], test.want) || !strings.HasPrefix(got[len(got)-1], "close ") {
					t.Errorf("callbacks %q, want %q and close", got, test.want)
				}
			})
		}
	}
}

// W60 on workers: a panic closes the connection with 1011, is logged with its stack, and stops neither the
// worker nor others.
func TestPanicOnAWorkerW60(t *testing.T) {
	for name, test := range map[string]struct{ then, want string }{
		"Open":     {masked(true, codec.OpcodeText, "x"), "close 1011"},
		"Message":  {masked(true, codec.OpcodeText, "panic"), "close 1011"},
		"Fragment": {masked(true, codec.OpcodeText, "x"), "close 1011"},
		"Ping":     {masked(true, codec.OpcodePing, "x"), `pong "x" close 1011`},
		"Pong":     {masked(true, codec.OpcodePong, "x"), "close 1011"},
		"Close":    {closeFrame(codec.StatusNormalClosure, ""), "close 1000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &lockedBuffer{}
			s := serve(t, &Server{Loops: 1, Workers: 1, CloseTimeout: never, Events: panicIn(name), Logger: slog.New(slog.NewTextHandler(log, nil))})
			other := s.open()
			c := s.dial()
			path := "/panic"
			if name == "Message" {
				path = "/"
			}
			c.write(head(path) + test.then)
			if status, _, _ := c.response(); status != 101 {
				t.Fatalf("status %d", status)
			}
			if got := strings.Trim(fmt.Sprint(c.events()), "[]"); got != test.want {
				t.Errorf("the server sent %s, want %s", got, test.want)
			}
			c.Close()
			other.send(codec.OpcodeText, "alive")
			other.expect(codec.OpcodeText, "alive")
			s.stop()
			if n := s.Stats().Panics; n != 1 || !strings.Contains(log.String(), "panic_test.go") {
				t.Errorf("%d panics, logged %s", n, log)
			}
		})
	}
}

// queued is a server with one worker, which is busy with the first of several messages of each client until release is
// called.
func queued(t *testing.T, clients int) (s *running, all []*client, release func(), messages *atomic.Int64) {
	begun, ready := make(chan struct{}, 100), make(chan struct{})
	messages = new(atomic.Int64)
	s = serve(t, &Server{Loops: 1, Workers: 1, Events: Events{Message: func(Conn, codec.Opcode, []byte) {
		messages.Add(1)
		begun <- struct{}{}
		<-ready
	}}})
	for range clients {
		c := s.open()
		c.write(texts("a", "b", "c") + masked(true, codec.OpcodePing, ""))
		c.expect(codec.OpcodePong, "") // so that they are queued
		all = append(all, c)
	}
	await(t, begun, "a message")
	return s, all, sync.OnceFunc(func() { close(ready) }), messages
}

// Serve returns when the last Close callback has, after Close as after Shutdown, and not before.
func TestServeWaitsForWorkers(t *testing.T) {
	const clients = 10
	for name, stop := range map[string]func(*testing.T, *running, []*client){
		"Close": func(t *testing.T, s *running, all []*client) {
			s.Close()
			for _, c := range all {
				c.expectGone()
			}
		},
		"Shutdown": func(t *testing.T, s *running, all []*client) {
			done := make(chan error, 1)
			go func() { done <- s.Shutdown(context.Background()) }()
			t.Cleanup(func() {
				if err := await(t, done, "Shutdown"); err != nil {
					t.Error(err)
				}
			})
			for _, c := range all {
				c.expectClose(codec.StatusGoingAway)
				c.write(closeFrame(codec.StatusGoingAway, ""))
				c.expectEOF()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, all, release, messages := queued(t, clients)
			defer release()
			stop(t, s, all)
			select {
			case <-s.done:
				t.Error("Serve returned with callbacks to come")
			default:
			}
			if n := s.Stats().Connections; n != clients {
				t.Errorf("%d connections", n)
			}
			release()
			await(t, s.done, "Serve to return")
			if o, c, m := s.opens.Load(), s.closes.Load(), messages.Load(); o != clients || c != clients || m != 3*clients {
				t.Errorf("%d calls of Open, %d of Message, %d of Close", o, m, c)
			}
			if n := s.Stats().Connections; n != 0 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// A worker that blocks does not hold Shutdown up beyond its context.
func TestShutdownDoesNotWaitForABlockedWorker(t *testing.T) {
	t.Parallel()
	s, _, release, _ := queued(t, 2)
	defer release()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// Whatever goroutines do to connections, Open and Close balance, nothing is concurrent or behind the end, and
// the memory comes back.
func TestWorkersUnderStress(t *testing.T) {
	t.Parallel()
	conns := 300
	if raceBuild {
		conns = 100
	}
	type state struct {
		solo
		next  int
		ended atomic.Bool // Close or Abort was called in a callback
	}
	acts := []func(Conn){
		Conn.Pause, Conn.Resume, Conn.Resume, Conn.Resume,
		func(c Conn) { _, _ = c.SendText("hello") }, func(c Conn) { _ = c.Ping(nil) },
	}
	ends := []func(Conn){Conn.Abort, func(c Conn) { _ = c.Close(4000, "") }, func(Conn) { panic("told to") }}
	opened := make(chan Conn, conns)
	s := serve(t, &Server{Loops: 2, Workers: 4, MaxInFlight: 2, MaxInFlightBytes: 300, CloseTimeout: tick, Events: Events{
		Open: func(c Conn) {
			c.SetData(&state{})
			opened <- c
		},
		Message: func(c Conn, _ codec.Opcode, payload []byte) {
			x := c.Data().(*state)
			x.enter(t)
			defer x.leave()
			if x.ended.Load() || string(payload) != fmt.Sprint(x.next) {
				t.Errorf("message %s instead of %d, ended %t", payload, x.next, x.ended.Load())
			}
			x.next++
			acts[rand.IntN(len(acts))](c)
			if rand.IntN(100) == 0 {
				x.ended.Store(true)
				ends[rand.IntN(len(ends))](c)
			}
		},
		Close: func(c Conn, _ Closure) {
			x := c.Data().(*state)
			x.enter(t)
			x.leave()
		},
	}})
	var out []string
	for i := range 200 {
		out = append(out, texts(fmt.Sprint(i)))
	}
	var all sync.WaitGroup
	for range conns {
		all.Go(func() { s.harass(out) })
	}
	for range conns / 2 {
		c := await(t, opened, "Open")
		all.Go(func() {
			for range 200 {
				acts[rand.IntN(len(acts))](c)
			}
			c.Resume()
		})
	}
	all.Wait()
	s.stop() // some are paused for good
	for _, l := range s.loops {
		if free, made := len(l.freeInboxes), len(l.inboxes)-1; free != made || len(l.lingering) != 0 {
			t.Errorf("%d inboxes of %d are free, %d linger", free, made, len(l.lingering))
		}
		l.empty()
	}
	if n := s.Stats().Memory; n > 1<<19 {
		t.Errorf("%d bytes are held", n)
	}
}

// harass sends messages as long as the connection lasts, and ends it in one way or another.
func (r *running) harass(messages []string) {
	c := r.dial()
	defer c.Close()
	go io.Copy(io.Discard, c.in)
	if _, err := io.WriteString(c.Conn, head("/")); err != nil {
		return
	}
	n := rand.IntN(len(messages))
	for _, m := range messages[:n] {
		if _, err := io.WriteString(c.Conn, m); err != nil {
			return
		}
	}
	switch rand.IntN(4) {
	case 0:
		c.reset()
	case 1:
		_, _ = io.WriteString(c.Conn, closeFrame(codec.StatusNormalClosure, ""))
	case 2:
		_ = c.Conn.(interface{ CloseWrite() error }).CloseWrite()
	}
}
