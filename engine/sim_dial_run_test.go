//go:build linux || darwin || freebsd

package engine

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/wsloop/wsloop/poller/sim"
)

// TestDialSimulation is TestSimulation of servers that dial: to scripted far servers which answer and behave well or badly, beside a
// few clients.
func TestDialSimulation(t *testing.T) { simulate(t, newDialRun) }

// The same seed gives the same run.
func TestDialSimulationRepeats(t *testing.T) { simulateTwice(t, newDialRun) }

func newDialRun(seed uint64, without map[int]bool, trace func(string)) *simRun {
	draw := rand.New(rand.NewPCG(seed, 3))
	r := newRun(seed, without)
	for range draw.IntN(3) {
		r.add().draw()
	}
	together := draw.IntN(4) == 0
	for range 1 + draw.IntN(6) {
		d := r.dial()
		d.draw()
		d.together = together
	}
	if draw.IntN(4) == 0 {
		r.shutAt = time.Duration(1+draw.IntN(8000)) * time.Millisecond
	}
	r.make(draw, trace)
	r.server.MaxHeadBytes = 4 << 10 // so that an endless head ends soon
	return r
}

// dial adds a server that is dialed.
func (r *simRun) dial() *simDial {
	c := r.add()
	c.dial = &simDial{far: c}
	return c.dial
}

// A connection that is tried at the next address has its place among MaxConnections already; and of several that are asked for
// at once, only as many open as there are places.
func TestSimDialLastPlace(t *testing.T) {
	r := newRun(1, nil)
	d := r.dial()
	d.addresses = 2
	failed := false
	s := &Server{MaxConnections: 1, Logger: slog.New(slog.DiscardHandler)}
	r.server, d.data = s, nil
	r.world = sim.New(sim.Options{
		Fail: func(call sim.Call, _ int) syscall.Errno {
			if call != sim.CallAdd || d.began == 0 || failed {
				return 0
			}
			failed = true
			return syscall.ENOMEM
		},
		Main: func(w *sim.World) {
			w.OnDial(r.reached)
			w.Advance(time.Second)
			d.start()
			w.Settle()
			if !failed || d.conn == (Conn{}) {
				t.Errorf("done with %v at the second address", d.err)
			}
			d.conn.Abort()
			w.Settle()
			one, two := r.dial(), r.dial()
			one.start()
			two.start()
			w.Settle()
			if one.conn == (Conn{}) || !errors.Is(two.refused, ErrTooMany) {
				t.Errorf("done with %v and %v", one.err, two.refused)
			}
		},
	})
	if err := s.ServeDriver(r.world.Driver()); err != ErrServerClosed {
		t.Error(err)
	}
}
