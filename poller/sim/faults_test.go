//go:build linux || darwin || freebsd

package sim

import (
	"bytes"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsloop/wsloop/poller"
)

// quiet is a trial whose handler echoes and never acts of itself.
func quiet(t testing.TB) *trial { return &trial{TB: t, orderly: true} }

// serve runs a script against the handler and checks the end of the run.
func (r *trial) serve(o Options, script func(w *World)) {
	r.Helper()
	r.script = script
	r.run(o, 0)
}

// TestEachFaultHappens has every fault happen often, one at a time, and the echo come back complete all the same
// from those whom the fault lets in.
func TestEachFaultHappens(t *testing.T) {
	for _, test := range []struct {
		name   string
		faults Faults
		trace  string
		least  int // clients of 20 who get in before the calm
	}{
		{"ShortRead", Faults{ShortRead: 0.5}, "short read", 20},
		{"ShortWrite", Faults{ShortWrite: 0.5}, "short write", 20},
		{"Again", Faults{Again: 0.5}, "again", 20},
		{"Interrupt", Faults{Interrupt: 0.5}, "interrupted", 20},
		{"Spurious", Faults{Spurious: 0.5}, "spurious event", 20},
		{"Stale", Faults{Stale: 0.5}, "stale event", 20},
		{"Hide", Faults{Hide: 0.5}, "event is hidden", 20},
		{"DelayAccept", Faults{DelayAccept: 0.5}, "accept is delayed", 20},
		{"EMFILE", Faults{EMFILE: 0.5}, "accept fails", 20},
		{"ConnAborted", Faults{ConnAborted: 0.5}, "accept fails", 1},
		{"AddFails", Faults{AddFails: 0.5}, "add fails", 1},
		{"DialRefused", Faults{DialRefused: 0.5}, "dial is refused", 1},
		{"DialDelay", Faults{DialDelay: 0.5}, "dial is delayed", 20},
		{"DialReset", Faults{DialReset: 0.5}, "dial is reset", 1},
		{"ClockJump", Faults{ClockJump: 0.1}, "clock jumps", 20},
		{"CloseFails", Faults{CloseFails: 0.5}, "close fails", 20},
	} {
		t.Run(test.name, func(t *testing.T) {
			happened := 0
			r := quiet(t)
			r.serve(Options{
				Seed: 1, Loops: 2, Faults: test.faults, SendBuffer: 5000, ReceiveBuffer: 5000,
				Trace: func(line string) {
					if strings.Contains(line, test.trace) {
						happened++
					}
				},
			}, func(w *World) {
				for range 20 {
					if strings.HasPrefix(test.name, "Dial") {
						r.call(false)
						w.Advance(maxDialDelay)
					} else {
						r.dial()
					}
					if c := r.clients[len(r.clients)-1]; c.Peer != nil {
						c.send(20_000)
					}
					w.Settle()
					w.Advance(300 * time.Millisecond)
				}
				echoed := 0
				for _, c := range r.clients {
					if c.got == c.sent && c.Peer != nil {
						echoed++
						c.CloseWrite()
						w.Settle()
						if c.State() != Gone {
							t.Errorf("peer %d is %v after both ends closed", c.ID(), c.State())
						}
						c.healthy = false // ended before the conclusion
					}
				}
				if echoed < test.least || echoed == 20 && test.least == 1 {
					t.Errorf("%d clients were served, want %d", echoed, test.least)
				}
				w.Advance(time.Second) // for events of the closed
			})
			if happened == 0 {
				t.Error("it did not happen")
			}
		})
	}
}

