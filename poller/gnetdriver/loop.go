package gnetdriver

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/panjf2000/gnet/v2"

	"github.com/wsloop/wsloop/poller"
)

// readBytes is the most that gnet reads of one connection at a time.
const readBytes = 64 << 10

// loop is the driver's side of a loop of gnet. Only gnet's goroutine touches it, but for the last group of
// fields and what slots.conn points to.
type loop struct {
	driver  *Driver
	index   int
	handler poller.Handler
	gnet    gnet.EventLoop
	start   time.Time
	turn    gnet.Runnable

	now       time.Duration
	current   *conn // of which gnet tells just now
	slots     poller.Slab[slot]
	freeSlots []uint32
	usedSlots uint32
	buffers   poller.Buffers
	loopWire
	again    []*conn // to be attended to on a later turn
	againNow []*conn
	dead     []death
	isShut   bool
	done     chan struct{} // closed by shut

	count     atomic.Int64 // connections on this loop or on their way to it
	woken     atomic.Bool  // a turn was asked for
	running   atomic.Bool  // a turn is being taken; its end looks at woken
	scheduled atomic.Bool  // gnet has a turn in its queue
	tickDue   atomic.Bool
	mu        sync.Mutex // guards what follows
	posted    []func()
	isOpen    bool // gnet runs the loop
}

// slot holds a connection. generation is that of the next one.
type slot struct {
	conn       atomic.Pointer[conn]
	generation uint32
}

// death is a connection whose Closed is due at the end of the turn.
type death struct {
	conn *conn
	err  error
}

var _ poller.Loop = (*loop)(nil)

func newLoop(d *Driver, index int) *loop {
	l := &loop{driver: d, index: index, start: time.Now(), done: make(chan struct{})}
	l.turn = gnet.RunnableFunc(func(context.Context) error { l.run(); return nil })
	l.scheduled.Store(true) // open does it
	return l
}

// open begins to take turns.
func (l *loop) open(in gnet.EventLoop) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gnet, l.isOpen = in, true
	_ = in.Execute(context.Background(), l.turn) // see schedule
}

// refuse has nothing more be asked of gnet's loop: it is about to end.
func (l *loop) refuse() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.isOpen, l.posted = false, nil
}

// Index implements poller.Loop.
func (l *loop) Index() int { return l.index }

// Now implements poller.Loop.
func (l *loop) Now() time.Duration { return l.now }

// Wake implements poller.Loop.
func (l *loop) Wake() {
	if l.woken.Load() || l.woken.Swap(true) || l.running.Load() {
		return
	}
	l.schedule()
}

// schedule has gnet take a turn, unless it is about to.
func (l *loop) schedule() {
	if !l.scheduled.CompareAndSwap(false, true) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isOpen {
		// An error would mean that gnet ended the loop, of which OnClose tells.
		_ = l.gnet.Execute(context.Background(), l.turn)
	}
}

// post has the loop call f on a turn, unless it is closed. Any goroutine may call it.
func (l *loop) post(f func()) bool {
	l.mu.Lock()
	open := l.isOpen
	if open {
		l.posted = append(l.posted, f)
	}
	l.mu.Unlock()
	if open {
		l.Wake()
	}
	return open
}

// run takes a turn that was asked for.
func (l *loop) run() {
	l.scheduled.Store(false)
	l.begin(nil)
	l.again, l.againNow = l.againNow[:0], l.again
	for _, c := range l.againNow {
		c.flags &^= connAgain
		l.attend(c)
	}
	clear(l.againNow)
	l.end()
}

// begin starts a turn: with an event of c, if it is not nil.
func (l *loop) begin(c *conn) {
	l.running.Store(true)
	l.current = c
	l.now = time.Since(l.start)
}

// end does what ends a turn.
func (l *loop) end() {
	// Cleared before the flush: who writes after the flush asks for a turn again.
	if l.woken.Load() {
		l.woken.Store(false)
		l.takePosted()
	}
	if l.tickDue.Load() && l.tickDue.Swap(false) {
		l.buffers.Trim()
		l.handler.Tick(l.now)
	}
	l.bury()
	l.handler.Flush()
	l.bury()
	l.current = nil
	l.running.Store(false)
	if len(l.again) > 0 || l.woken.Load() {
		l.schedule()
	}
}

func (l *loop) takePosted() {
	l.mu.Lock()
	posted := l.posted
	l.posted = nil
	l.mu.Unlock()
	for _, f := range posted {
		f()
	}
}

// bury tells the handler of the connections that ended and gives them up. What ends meanwhile
// is buried too.
func (l *loop) bury() {
	for i := 0; i < len(l.dead); i++ {
		d := l.dead[i]
		l.handler.Closed(d.conn.token, d.err)
		l.release(d.conn)
	}
	clear(l.dead)
	l.dead = l.dead[:0]
}

// attendLater lists the connection for a later turn, once however often it is paused and resumed meanwhile.
func (l *loop) attendLater(c *conn) {
	if c.flags&(connPaused|connAgain|connDead) == 0 {
		c.flags |= connAgain
		l.again = append(l.again, c)
		if !l.running.Load() {
			l.Wake()
		}
	}
}

// shut closes all connections, when the driver stops.
func (l *loop) shut() {
	if l.isShut {
		return
	}
	l.isShut = true
	for i := range l.usedSlots {
		if c := l.slots.At(i).conn.Load(); c != nil {
			l.Close(c.token, poller.ErrStopped)
		}
	}
	l.bury()
	l.handler.Flush()
	l.bury()
	l.buffers.Empty()
	close(l.done)
}
