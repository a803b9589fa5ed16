//go:build linux || darwin || freebsd

package wstest

import (
	"context"
	"sync/atomic"

	"github.com/wsloop/wsloop/poller/sim"
)

// A driver is the simulated world as the server sees it. It knows when Server.Shutdown, which blocks and so is on a
// goroutine of its own, has said all that it has to say, so that no moment of the run depends on that goroutine.
type driver struct {
	*sim.World
	draining atomic.Bool
	told     chan struct{} // has room for one
}

func newDriver(w *sim.World) *driver { return &driver{World: w, told: make(chan struct{}, 1)} }

// StopAccepting is the last thing that Shutdown does before it waits.
func (d *driver) StopAccepting() {
	d.World.StopAccepting()
	select {
	case d.told <- struct{}{}:
	default:
	}
}

// Stop ends the loops, unless it is Shutdown that is done waiting: then they end with the script.
func (d *driver) Stop() {
	if !d.draining.Load() {
		d.World.Stop()
	}
}

// Shutdown begins Server.Shutdown, with all the time it wants; Advance has it go on. The server's Drain counts, but Drain.Progress
// is called on another goroutine and by the real clock. Server.Close has no effect afterwards.
func (w *World) Shutdown() {
	if w.driver.draining.Swap(true) {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = w.server.Shutdown(ctx)
	}()
	<-w.driver.told
	w.endShutdown = func() {
		cancel()
		<-ended
	}
}
