//go:build linux || darwin || freebsd

package sim

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/wsloop/wsloop/poller"
)

// Options configure a World. The zero value is a system without faults and without a script.
type Options struct {
	// Seed decides everything that is left to chance.
	Seed uint64
	// Loops is the number of loops, 1 if 0.
	Loops int
	// ReusePort gives each loop a listener of its own. Otherwise the first accepts for all.
	ReusePort bool
	// Faults happen until Calm is called.
	Faults Faults
	// Fail, if set, is asked before the n-th system call of a kind, from 1, and may fail it. Calm ends that too.
	Fail func(call Call, n int) syscall.Errno
	// Meter and Keep are those of poller.Options.
	Meter *atomic.Int64
	Keep  int
	// SendBuffer and ReceiveBuffer are what a socket holds each way; 64 KiB if 0.
	SendBuffer, ReceiveBuffer int
	// Descriptors is how many may be open at once, listeners included; 0 means no limit.
	Descriptors int
	// Main is the script. Serve runs it once the loops are started, and stops them when it returns.
	Main func(*World)
	// Trace, if set, is told of everything that happens, a line each.
	Trace func(line string)
}

const bufferBytes = 64 << 10

// maxIdleTurns in a row, in which nothing moves and no time passes, mean that a loop spins.
const maxIdleTurns = 100_000

// A World is a driver, the system it stands on, and the peers that it talks to.
type World struct {
	options Options
	random  *rand.Rand
	driver  *poller.Stepped
	now     time.Duration
	calm    bool
	started bool // the loops can take turns
	inside  bool // a step is under way

	loops     []*loop
	listeners []listener
	table     descriptors
	sockets   []*[chunk]socket
	count     uint32 // sockets that were made
	addresses map[uint32]address
	dials     map[uint32]dial // of sockets that the driver made
	onDial    func(*Peer)
	links     []*link // index 0 is not used
	freeLinks []uint32
	moving    []move // what can move now
	buffers   poller.Buffers

	timers    timers
	ready     []func() // given to Go
	runnable  []*loop  // scratch
	calls     [callCount]int
	storm     int // calls that are yet to answer EAGAIN
	discarded int64
	progress  uint64 // counts what moved
}

var _ poller.Driver = (*World)(nil)

// New makes a world in which nothing has happened yet.
func New(o Options) *World {
	o.Loops = cmp.Or(o.Loops, 1)
	o.SendBuffer = cmp.Or(o.SendBuffer, bufferBytes)
	o.ReceiveBuffer = cmp.Or(o.ReceiveBuffer, bufferBytes)
	w := &World{
		options: o, random: rand.New(rand.NewPCG(o.Seed, 0x9e3779b97f4a7c15)),
		links: []*link{{}}, addresses: map[uint32]address{}, dials: map[uint32]dial{},
	}
	w.driver = poller.NewStepped(poller.Options{
		Loops: o.Loops, ReusePort: o.ReusePort, Meter: o.Meter, Keep: o.Keep,
	}, w.system())
	listeners := 1
	if o.ReusePort {
		listeners = o.Loops
	}
	for range listeners {
		w.driver.AddListener(w.listen())
	}
	return w
}

// Serve implements poller.Driver. It runs Options.Main on its own goroutine and returns when Main did,
// every connection is closed, and what was given to Go has run. What peers have not been told by then they are told by further steps.
func (w *World) Serve(newHandler func(poller.Loop) poller.Handler) error {
	if err := w.driver.Start(newHandler); err != nil {
		return err
	}
	w.started = true
	if w.options.Main != nil {
		w.options.Main(w)
	}
	w.driver.Stop()
	w.inside = true
	defer func() { w.inside = false }()
	for _, l := range w.loops {
		if !w.driver.Done(l.index) {
			w.turn(l)
		}
	}
	for len(w.ready) > 0 { // the last callbacks may be theirs
		w.stepFunction()
	}
	return nil
}

// SetMeter sets Options.Meter and Keep, before Serve.
func (w *World) SetMeter(meter *atomic.Int64, keep int) { w.driver.SetMeter(meter, keep) }

// StopAccepting implements poller.Driver.
func (w *World) StopAccepting() { w.driver.StopAccepting() }

// Stop implements poller.Driver. The loops end on their next turns, Serve when Main returns.
func (w *World) Stop() { w.driver.Stop() }

// Stats are the driver's.
func (w *World) Stats() *poller.Stats { return w.driver.Stats() }

// Discarded is how many bytes went to peers that discard them.
func (w *World) Discarded() int64 { return w.discarded }

// Seed is that of Options.
func (w *World) Seed() uint64 { return w.options.Seed }

// Random is the world's source, for scripts that leave something to chance.
func (w *World) Random() *rand.Rand { return w.random }

