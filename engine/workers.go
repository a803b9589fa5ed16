package engine

import (
	"log/slog"
	"runtime/debug"
	"sync"
)

// jobsPerTurn is how many callbacks of a connection a worker runs before others get theirs.
const jobsPerTurn = 16

// workers run the callbacks of inboxes, each inbox in order and by one worker at a time. A
// worker is a goroutine that exists only while there is work.
type workers struct {
	most  int
	start func(func())   // starts a goroutine
	spawn func()         // run, made once so that starting a goroutine needs no memory
	wg    sync.WaitGroup // of the inboxes that are queued or run; added to while their connections live

	mu      sync.Mutex
	ready   []*inbox
	head    int // of ready: those before were taken
	running int
}

func newWorkers(most int) *workers {
	w := &workers{most: most, start: func(f func()) { go f() }}
	w.spawn = w.run
	return w
}

// submit queues an inbox, which is not queued or run already.
func (w *workers) submit(b *inbox) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ready = append(w.ready, b)
	if w.running < w.most {
		w.running++
		w.start(w.spawn)
	}
}

// next takes an inbox, or takes leave.
func (w *workers) next() *inbox {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.head == len(w.ready) {
		w.ready, w.head = w.ready[:0], 0
		w.running--
		return nil
	}
	b := w.ready[w.head]
	w.ready[w.head] = nil
	w.head++
	if w.head > len(w.ready)/2 && w.head > 1024 {
		n := copy(w.ready, w.ready[w.head:])
		clear(w.ready[n:])
		w.ready, w.head = w.ready[:n], 0
	}
	return b
}

func (w *workers) run() {
	for b := w.next(); b != nil; b = w.next() {
		if b.conn.loop.work(b) {
			w.submit(b)
		} else {
			w.wg.Done()
		}
	}
}

// work runs some of the callbacks of an inbox, on a worker. It says whether the inbox is still to
// be run.
func (l *loop) work(b *inbox) (more bool) {
	c, events := b.conn, b.events
	for range jobsPerTurn {
		j, ok := l.next(b)
		if !ok {
			return false
		}
		if j.kind == jobClose {
			l.workClose(c, b, &j)
			return false
		}
		l.workOne(events, c, &j)
	}
	return true
}

func (l *loop) workOne(events *Events, c Conn, j *job) {
	defer l.fence(c)
	l.run(events, c, j)
}

// workClose makes the last callback of a connection that ended before its callbacks had all run.
func (l *loop) workClose(c Conn, b *inbox, j *job) {
	defer func() {
		l.mu.Lock()
		delete(l.lingering, c.token)
		l.dropInbox(b)
		l.mu.Unlock()
		l.server.connectionGone()
	}()
	defer l.fence(c)
	if b.events.Close != nil {
		l.call(b.events, c, j)
	}
}

// fence, deferred around callbacks on workers, turns a panic into the end of the connection
// alone.
func (l *loop) fence(c Conn) {
	v := recover()
	if v == nil {
		return
	}
	l.server.reportPanic(v)
	l.mu.Lock()
	l.cutInbox(c.token)
	l.order(c.token, orderPanic)
	l.mu.Unlock()
	l.driver.Wake()
}

// reportPanic counts and logs a panic in a callback, with the stack of the goroutine that calls it.
func (s *Server) reportPanic(v any) {
	s.counters.panics.Add(1)
	s.logger().Error("wsloop: panic in a callback", slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
}
