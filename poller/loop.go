//go:build linux || darwin || freebsd

package poller

import (
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	readBytes = 64 << 10
	noSlot    = ^uint32(0) >> 1
	// spinMillis is how long a loop waits without letting go of its processor
	// before it blocks. Traffic that keeps coming is met in this state, and the
	// Go scheduler hears nothing of it. It is as long as the kernel's own tick at 250 Hz: a shorter time
	// has the clock set anew for each wait, which costs more than reading and writing a message.
	spinMillis = 4
)

// death is a connection whose Closed is due at the end of the turn.
type death struct {
	token Token
	err   error
}

// arrival is a descriptor on its way to its loop: accepted by another one, or dialed or adopted by any
// goroutine.
type arrival struct {
	fd              int
	dialed, adopted bool
	tag             any
	input           []byte // of one that is adopted
}

// loop is one event loop of the native driver. Only its goroutine touches it,
// but for the last group of fields.
type loop struct {
	driver    *Native
	index     int
	handler   Handler
	mechanism mechanism
	kernel    kernel
	clock     func() time.Duration

	now      time.Duration
	nextTick time.Duration
	events   [maxEvents]event
	buffer   []byte // what is read, one connection at a time
	vec      [][]byte
	buffers  Buffers

	conns      Slab[conn]
	freeSlot   uint32 // head of the list through conn.fd, or noSlot
	usedSlots  uint32
	extras     []*extra // index 0 is not used
	freeExtras []uint32
	rests      []Token // connections with input not consumed, to be presented again
	restsNow   []Token
	dead       []death
	undead     []undead

	listeners []int
	resting   bool // accept lacked a resource: the listeners are not watched

	pins     pins         // of TryWrite
	count    atomic.Int64 // connections on this loop or on their way to it
	woken    atomic.Bool  // a turn was asked for
	sleeping atomic.Bool  // the loop may be waiting: ending the wait takes a system call
	mu       sync.Mutex   // guards what follows
	handed   []arrival
	failed   []death // what TryWrite found
	closed   bool    // the mechanism is closed
}

var _ Loop = (*loop)(nil)

func newLoop(d *Native, index int, m mechanism, k kernel) *loop {
	start := time.Now()
	return &loop{
		driver: d, index: index, mechanism: m, kernel: k,
		clock:  func() time.Duration { return time.Since(start) },
		buffer: make([]byte, readBytes), vec: make([][]byte, 0, maxVec),
		freeSlot: noSlot, extras: make([]*extra, 1), nextTick: TickInterval,
	}
}

// Index implements Loop.
func (l *loop) Index() int { return l.index }

// Now implements Loop.
func (l *loop) Now() time.Duration { return l.now }

// run takes turns until the driver stops.
func (l *loop) run() {
	l.watchListeners()
	for !l.driver.stopped.Load() {
		l.turn(l.wait())
	}
	l.shut()
}

// turn does all the work of one iteration.
func (l *loop) turn(n int) {
	l.now = l.clock()
	if len(l.undead) > 0 {
		l.closeUndead()
	}
	// First, so that what Data leaves now waits for a later turn.
	if len(l.rests) > 0 {
		l.presentRests()
	}
	for i := range n {
		l.dispatch(&l.events[i])
	}
	// Cleared before the flush: who writes after the flush asks for a turn again.
	if l.woken.Load() {
		l.woken.Store(false)
		l.takeFailed()
		l.takeHanded()
	}
	if l.now >= l.nextTick {
		l.tick()
	}
	l.bury()
	l.handler.Flush()
	l.bury()
}

// wait returns the number of events: at once while there is work, else after a look
// without waiting, a short wait that keeps the processor, and a long one that
// gives it away.
func (l *loop) wait() int {
	n, _ := l.mechanism.poll(l.events[:], 0)
	if n > 0 || len(l.rests) > 0 || l.woken.Load() {
		return n
	}
	// Goroutines that a callback woke run now, not after the short wait.
	runtime.Gosched()
	if n = l.sleep(l.mechanism.poll, spinMillis); n == 0 {
		n = l.sleep(l.mechanism.block, l.blockMillis())
	}
	return n
}

