package engine

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller"
)

// beginDrain turns a server without a driver towards its end, as Shutdown does.
func (m *memory) beginDrain(window time.Duration) {
	s := m.engine.server
	s.Drain.Window = window
	s.drainTicks.Store(s.drainWindow(context.Background()))
	s.shuttingDown.Store(true)
	m.turn()
}

// The closes are spread over the window, at random moments, and each connection is closed once.
func TestDrainSpreadsCloses(t *testing.T) {
	const conns, seconds = 2000, 10
	tr := newTrace()
	m := newMemory(t, &Server{PingInterval: Never, CloseTimeout: never, Drain: Drain{Code: codec.StatusServiceRestart}, Events: Events{Close: tr.events().Close}})
	var all []poller.Token
	for range conns {
		all = append(all, m.open())
	}
	m.beginDrain(seconds * time.Second)
	if refused := m.accept(); !strings.HasPrefix(string(m.takeNow(refused)), "HTTP/1.1 503 ") {
		t.Error("a new connection was not refused")
	}
	var perSecond [seconds + 1]int
	var order []int
	for second := range perSecond {
		m.pass(time.Second)
		for i, c := range all {
			for _, f := range wireEvents(append([]byte("\r\n\r\n"), m.take(c)...)) {
				if f != "close 1012" {
					t.Fatalf("sent %v", f)
				}
				perSecond[second]++
				order = append(order, i)
			}
		}
	}
	total := 0
	for second, n := range perSecond {
		total += n
		if second < seconds && (n < conns/seconds/2 || n > conns/seconds*2) {
			t.Errorf("%d closes in second %d of %d: %v", n, second, seconds, perSecond)
		}
	}
	if total != conns {
		t.Errorf("%d Close frames for %d connections", total, conns)
	}
	if slices.IsSorted(order) {
		t.Error("they left in the order in which they came")
	}
}

// takeNow is take after a turn.
func (m *memory) takeNow(t poller.Token) []byte {
	m.turn()
	return m.take(t)
}

// The Close frame follows what waits for a slow peer, and has the code of the configuration.
func TestDrainFlushesWhatWaits(t *testing.T) {
	m := newMemory(t, &Server{Drain: Drain{Code: codec.StatusServiceRestart}})
	c := m.open()
	m.conns[c.Slot()].stalled = true
	conn := Conn{m.engine, c}
	for range 100 {
		if _, err := conn.Send(codec.OpcodeBinary, make([]byte, 5000)); err != nil {
			t.Fatal(err)
		}
	}
	m.turn()
	m.beginDrain(0)
	if _, err := conn.SendText("too late"); !errors.Is(err, ErrClosed) {
		t.Errorf("Send returned %v", err)
	}
	m.drain(c)
	got := wireEvents(append([]byte("\r\n\r\n"), m.take(c)...))
	if len(got) != 101 || got[100] != "close 1012" {
		t.Errorf("%d events, the last %v", len(got), got[len(got)-1])
	}
}

// The window is what the rate asks for, and at most three quarters of the time there is.
func TestDrainWindow(t *testing.T) {
	expired, cancel := context.WithTimeout(t.Context(), -time.Second)
	defer cancel()
	within := func(d time.Duration) context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		t.Cleanup(cancel)
		return ctx
	}
	for name, test := range map[string]struct {
		drain     Drain
		ctx       context.Context
		min, most time.Duration
	}{
		"default":           {Drain{}, t.Context(), 2 * time.Second, 2 * time.Second},
		"rate":              {Drain{Rate: 100}, t.Context(), 100 * time.Second, 100 * time.Second},
		"window":            {Drain{Rate: 100, Window: time.Minute}, t.Context(), time.Minute, time.Minute},
		"at most the time":  {Drain{Rate: 1}, within(time.Hour), 44 * time.Minute, 45 * time.Minute},
		"more than enough":  {Drain{Window: time.Minute}, within(time.Hour), time.Minute, time.Minute},
		"no time":           {Drain{Rate: 1}, expired, 0, 0},
		"longer than ticks": {Drain{Window: Never}, t.Context(), longestTimeout, longestTimeout},
		"less than a tick":  {Drain{Window: tick - 1}, t.Context(), 0, 0},
	} {
		s := &Server{Drain: test.drain}
		s.live.Store(10_000)
		if got := time.Duration(s.drainWindow(test.ctx)) * tick; got < test.min || got > test.most {
			t.Errorf("%s: %v, want %v to %v", name, got, test.min, test.most)
		}
	}
}