// TestTryWriteStumbles has the faults of writes happen to TryWrite. What it says was taken is what the peer gets.
func TestTryWriteStumbles(t *testing.T) {
	for _, test := range []struct {
		name   string
		faults Faults
		trace  string
		most   int // bytes of 100 that one call may take
	}{
		{"None", Faults{}, "write to peer", 100},
		{"ShortWrite", Faults{ShortWrite: 1}, "short write", 99},
		{"Again", Faults{Again: 1}, "again", 0},
		{"Interrupt", Faults{Interrupt: 1}, "interrupted", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			happened := 0
			r := quiet(t)
			r.serve(Options{Seed: 14, SendBuffer: 250, Trace: func(line string) {
				if strings.Contains(line, test.trace) {
					happened++
				}
			}}, func(w *World) {
				r.dial()
				w.Settle()
				c, h := r.clients[0], r.handlers[0]
				all := patternBytes(c.ID(), 0, 100)
				w.options.Faults, happened = test.faults, 0
				for range 10 {
					before := happened
					n := h.loop.TryWrite(c.conn.token, all[:30], all[30:])
					if n > test.most || n < min(test.most, 1) || happened != before+1 {
						t.Errorf("%d bytes were taken, it happened %d times", n, happened-before)
					}
					w.options.Faults = Faults{}
					c.sent, c.got = n, 0
					w.Settle()
					if c.got != n {
						t.Errorf("the peer got %d of %d bytes", c.got, n)
					}
					w.options.Faults = test.faults
				}
				w.options.Faults = Faults{}
				if c.conn.ended || c.conn.over {
					t.Error("the connection ended")
				}
				c.healthy, c.sent = false, 0 // nothing was echoed
			})
		})
	}
}

// TestTryWriteTakesTheError has a reset be found by TryWrite, which is told by Closed all the same.
func TestTryWriteTakesTheError(t *testing.T) {
	r := quiet(t)
	r.serve(Options{Seed: 15}, func(w *World) {
		for i := range 3 {
			r.dial()
			w.Settle()
			c, h := r.clients[i], r.handlers[0]
			if r.orderly = i != 1; !r.orderly { // so that the pause lasts
				c.conn.paused = true
				h.loop.Pause(c.conn.token)
			}
			c.sent = 1 // of which nothing comes: EOF would be a lie
			c.leave(c.Reset)
			for !w.socket(c.id).has(broken) {
				w.stepMove()
			}
			if n := h.loop.TryWrite(c.conn.token, []byte("head"), []byte("body")); n != 0 {
				t.Errorf("%d bytes were taken", n)
			}
			w.Settle()
			if !c.conn.over || c.conn.eof {
				t.Errorf("it is over: %v, after EOF: %v", c.conn.over, c.conn.eof)
			}
			c.sent = 0
		}
	})
}

// TestSweep fails the first call of a kind, then the second, and so on until a run has no more of them, with each
// error that the call may give.
func TestSweep(t *testing.T) {
	runs := 0
	for _, call := range append(Calls(), DialCalls()...) {
		before := runs
		for _, errno := range Errnos(call) {
			for n := 1; ; n++ {
				runs++
				failed := false
				r := &trial{TB: t, orderly: true, lossy: true}
				r.serve(Options{
					Seed: uint64(n), SendBuffer: 3000, ReceiveBuffer: 3000, Loops: 2, Descriptors: 5,
					Fail: func(c Call, nth int) syscall.Errno {
						if c != call || nth != n {
							return 0
						}
						failed = true
						return errno
					},
				}, func(w *World) { sweepScript(r, w) })
				if !failed {
					break
				}
			}
		}
		if runs-before <= len(Errnos(call)) {
			t.Errorf("%v is not called by the script", call)
		}
	}
	t.Logf("%d runs", runs)
}

// sweepScript makes every call at least once. The last client finds no descriptor, and the listener rests.
func sweepScript(r *trial, w *World) {
	r.call(true)
	first := len(r.clients)
	for range 4 {
		r.dial()
		r.clients[len(r.clients)-1].send(10_000)
	}
	w.Settle()
	stalled := r.clients[first]
	stalled.Window(0)
	stalled.send(10_000)
	w.Settle()
	for _, h := range r.handlers {
		for _, c := range h.conns {
			if c != nil {
				c.paused = true
				h.loop.Pause(c.token)
				_, _ = h.loop.Socket(c.token)
				h.loop.CloseWrite(c.token)
				c.shut = true
			}
		}
		h.wake()
	}
	w.Advance(time.Second)
	r.clients[first+1].Reset()
	r.clients[first+2].Close()
	for _, c := range r.clients {
		c.healthy = false
	}
	w.StopAccepting()
	w.Settle()
}

