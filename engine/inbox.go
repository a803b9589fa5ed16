package engine

import (
	"net/netip"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller"
)

// jobBytes is what a queued callback counts beside its payload.
const jobBytes = 64

// A job is a callback to come.
type job struct {
	payload     []byte
	how         *Closure // of jobClose
	kind        jobKind
	op          codec.Opcode
	first, last bool // of jobFragment
}

type jobKind uint8

const (
	jobOpen jobKind = iota
	jobMessage
	jobFragment
	jobPing
	jobPong
	jobDrained
	jobClose
)

// isMessage says whether it brings data, which a pause holds back.
func (j *job) isMessage() bool { return j.kind == jobMessage || j.kind == jobFragment }

// An inbox holds the callbacks of one connection that cannot be called yet: the
// application paused it, or its callbacks run on workers. loop.mu guards it.
type inbox struct {
	conn    Conn
	events  *Events
	index   uint32 // in loop.inboxes
	jobs    []job
	head    int  // of jobs: those before were taken
	bytes   int  // of the jobs
	paused  bool // by the application
	running bool // a worker has it or is going to
	full    bool // so that the connection is not read
	cut     bool // takes nothing but Close any more
	ended   bool // its connection has: a pause holds nothing back any more
	data    any  // what SetData attached, once the connection has ended
	metered int  // what the budget counts for jobs

	remote netip.AddrPort // what a proxy told of the client, once the connection has ended
	source RemoteSource
}

// inboxOf returns a connection's inbox, making it if need be. loop.mu is held.
func (l *loop) inboxOf(t poller.Token, s *sending) *inbox {
	if s.inbox != 0 {
		return l.inboxes[s.inbox]
	}
	if last := len(l.freeInboxes) - 1; last >= 0 {
		s.inbox = l.freeInboxes[last]
		l.freeInboxes = l.freeInboxes[:last]
	} else {
		s.inbox = uint32(len(l.inboxes))
		l.inboxes = append(l.inboxes, &inbox{index: s.inbox})
	}
	b := l.inboxes[s.inbox]
	b.conn, b.events = Conn{l, t}, (*l.server.events.Load())[l.sessions.At(t.Slot()).events]
	return b
}

// inboxFor returns the inbox of a connection, which may have ended, or nil. loop.mu is held.
func (l *loop) inboxFor(t poller.Token) *inbox {
	if s := l.sendingOf(t); s != nil && s.inbox != 0 {
		return l.inboxes[s.inbox]
	}
	return l.lingering[t]
}

// dropInbox gives an inbox back once nothing is in it. loop.mu is held.
func (l *loop) dropInbox(b *inbox) {
	jobs := b.jobs[:0]
	if cap(jobs) > maxIdleJobs {
		jobs = nil
	}
	l.server.budget.account(&b.metered, 0)
	if s := l.sendingOf(b.conn.token); s != nil && s.inbox == b.index {
		s.inbox = 0
	}
	*b = inbox{index: b.index, jobs: jobs}
	l.freeInboxes = append(l.freeInboxes, b.index)
}

// maxIdleJobs bounds what an inbox without a connection keeps.
const maxIdleJobs = 128

// push adds a job, with a copy of its payload.
func (b *inbox) push(j job, pool *poller.Buffers) {
	if b.cut && j.kind != jobClose {
		return
	}
	if len(j.payload) > 0 {
		j.payload = append(pool.Get(len(j.payload)), j.payload...)
	}
	b.bytes += cap(j.payload) + jobBytes
	if len(b.jobs) == cap(b.jobs) && b.head > len(b.jobs)/2 {
		n := copy(b.jobs, b.jobs[b.head:])
		clear(b.jobs[n:])
		b.jobs, b.head = b.jobs[:n], 0
	}
	b.jobs = append(b.jobs, j)
}

// pop takes the first job that may be run. Its payload has to be put back into the pool.
func (b *inbox) pop() (j job, ok bool) {
	if !b.ready() {
		return job{}, false
	}
	j = b.jobs[b.head]
	b.jobs[b.head] = job{}
	b.head++
	b.bytes -= cap(j.payload) + jobBytes
	if b.head == len(b.jobs) {
		b.jobs, b.head = b.jobs[:0], 0
	}
	return j, true
}

// ready says whether the first job may be run: a pause holds it back if it is a message.
func (b *inbox) ready() bool {
	return !b.empty() && (!b.paused || b.ended || !b.jobs[b.head].isMessage())
}

// idle says whether the inbox can be given back. One that was cut stays with its connection until the
// end: a message that the loop is just receiving must find it so.
func (b *inbox) idle() bool { return b.empty() && !b.cut && (!b.paused || b.ended) }

// shut drops what waits, but for Open, and what is still to come, but for Close.
func (b *inbox) shut(pool *poller.Buffers) {
	b.cut = true
	kept := b.jobs[:0]
	for _, j := range b.jobs[b.head:] {
		if j.kind == jobOpen || j.kind == jobClose {
			kept = append(kept, j)
		} else {
			pool.Put(j.payload)
		}
	}
	clear(b.jobs[len(kept):])
	b.jobs, b.head = kept, 0
	b.bytes = len(kept) * jobBytes
}

func (b *inbox) empty() bool { return b.head == len(b.jobs) }