// Now is the virtual time. It passes in Advance, and by the fault ClockJump.
func (w *World) Now() time.Duration { return w.now }

// Calm ends all faults, so that a run can come to a clean end.
func (w *World) Calm() { w.calm = true }

// Go has f run at some later step.
func (w *World) Go(f func()) { w.ready = append(w.ready, f) }

// After has f run once d has passed.
func (w *World) After(d time.Duration, f func()) { w.timers.add(w.now+max(d, 0), f) }

// Step lets one thing happen. It returns false if nothing can without time passing.
func (w *World) Step() bool {
	if w.inside {
		panic("sim: a step inside a step")
	}
	w.inside = true
	defer func() { w.inside = false }()

	const (
		turn = iota
		move
		function
	)
	var kinds [3]int
	n := 0
	if w.findRunnable(); len(w.runnable) > 0 {
		kinds[n] = turn
		n++
	}
	if len(w.moving) > 0 {
		kinds[n] = move
		n++
	}
	if len(w.ready) > 0 || w.timers.due(w.now) {
		kinds[n] = function
		n++
	}
	if n == 0 {
		return false
	}
	switch kinds[w.random.IntN(n)] {
	case turn:
		w.turn(w.runnable[w.random.IntN(len(w.runnable))])
	case move:
		w.stepMove()
	case function:
		w.stepFunction()
	}
	return true
}

// Settle lets things happen until nothing can without time passing.
func (w *World) Settle() {
	for w.Step() {
	}
}

// Advance lets d pass, and everything happen that comes with it.
func (w *World) Advance(d time.Duration) {
	end := w.now + d
	for {
		w.Settle()
		next, ok := w.next()
		if !ok || next > end {
			break
		}
		w.now = max(w.now, next)
	}
	w.now = max(w.now, end)
}

// Block has the callback or the function of a script that runs take d, as one that blocks would: what else was due
// meanwhile happens late.
func (w *World) Block(d time.Duration) {
	w.trace("blocked", 0, int(d))
	w.now += max(d, 0)
}

// next is when something happens because of the time.
func (w *World) next() (at time.Duration, ok bool) {
	if len(w.timers.heap) > 0 {
		at, ok = w.timers.heap[0].at, true
	}
	for _, l := range w.loops {
		if w.driver.Done(l.index) {
			continue
		}
		if tick := w.driver.NextTick(l.index); !ok || tick < at {
			at, ok = tick, true
		}
	}
	return at, ok
}

// findRunnable lists the loops that would not wait.
func (w *World) findRunnable() {
	w.runnable = w.runnable[:0]
	if !w.started {
		return
	}
	for _, l := range w.loops {
		if w.driver.Done(l.index) {
			continue
		}
		if l.wakes.Load() && l.wakes.Swap(false) && w.fail(CallWake) == 0 {
			l.woken = true
		}
		if l.more || l.woken || w.driver.NextTick(l.index) <= w.now || l.hasReady() {
			w.runnable = append(w.runnable, l)
		}
	}
}

// turn lets a loop take a turn.
func (w *World) turn(l *loop) {
	if w.happens(w.options.Faults.ClockJump) {
		w.now += time.Second + time.Duration(w.random.Int64N(int64(5*time.Minute)))
		w.trace("clock jumps", l.index, int(w.now/time.Millisecond))
	}
	w.trace("turn", l.index, 0)
	before := w.progress
	l.more = w.driver.Turn(l.index)
	if w.progress != before || w.now != l.lastTurn {
		l.idleTurns, l.lastTurn = 0, w.now
		return
	}
	if l.idleTurns++; l.idleTurns == maxIdleTurns {
		panic(fmt.Sprintf("sim: seed %d: loop %d spins: %d turns in which nothing happened", w.options.Seed, l.index, l.idleTurns))
	}
}

// stepFunction runs a timer's function, in the order of time, or any of those given to Go.
func (w *World) stepFunction() {
	w.progress++
	if w.timers.due(w.now) && (len(w.ready) == 0 || w.random.IntN(2) == 0) {
		w.trace("timer", 0, 0)
		w.timers.take()()
		return
	}
	i, last := w.random.IntN(len(w.ready)), len(w.ready)-1
	f := w.ready[i]
	w.ready[i], w.ready[last] = w.ready[last], nil
	w.ready = w.ready[:last]
	w.trace("function", i, last)
	f()
}

// trace tells what happened to whom, with one more number.
func (w *World) trace(what string, who, n int) {
	if w.options.Trace != nil {
		w.options.Trace(fmt.Sprintf("%v %s %d: %d", w.now, what, who, n))
	}
}

// errRefused and errReset are what Peer.OnEnd is told, beside io.EOF.
var (
	errRefused error = syscall.ECONNREFUSED
	errReset   error = syscall.ECONNRESET
)