// TestHiddenEventsComeAgain leaves out nearly every event: only that they are level-triggered brings them.
func TestHiddenEventsComeAgain(t *testing.T) {
	r := quiet(t)
	r.serve(Options{Seed: 3, Faults: Faults{Hide: 0.95}, SendBuffer: 1000}, func(w *World) {
		r.dial()
		c := r.clients[0]
		c.send(10_000)
		w.Settle()
		if c.got != 10_000 {
			t.Errorf("%d of 10000 bytes came back", c.got)
		}
	})
}

// TestDescriptorsAreUsedAgain closes one of three connections and opens another.
func TestDescriptorsAreUsedAgain(t *testing.T) {
	r := quiet(t)
	r.serve(Options{Seed: 4}, func(w *World) {
		descriptor := func(c *client) int32 { return w.socket(c.id).fd }
		for range 3 {
			r.dial()
			w.Settle()
		}
		second := descriptor(r.clients[1])
		r.clients[1].leave(r.clients[1].Reset)
		w.Settle()
		r.dial()
		w.Settle()
		if fd := descriptor(r.clients[3]); fd != second || fd != descriptor(r.clients[0])+1 {
			t.Errorf("descriptor %d, want %d, which is the lowest that is free", fd, second)
		}
	})
}

// TestDescriptorsRunOut has more clients than descriptors. Those who wait get in as others leave.
func TestDescriptorsRunOut(t *testing.T) {
	r := quiet(t)
	r.serve(Options{Seed: 5, Descriptors: 4}, func(w *World) {
		for range 5 {
			r.dial()
			w.Settle()
		}
		if r.opened != 3 {
			t.Errorf("%d connections are open with descriptors for 3", r.opened)
		}
		for _, c := range r.clients[:3] {
			c.CloseWrite()
			c.healthy = false
		}
		w.Settle()
		if r.opened != 5 {
			t.Errorf("%d connections were opened, want 5", r.opened)
		}
	})
}

// TestBalance closes all connections of one loop and opens as many: they are its again.
func TestBalance(t *testing.T) {
	const loops, peers = 3, 12
	r := quiet(t)
	r.serve(Options{Seed: 13, Loops: loops}, func(w *World) {
		dial := func(n int) {
			for range n {
				r.dial()
				w.Settle()
			}
		}
		dial(peers)
		for _, c := range r.handlers[1].conns {
			c.client.leave(c.client.CloseWrite)
		}
		w.Settle()
		dial(peers / loops)
		for i, h := range r.handlers {
			n := 0
			for _, c := range h.conns {
				if c != nil {
					n++
				}
			}
			if n != peers/loops {
				t.Errorf("loop %d has %d of %d connections", i, n, peers)
			}
		}
	})
}

// TestPausedConnectionHoldsItsPeer sends to a connection that is not read.
func TestPausedConnectionHoldsItsPeer(t *testing.T) {
	r := quiet(t)
	r.serve(Options{Seed: 6, ReceiveBuffer: 1000}, func(w *World) {
		r.orderly = false // so that the pause lasts
		r.dial()
		w.Settle()
		c := r.clients[0]
		h := r.handlers[0]
		c.conn.paused = true
		h.loop.Pause(c.conn.token)
		c.send(5000)
		w.Settle()
		if l := w.links[w.socket(c.id).link]; l.arrived != 1000 || l.out.len() != 5000 || c.conn.got != 0 {
			t.Errorf("%d bytes arrived of %d, the handler got %d", l.arrived, l.out.len(), c.conn.got)
		}
	})
}