// W85: the server ends while thousands of clients send and get echoes. Everybody gets a Close frame with 1001 behind
// whole messages, nobody is cut off, and the progress that is told falls to 0.
func TestShutdownUnderLoadW85(t *testing.T) {
	t.Parallel()
	clients := 1000
	if raceBuild || testing.Short() {
		clients = 300
	}
	if most := DefaultMaxConnections(); clients > most/3 { // both ends are in this process
		clients = most / 3
	}
	var told []int
	s := serve(t, &Server{
		CloseTimeout: never, PingInterval: Never, Drain: Drain{Window: 2 * time.Second, Progress: func(left int) { told = append(told, left) }},
		Events: Events{Message: echo},
	})
	var wg sync.WaitGroup
	var good, echoes atomic.Int64
	load := make(chan struct{})
	for range clients {
		c := s.open()
		c.SetDeadline(time.Now().Add(5 * patience))
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer c.Close()
			<-load
			for {
				// The server may have said goodbye meanwhile: that shows when reading.
				_, _ = io.WriteString(c.Conn, masked(true, codec.OpcodeText, "load"))
				f, err := readFrame(c.in)
				switch {
				case err != nil:
					t.Errorf("cut off: %v", err)
					return
				case f.op == codec.OpcodeClose && code(f.payload) == codec.StatusGoingAway:
					good.Add(1)
					_, _ = io.WriteString(c.Conn, closeFrame(codec.StatusGoingAway, ""))
					if _, err := readFrame(c.in); err == nil {
						t.Error("a frame behind the Close frame")
					}
					return
				case f.op != codec.OpcodeText || string(f.payload) != "load":
					t.Errorf("got %v", f)
					return
				}
				echoes.Add(1)
			}
		}()
	}
	close(load)
	until(t, "there is load", func() bool { return int(echoes.Load()) > clients })
	ctx, cancel := context.WithTimeout(t.Context(), 5*patience)
	defer cancel()
	done := s.shutdown(ctx)
	wg.Wait()
	if err := await(t, done, "Shutdown"); err != nil {
		t.Error(err)
	}
	if int(good.Load()) != clients || echoes.Load() == 0 {
		t.Errorf("%d of %d clients got their Close frame, after %d echoes", good.Load(), clients, echoes.Load())
	}
	if len(told) == 0 || told[len(told)-1] != 0 || !slices.IsSortedFunc(told, func(a, b int) int { return b - a }) {
		t.Errorf("progress %v", told)
	}
}

// A second Shutdown waits for the same end, and does not begin the drain anew.
func TestShutdownTwice(t *testing.T) {
	t.Parallel()
	s := serve(t, &Server{CloseTimeout: never})
	c := s.open()
	first, second := s.shutdown(t.Context()), s.shutdown(t.Context())
	c.expectClose(codec.StatusGoingAway)
	c.write(closeFrame(codec.StatusGoingAway, ""))
	c.expectEOF()
	for _, done := range []<-chan error{first, second} {
		if err := await(t, done, "Shutdown"); err != nil {
			t.Error(err)
		}
	}
}

// Close ends a Shutdown that waits for its window.
func TestCloseDuringShutdown(t *testing.T) {
	t.Parallel()
	s := serve(t, &Server{CloseTimeout: never, Drain: Drain{Window: time.Hour}})
	c := s.open()
	done := s.shutdown(t.Context())
	until(t, "the drain has begun", s.shuttingDown.Load)
	s.Close()
	if err := await(t, done, "Shutdown"); err != nil {
		t.Error(err)
	}
	c.expectGone()
}

// A handshake that is in progress when the drain begins is answered 503, and asked to come back.
func TestHandshakeOvertakenByTheDrain(t *testing.T) {
	t.Parallel()
	s := serve(t, &Server{CloseTimeout: never})
	late := s.dial()
	late.write("GET / HTTP/1.1\r\n")
	open := s.open() // accepted after late, so late is known to the server
	done := s.shutdown(t.Context())
	late.refused(503, "shutting down")
	late.Close()
	open.expectClose(codec.StatusGoingAway)
	open.Close()
	if err := await(t, done, "Shutdown"); err != nil {
		t.Error(err)
	}
}