// sleep waits unless a turn was asked for. A Wake that took sleeping back has written to
// the waker, or is about to; the flag is set anew before each wait, because the wait
// before it may have swallowed that.
func (l *loop) sleep(wait func([]event, int) (int, syscall.Errno), timeoutMillis int) int {
	l.sleeping.Store(true)
	defer l.sleeping.Store(false)
	if l.woken.Load() {
		return 0
	}
	n, _ := wait(l.events[:], timeoutMillis)
	return n
}

// blockMillis is the time to the next tick, rounded up.
func (l *loop) blockMillis() int {
	left := l.nextTick - l.clock()
	return int(max(left, 0)/time.Millisecond) + 1
}

func (l *loop) dispatch(ev *event) {
	t := ev.token
	if t.Slot() == slotListener {
		l.accept(int(t.Generation()))
		return
	}
	c := l.lookup(t)
	if c == nil {
		return
	}
	if c.flags&connConnecting != 0 {
		l.connecting(t, c, ev.ready)
		return
	}
	if ev.ready&(readyRead|readyHangup) != 0 {
		switch {
		case c.flags&(connPaused|connEOF) == 0:
			if c.extra == 0 || l.extras[c.extra].rest == nil {
				l.readable(t, c)
			}
		case ev.ready&readyHangup != 0:
			l.hangup(t, c, ev.ready&readyError != 0)
		}
	}
	// Past a hang-up a write can only fail, and would hide what is still to be read.
	if ev.ready&(readyWrite|readyHangup) == readyWrite && c.flags&connDead == 0 {
		l.writable(t, c)
	}
}

func (l *loop) tick() {
	l.nextTick = l.now + TickInterval
	l.buffers.Trim()
	if l.resting {
		l.watchListeners()
	}
	l.handler.Tick(l.now)
}

// bury tells the handler of the connections that ended and frees their slots. What
// ends meanwhile is buried too.
func (l *loop) bury() {
	for i := 0; i < len(l.dead); i++ {
		d := l.dead[i]
		l.handler.Closed(d.token, d.err)
		l.release(l.conns.At(d.token.Slot()), d.token.Slot())
	}
	if len(l.dead) > 0 && l.resting {
		l.watchListeners()
	}
	clear(l.dead)
	l.dead = l.dead[:0]
}

// Wake implements Loop.
func (l *loop) Wake() {
	if l.woken.Load() || l.woken.Swap(true) {
		return
	}
	if l.sleeping.CompareAndSwap(true, false) {
		l.mu.Lock()
		if !l.closed {
			l.mechanism.wake()
		}
		l.mu.Unlock()
	}
}

// hand gives the loop a descriptor, unless it is shut.
func (l *loop) hand(a arrival) (taken bool) {
	l.mu.Lock()
	taken = !l.closed
	if taken {
		l.handed = append(l.handed, a)
	}
	l.mu.Unlock()
	if taken {
		l.Wake()
	}
	return taken
}

// takeHanded opens what was handed over, and notices the driver's
// orders, which come with a wake.
func (l *loop) takeHanded() {
	l.mu.Lock()
	handed := l.handed
	l.handed = nil
	l.mu.Unlock()
	for _, a := range handed {
		switch {
		case a.dialed:
			l.startDialed(a)
		case a.adopted:
			l.startAdopted(a)
		default:
			l.open(a.fd)
		}
	}
	if l.driver.refusing.Load() {
		l.closeListeners()
	}
}

// shut closes everything, when the driver stops.
func (l *loop) shut() {
	l.closeListeners()
	for _, a := range l.refuse() {
		if a.dialed || a.adopted {
			l.startDialed(a) // the handler is owed its end
		} else {
			l.discard(a)
		}
	}
	l.mechanism.close()
	for slot := range l.usedSlots {
		c := l.conns.At(slot)
		l.Close(MakeToken(slot, c.generation.Load()), ErrStopped)
	}
	l.bury()
	l.handler.Flush()
	l.bury()
	l.awaitUndead()
	l.buffers.Empty()
}

// refuse has the loop take no descriptors and no wakes any more. It returns those that were
// handed to it.
func (l *loop) refuse() []arrival {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	handed := l.handed
	l.handed = nil
	return handed
}

// discard closes a descriptor that the handler was not told of.
func (l *loop) discard(a arrival) {
	l.kernel.close(a.fd)
	l.count.Add(-1)
}
