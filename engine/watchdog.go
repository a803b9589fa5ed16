package engine

import (
	"bytes"
	"log/slog"
	"runtime"
	"time"

	"github.com/wsloop/wsloop/poller"
)

// minSlowCallback is the shortest time in which a loop that is not held up raises its beat for sure: it
// does at every tick.
const minSlowCallback = 2 * tick

// A watched loop is what the watchdog knows of one.
type watched struct {
	beat     uint64
	since    time.Time // when the beat was first seen
	reported bool
}

// watch reports loops that a callback holds up for longer than after, until done is closed. A loop is
// reported once for each time that it stops.
func (s *Server) watch(after time.Duration, done <-chan struct{}) {
	ticker := time.NewTicker(after / 4)
	defer ticker.Stop()
	loops := make([]watched, poller.LoopCount(s.Loops))
	last := time.Now()
	for {
		select {
		case <-done:
			return
		case now := <-ticker.C:
			if now.Sub(last) > after/2 {
				clear(loops) // the process was stopped, and the loops with it
			}
			last = now
			s.look(loops, now, after)
		}
	}
}

// look compares the beats of the loops with those of the last look.
func (s *Server) look(loops []watched, now time.Time, after time.Duration) {
	s.mu.Lock()
	all := s.loops
	s.mu.Unlock()
	for i, l := range all {
		w := &loops[i]
		if beat := l.beat.Load(); beat != w.beat || w.since.IsZero() {
			*w = watched{beat: beat, since: now}
		} else if stuck := now.Sub(w.since); stuck > after && !w.reported {
			w.reported = true
			s.reportSlow(l, stuck)
		}
	}
}

// reportSlow counts and logs a loop that does not go on, with what its goroutine is doing.
func (s *Server) reportSlow(l *loop, stuck time.Duration) {
	s.counters.slowCallbacks.Add(1)
	s.logger().Warn("wsloop: a callback holds up its loop", slog.Int("loop", l.driver.Index()),
		slog.Duration("for", stuck), slog.String("stack", stackOf(l.goroutine.Load())))
}

// goroutineName is how stacks name the goroutine that calls it: "goroutine 7 ".
func goroutineName() string {
	var b [64]byte
	head := b[:runtime.Stack(b[:], false)]
	if i := bytes.IndexByte(head, '['); i > 0 {
		head = head[:i]
	}
	return string(head)
}

// maxStacks bounds the memory that looking for one stack among all takes.
const maxStacks = 4 << 20

// stackOf returns the stack of a goroutine.
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
