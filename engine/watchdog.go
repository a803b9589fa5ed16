package engine

import (
	"bytes"
	"log/slog"
	"runtime"
	"time"
)

// minSlowCallback is the shortest time in which a loop that is not held up raises its beat for sure: it
// does at every tick.
const minSlowCallback = 2 * tick

// A watchdog reports loops that a callback holds up for longer than after, once for each time
// that one stops.
type watchdog struct {
	server *Server
	after  time.Duration
	last   time.Time // when it looked
	loops  []watched
}

// A watched loop is what the watchdog knows of one.
type watched struct {
	beat     uint64
	since    time.Time // when the beat was first seen
	reported bool
}

// watch starts the watchdog, unless after is 0. It ends before the function that is returned does.
func (s *Server) watch(after time.Duration) (unwatch func()) {
	if after == 0 {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		w := watchdog{server: s, after: after}
		w.run(done)
	}()
	return func() {
		close(done)
		<-ended
	}
}

func (w *watchdog) run(done <-chan struct{}) {
	ticker := time.NewTicker(w.after / 4)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case now := <-ticker.C:
			w.look(now)
		}
	}
}

// look compares the beats of the loops with those of the last look. When that was long ago the process was
// stopped, and the loops with it: such time is not held against them.
func (w *watchdog) look(now time.Time) {
	stopped := now.Sub(w.last) > w.after/2
	w.last = now
	w.server.mu.Lock()
	all := w.server.loops
	w.server.mu.Unlock()
	for i, l := range all {
		if i == len(w.loops) {
			w.loops = append(w.loops, watched{since: now})
		}
		x := &w.loops[i]
		if stopped {
			x.since = now
		}
		if beat := l.beat.Load(); beat != x.beat {
			*x = watched{beat: beat, since: now}
		} else if stuck := now.Sub(x.since); stuck > w.after && !x.reported {
			x.reported = true
			w.server.reportSlow(l, stuck)
		}
	}
}

// reportSlow counts and logs a loop that does not go on, with what its goroutine is doing. One that has
// none any more has ended, while Close waits for the others.
func (s *Server) reportSlow(l *loop, stuck time.Duration) {
	stack := stackOf(l.goroutine.Load())
	if stack == "" && s.isClosed() {
		return
	}
	s.counters.slowCallbacks.Add(1)
	s.logger().Warn("wsloop: a callback holds up its loop", slog.Int("loop", l.driver.Index()),
		slog.Duration("for", stuck), slog.String("stack", stack))
}

// goroutineName is how stacks name the goroutine that calls it: "goroutine 7 ".
func goroutineName() string {
	const prefix = "goroutine "
	var b [64]byte
	head := b[:runtime.Stack(b[:], false)]
	if i := bytes.IndexByte(head[len(prefix):], ' '); i > 0 {
		head = head[:len(prefix)+i+1]
	}
	return string(head)
}

// maxStacks bounds the memory that looking for one stack among all takes.
const maxStacks = 4 << 20

// stackOf returns the stack of a goroutine, if it is among those that maxStacks holds.
func stackOf(name *string) string {
	if name == nil {
		return ""
	}
	all := make([]byte, maxStacks)
	all = all[:runtime.Stack(all, true)]
	for stack := range bytes.SplitSeq(all, []byte("\n\n")) {
		if bytes.HasPrefix(stack, []byte(*name)) {
			return string(stack)
		}
	}
	return ""
}
