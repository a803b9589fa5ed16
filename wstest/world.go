//go:build linux || darwin || freebsd

package wstest

import (
	"math/rand/v2"
	"time"

	"github.com/wsloop/wsloop/engine"
)

// A World is a server, its clients, and the time they share. It is used on the goroutine of Run alone.
type World struct {
	t           T
	server      *engine.Server
	driver      *driver
	faults      bool
	clients     []*Client
	endShutdown func() // waits for Server.Shutdown
}

// Settle lets everything happen that can without time passing.
func (w *World) Settle() {
	w.t.Helper()
	w.driver.Settle()
	w.checkClients()
}

// Advance lets d pass, and everything happen that comes with it. The engine's deadlines are never early, and late
// by half a second at most.
func (w *World) Advance(d time.Duration) {
	w.t.Helper()
	w.driver.Advance(d)
	w.Settle()
}

// Now is how much time has passed.
func (w *World) Now() time.Duration { return w.driver.Now() }

// After has f run once d has passed, as time.AfterFunc does.
func (w *World) After(d time.Duration, f func()) { w.driver.After(d, f) }

// Go has f run at some later moment before the world is settled, in place of a goroutine. It must not block.
func (w *World) Go(f func()) { w.driver.Go(f) }

// Random is the run's own source, for scripts that leave something to chance.
func (w *World) Random() *rand.Rand { return w.driver.Random() }

// Stats settles the world and reads the server's counters.
func (w *World) Stats() engine.Stats {
	w.t.Helper()
	w.Settle()
	return w.server.Stats()
}

// checkClients fails the test if the server broke the protocol. Clients find that inside a step, where a test must
// not end.
func (w *World) checkClients() {
	w.t.Helper()
	for _, c := range w.clients {
		if c.violation != nil {
			c.fatalf("the server breaks the protocol: %v", c.violation)
		}
	}
}