// TestVanishedPeer has a peer that nothing comes from or to any more.
func TestVanishedPeer(t *testing.T) {
	r := quiet(t)
	r.serve(Options{Seed: 7, SendBuffer: 1000}, func(w *World) {
		r.dial()
		w.Settle()
		c := r.clients[0]
		c.healthy = false
		c.Vanish()
		c.CloseWrite()
		h := r.handlers[0]
		if err := h.loop.Write(c.conn.token, make([]byte, 3000)); err != nil {
			t.Fatal(err)
		}
		w.Advance(time.Hour)
		state, err := h.loop.Socket(c.conn.token)
		if err != nil || state.Unsent != 1000 || h.loop.Pending(c.conn.token) != 2000 || c.got != 0 || c.conn.eof {
			t.Errorf("%+v, %v, %d pending, the peer got %d", state, err, h.loop.Pending(c.conn.token), c.got)
		}
		h.close(c.conn, nil)
	})
}

// TestRefused dials when nobody listens any more, and before.
func TestRefused(t *testing.T) {
	r := quiet(t)
	r.serve(Options{Seed: 8}, func(w *World) {
		w.StopAccepting()
		w.Settle()
		var end error
		p := w.Dial()
		r.clients = append(r.clients, &client{Peer: p})
		p.OnEnd(func(err error) { end = err })
		if p.State() != Connecting {
			t.Errorf("before a step the peer is %v", p.State())
		}
		w.Settle()
		if p.State() != Refused || end != syscall.ECONNREFUSED {
			t.Errorf("the peer is %v, its end %v", p.State(), end)
		}
	})
}

// TestBacklogIsReset stops accepting while a connection waits.
func TestBacklogIsReset(t *testing.T) {
	r := quiet(t)
	r.serve(Options{Seed: 9, Faults: Faults{DelayAccept: 1}}, func(w *World) {
		p := w.Dial()
		r.clients = append(r.clients, &client{Peer: p})
		for p.State() == Connecting {
			w.Step()
		}
		w.StopAccepting()
		w.Settle()
		if p.State() != Reset {
			t.Errorf("the peer is %v", p.State())
		}
	})
}

// TestTimers has functions run at their times, in order, among the ticks.
func TestTimers(t *testing.T) {
	r := quiet(t)
	r.serve(Options{Seed: 10}, func(w *World) {
		var got []time.Duration
		note := func() { got = append(got, w.Now()) }
		for _, d := range []time.Duration{3 * time.Second, 1, time.Second, -1} {
			w.After(d, note)
		}
		w.After(time.Minute, func() { t.Error("a timer came early") })
		w.Advance(10 * time.Second)
		want := []time.Duration{0, 1, time.Second, 3 * time.Second}
		if len(got) != 4 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] || got[3] != want[3] {
			t.Errorf("functions ran at %v, want %v", got, want)
		}
		if w.Now() != 10*time.Second || r.handlers[0].tick != 10*time.Second {
			t.Errorf("it is %v, the last tick was at %v", w.Now(), r.handlers[0].tick)
		}
	})
}

// spinner asks for turns for ever.
type spinner struct {
	*echoer
}

func (s spinner) Flush() { s.loop.Wake() }

// TestSpinIsFound has a loop that never waits end the run.
func TestSpinIsFound(t *testing.T) {
	defer func() {
		if text, _ := recover().(string); !strings.Contains(text, "seed 11: loop 0 spins") {
			t.Errorf("the run ended with %q", text)
		}
	}()
	w := New(Options{Seed: 11, Main: func(w *World) { w.Advance(time.Second) }})
	_ = w.Serve(func(l poller.Loop) poller.Handler { return spinner{&echoer{trial: quiet(t), loop: l}} })
}

// TestRead reads what was received, whole and without a callback.
func TestRead(t *testing.T) {
	r := quiet(t)
	r.serve(Options{Seed: 12}, func(w *World) {
		p := w.Dial()
		r.clients = append(r.clients, &client{Peer: p})
		want := patternBytes(0, 0, 10_000)
		r.clients[0].sent = len(want)
		p.Send(want)
		w.Settle()
		if !bytes.Equal(p.Received(), want) || !bytes.Equal(p.Read(), want) || p.Read() != nil {
			t.Error("what was received differs")
		}
		if w.socket(p.id).link != 0 {
			t.Error("an idle peer keeps memory")
		}
		p.Close()
	})
}
