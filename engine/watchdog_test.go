package engine

import (
	"bytes"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
)

// watching is a watchdog without a clock of its own, over a loop without sockets.
type watching struct {
	watchdog
	*memory
	log bytes.Buffer
	now time.Time
}

func newWatching(t *testing.T) *watching {
	s := &Server{}
	w := &watching{now: time.Now()}
	s.Logger = slog.New(slog.NewTextHandler(&w.log, nil))
	w.memory = newMemory(t, s)
	w.watchdog = watchdog{server: s, after: time.Second}
	return w
}

// lookFor lets time pass and the watchdog look as often as it does.
func (w *watching) lookFor(d time.Duration) {
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(w.after / 4)
		w.look(w.now)
	}
}

func (w *watching) expect(t *testing.T, when string, reports int) {
	t.Helper()
	if n := w.server.Stats().SlowCallbacks; n != uint64(reports) || strings.Count(w.log.String(), "\n") != reports {
		t.Errorf("%s: %d reports, want %d, logged %s", when, n, reports, &w.log)
	}
}

// A loop is reported once for each time that it stops for longer than SlowCallback.
func TestWatchdogReportsOnce(t *testing.T) {
	w := newWatching(t)
	w.lookFor(w.after)
	w.expect(t, "at the limit", 0)
	w.lookFor(w.after / 2)
	w.expect(t, "beyond the limit", 1)
	w.lookFor(10 * w.after)
	w.expect(t, "much later", 1)
	w.turn()
	w.lookFor(w.after)
	w.turn()
	w.lookFor(w.after)
	w.expect(t, "while it goes on", 1)
	w.lookFor(w.after)
	w.expect(t, "the second time", 2)
}

// Time in which the whole process was stopped is not held against the loops, and does not make a report twice.
func TestWatchdogAfterTheProcessWasStoppedW42(t *testing.T) {
	w := newWatching(t)
	w.lookFor(w.after / 2)
	w.now = w.now.Add(5 * time.Minute)
	w.look(w.now)
	w.lookFor(w.after)
	w.expect(t, "after the stop", 0)
	w.lookFor(w.after / 2)
	w.expect(t, "later", 1)
	w.now = w.now.Add(5 * time.Minute)
	w.look(w.now)
	w.lookFor(10 * w.after)
	w.expect(t, "after the second stop", 1)
}

// A loop that has ended is not taken for one that is held up, while Close waits for the others.
func TestWatchdogIgnoresEndedLoops(t *testing.T) {
	w := newWatching(t)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.engine.nameGoroutine()
	}()
	<-ended
	until(t, "the goroutine ends", func() bool { return stackOf(w.engine.goroutine.Load()) == "" })
	w.server.Close()
	w.lookFor(10 * w.after)
	w.expect(t, "after its end", 0)
}

// The stack of one goroutine is found among all.
func TestStackOf(t *testing.T) {
	name, found := make(chan string), make(chan struct{})
	defer close(found)
	go namedForStackOf(name, found)
	n := <-name
	if stack := stackOf(&n); !strings.Contains(stack, "namedForStackOf") {
		t.Errorf("the stack of %q is %q", n, stack)
	}
	n += "0"
	if stack := stackOf(&n); stack != "" {
		t.Errorf("the stack of %q is %q", n, stack)
	}
}

func namedForStackOf(name chan<- string, found <-chan struct{}) {
	name <- goroutineName()
	<-found
}

// holdUp is the function that the log is to name.
func holdUp(until <-chan struct{}) { <-until }

// W61: a callback that holds its loop up is counted, logged with its stack, and shows in the loop's lag. One that
// blocks a worker is not, not even while the server closes.
func TestSlowCallbackW61(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{0, 1} {
		log := &lockedBuffer{}
		begun, release := make(chan struct{}), make(chan struct{})
		s := serve(t, &Server{
			Loops: 2, Workers: workers, SlowCallback: 2 * tick, Logger: slog.New(slog.NewTextHandler(log, nil)),
			Events: Events{Message: func(Conn, codec.Opcode, []byte) {
				close(begun)
				holdUp(release)
			}},
		})
		c := s.open()
		ticked := func() uint32 { // of the loop that has ticked least
			s.mu.Lock()
			defer s.mu.Unlock()
			return min(s.loops[0].now.Load(), s.loops[1].now.Load())
		}
		until(t, "all loops have ticked", func() bool { return ticked() > 0 })
		c.send(codec.OpcodeText, "block")
		await(t, begun, "the message")
		if workers == 0 {
			until(t, "it is reported", func() bool { return strings.Contains(log.String(), "engine.holdUp(") })
			close(release)
			until(t, "the lag shows", func() bool { return s.Stats().MaxLoopLag > tick })
			until(t, "the lag is over", func() bool { return s.Stats().LoopLag < s.Stats().MaxLoopLag })
		} else {
			then := ticked()
			until(t, "more than SlowCallback has passed", func() bool { return ticked() > then+4 })
			s.Close()
			time.AfterFunc(4*tick, func() { close(release) }) // the loops have ended by then, and beat no more
		}
		s.stop()
		// A machine that is busy enough may hold loops up too: what counts is what held this one up.
		logged, reports := log.String(), s.Stats().SlowCallbacks
		if n := strings.Count(logged, "engine.holdUp("); n != 1-workers || strings.Count(logged, "\n") != int(reports) {
			t.Errorf("%d workers: %d reports, logged %s", workers, reports, logged)
		}
	}
}

// The watchdog ends before Serve does, and Never keeps it from beginning.
func TestWatchdogIsGoneAfterServe(t *testing.T) {
	barking := func() int {
		stacks := make([]byte, maxStacks)
		return bytes.Count(stacks[:runtime.Stack(stacks, true)], []byte(".(*watchdog).run("))
	}
	if n := barking(); n != 0 {
		t.Fatalf("%d watchdogs before", n)
	}
	s := serve(t, &Server{Loops: 1})
	s.open()
	until(t, "the watchdog runs", func() bool { return barking() == 1 })
	s.stop()
	if n := barking(); n != 0 {
		t.Errorf("%d watchdogs after Serve", n)
	}
	s = serve(t, &Server{Loops: 1, SlowCallback: Never})
	s.open()
	if n := barking(); n != 0 {
		t.Errorf("%d watchdogs with Never", n)
	}
}
