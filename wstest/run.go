//go:build linux || darwin || freebsd

package wstest

import (
	"log/slog"
	"strings"

	"github.com/wsloop/wsloop/engine"
	"github.com/wsloop/wsloop/poller/sim"
)

// T is what Run needs of a *testing.T. Fatalf must not return.
type T interface {
	Helper()
	Failed() bool
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Options are for runs under chance. The zero value is what Run uses.
type Options struct {
	// Seed decides all that is left to chance. Equal seeds and scripts give equal runs.
	Seed uint64
	// Faults has bytes travel in pieces and system calls fail, in ways that cost no connection.
	Faults bool
	// Loops is the number of the server's event loops, 1 if 0.
	Loops int
	// Trace, if set, is told of everything that happens, a line each.
	Trace func(line string)
}

// Run serves with srv, which must not have served before, while script runs. Without a Logger of its
// own the server logs to t.
func Run(t T, srv *engine.Server, script func(w *World)) {
	t.Helper()
	Options{}.Run(t, srv, script)
}

// Run is the function Run with options.
func (o Options) Run(t T, srv *engine.Server, script func(w *World)) {
	t.Helper()
	if srv.Logger == nil {
		srv.Logger = slog.New(slog.NewTextHandler(logWriter{t}, nil))
	}
	w := &World{t: t, server: srv, faults: o.Faults, endShutdown: func() {}}
	failedBefore, ran, over := t.Failed(), false, false
	defer func() {
		// Also when the script panics.
		w.endShutdown()
		if !over || t.Failed() && !failedBefore {
			t.Logf("wstest: repeat it with Options{Seed: %d, Faults: %v}", o.Seed, o.Faults)
		}
	}()
	w.driver = newDriver(sim.New(sim.Options{
		Seed: o.Seed, Loops: o.Loops, Faults: o.faults(), Trace: o.Trace,
		Main: func(*sim.World) {
			ran = true
			script(w)
			w.Settle()
		},
	}))
	if err := srv.ServeDriver(w.driver); !ran {
		t.Fatalf("wstest: the server does not serve: %v", err)
	}
	over = true
}

// faults are those that a healthy connection survives, and that need no time to pass.
func (o Options) faults() sim.Faults {
	if !o.Faults {
		return sim.Faults{}
	}
	return sim.Faults{
		ShortRead: 0.1, ShortWrite: 0.1, Again: 0.05, Interrupt: 0.05,
		Spurious: 0.05, Stale: 0.1, Hide: 0.1, DelayAccept: 0.2, CloseFails: 0.1,
	}
}

// logWriter has the server's log go where the test's does.
type logWriter struct{ t T }

func (w logWriter) Write(line []byte) (int, error) {
	w.t.Logf("%s", strings.TrimSuffix(string(line), "\n"))
	return len(line), nil
}