// over says whether the inbox holds more than it should. All jobs count, not messages alone, so that pings
// cannot fill it.
func (b *inbox) over(o *options) bool {
	return b.bytes >= o.maxInFlightBytes && (len(b.jobs)-b.head >= o.maxInFlight || b.paused) || b.bytes/mostInFlight >= o.maxInFlightBytes
}

// roomy says whether it holds so little again that reading is worth to begin.
func (b *inbox) roomy(o *options) bool {
	return b.bytes <= o.maxInFlightBytes/2 || !b.paused && len(b.jobs)-b.head <= o.maxInFlight/2 && b.bytes/mostInFlight < o.maxInFlightBytes
}

// mostInFlight is how many times maxInFlightBytes may be exceeded by less than maxInFlight callbacks. A compressed message can be a
// thousand times as long as what came.
const mostInFlight = 16

// enqueue puts a callback into the connection's inbox. The loop calls it.
func (l *loop) enqueue(t poller.Token, s *session, j job) {
	l.makeSpace(len(j.payload))
	if s.phase != phaseOpen {
		return // it was the one that held the most
	}
	l.mu.Lock()
	if !l.server.budget.ask(l.pool.Lacks(nil, len(j.payload))) {
		l.mu.Unlock()
		l.failMemory(t, s)
		return
	}
	b := l.inboxOf(t, &s.sending)
	b.push(j, &l.pool)
	l.server.budget.account(&b.metered, max(cap(b.jobs)-maxIdleJobs, 0)*jobBytes)
	start := l.startInbox(b)
	full := b.over(l.settings)
	b.full = b.full || full
	l.mu.Unlock()
	if start {
		l.server.workers.submit(b)
	}
	if full && s.pauses&pauseInbox == 0 {
		l.server.counters.inFlightPauses.Add(1)
		l.pause(t, s, pauseInbox)
	}
}

// startInbox says whether an inbox is to be submitted to the workers. loop.mu is held.
func (l *loop) startInbox(b *inbox) bool {
	if l.server.workers == nil || b.running || !b.ready() {
		return false
	}
	b.running = true
	l.server.workers.wg.Add(1)
	return true
}

// tell makes a callback, now or through the inbox.
func (l *loop) tell(t poller.Token, s *session, j job) {
	if s.flags&flagQueues != 0 && (l.server.workers != nil || j.isMessage()) {
		l.enqueue(t, s, j)
		return
	}
	l.call(l.eventsOf(s), Conn{l, t}, &j)
}

// call makes a callback now.
func (l *loop) call(e *Events, c Conn, j *job) {
	switch j.kind {
	case jobOpen:
		e.Open(c)
	case jobMessage:
		e.Message(c, j.op, j.payload)
	case jobFragment:
		e.Fragment(c, Fragment{Opcode: j.op, Payload: j.payload, First: j.first, Last: j.last})
	case jobPing:
		e.Ping(c, j.payload)
	case jobPong:
		e.Pong(c, j.payload)
	case jobDrained:
		e.Drained(c)
	case jobClose:
		e.Close(c, *j.how)
	}
	poison(j.payload)
}

// next takes a job out of an inbox, for whoever runs it. Without a job the inbox is nobody's
// any more.
func (l *loop) next(b *inbox) (j job, ok bool) {
	l.mu.Lock()
	j, ok = b.pop()
	read := b.full && b.roomy(l.settings)
	if read {
		b.full = false
		l.order(b.conn.token, orderRead)
	}
	if !ok {
		b.running = false
		if b.idle() {
			l.dropInbox(b)
		}
	}
	l.mu.Unlock()
	if read {
		l.driver.Wake()
	}
	return j, ok
}

// run runs a job that next returned. events are those of its inbox, which may be another's by now.
func (l *loop) run(events *Events, c Conn, j *job) {
	if j.payload != nil {
		defer l.recycle(j.payload)
	}
	l.call(events, c, j)
}

// recycle gives a buffer back to the pool.
func (l *loop) recycle(b []byte) {
	l.mu.Lock()
	l.pool.Put(b)
	l.mu.Unlock()
}

// unload runs the callbacks of connections that the application resumed, on the loop, each for its
// share of a turn.
func (l *loop) unload() {
	l.resumed, l.resumedNow = l.resumedNow[:0], l.resumed
	for _, t := range l.resumedNow {
		if s := l.find(t); s != nil && s.flags&flagQueues != 0 {
			l.unloadOne(t, s)
		}
	}
}

func (l *loop) unloadOne(t poller.Token, s *session) {
	defer l.recoverPanic(t)
	b := l.heldBy(s)
	for range framesPerTurn {
		if b == nil {
			return
		}
		j, ok := l.next(b)
		if !ok {
			l.heldBy(s)
			return
		}
		l.run(b.events, b.conn, &j)
		if l.ordered.Load() {
			l.applyOrders()
		}
	}
	l.resumed = append(l.resumed, t)
	l.driver.Wake()
}

// heldBy returns a connection's inbox, or nil if it has none any more and need not queue.
func (l *loop) heldBy(s *session) (b *inbox) {
	l.mu.Lock()
	if s.sending.inbox != 0 {
		b = l.inboxes[s.sending.inbox]
	}
	l.mu.Unlock()
	if b == nil {
		s.flags &^= flagQueues
	}
	return b
}
