package engine

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/codec/deflate"
	"github.com/wsloop/wsloop/engine/internal/topic"
	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
)

// loop is the engine's side of one event loop. It implements poller.Handler, so its
// goroutine calls those methods; others use what is below mu.
type loop struct {
	server   *Server
	driver   poller.Loop
	settings *options
	events   []*Events // by session.events; all that sessions of this loop name
	random   *rand.Rand

	inflater deflate.Inflater
	inflated []byte // what the next message is inflated into
	// What was inflated of the connection at hand, in this turn, in bytes.
	inflatedNow int
	wheel       wheel
	terms       poller.Slab[terms]
	expiries    poller.Slab[uint32] // of connections that do not live for ever
	remotes     poller.Slab[remote] // of clients behind proxies that speak HTTP; read by any goroutine
	rares       []*rare             // index 0 is not used
	freeRares   []uint32
	buffers     poller.Buffers // for heads and messages in pieces
	shut        bool           // the server is shutting down, and this loop has heeded it
	starved     int            // connections that pauseMemory holds
	called      uint32         // when the other loops were called for memory, in ticks
	refusals    uint32         // of the budget that this loop has heeded

	// Scratch space of opening handshakes.
	request      handshake.Request
	reply        handshake.Answer
	response     handshake.Response
	acceptance   handshake.Acceptance
	page         Page
	header       handshake.Header
	scratch      []byte
	extension    []byte
	params       handshake.DeflateParams // of the handshake at hand, if agreed
	agreed       bool
	freeRequests []*handshake.Request

	flushing   outbox   // being written; changes places with outbox
	vec        [][]byte // for one Writev
	batch      []wire   // frames on their way out of a backlog
	ordersNow  []order
	resumed    []poller.Token // connections whose inbox is to be delivered by the loop
	resumedNow []poller.Token
	holders    []holder
	ended      []subscription // of a connection that is gone

	now       atomic.Uint32          // wheel.now for other goroutines
	beat      atomic.Uint64          // turns, for the watchdog
	lag       atomic.Int64           // how late the last tick was, in nanoseconds
	goroutine atomic.Pointer[string] // how stacks name the loop's
	ordered   atomic.Bool            // orders is not empty

	// mu guards what follows and the field sending of every session. It is never held
	// over a system call or a callback.
	mu            sync.Mutex
	sessions      poller.Slab[session]                  // grown by the loop alone
	data          poller.Slab[atomic.Pointer[attached]] // grown at the first use; read without the lock
	outbox        outbox
	secrets       *rand.ChaCha8 // see masking.go; made at the first use
	orders        []order
	pool          poller.Buffers // for backlogs and inboxes
	backlogs      []*backlog     // index 0 is not used
	freeBacklogs  []uint32
	spareBacklogs []*backlog
	agreements    poller.Slab[agreement] // of connections with sendWindows
	windows       []*windows             // index 0 is not used
	freeWindows   []uint32
	tries         uint32   // of compression where it has not paid lately
	inboxes       []*inbox // index 0 is not used
	freeInboxes   []uint32
	lingering     map[poller.Token]*inbox // of connections that ended before their callbacks had run
	topics        topic.Table             // who subscribes, by slot
	topicsVersion uint64                  // changes with them
	topicsMetered int                     // what the budget counts for them
}

var _ poller.Handler = (*loop)(nil)

// maxBatch is how many frames of a backlog one write takes.
const maxBatch = 64

func newLoop(s *Server, driver poller.Loop) *loop {
	l := &loop{
		server: s, driver: driver, settings: s.settings, events: *s.events.Load(),
		random: rand.New(rand.NewPCG(s.settings.seed, uint64(driver.Index()))),
		rares:  make([]*rare, 1), backlogs: make([]*backlog, 1), inboxes: make([]*inbox, 1),
		batch: make([]wire, 0, maxBatch), windows: []*windows{{}},
	}
	l.inflater.Memory = (*assembly)(l)
	l.buffers.Meter, l.pool.Meter = &s.budget.held, &s.budget.held
	l.buffers.Keep, l.pool.Keep = s.settings.keepBytes, s.settings.keepBytes
	l.outbox.meter, l.flushing.meter = &s.budget.held, &s.budget.held
	if s.workers != nil {
		l.lingering = make(map[poller.Token]*inbox)
	}
	return l
}

// find returns the session of a live connection, or nil. Only the loop's goroutine
// writes the generation, so it may read it without the lock.
func (l *loop) find(t poller.Token) *session {
	if t == 0 || int(t.Slot()) >= l.sessions.Len() {
		return nil
	}
	s := l.sessions.At(t.Slot())
	if s.sending.generation != t.Generation() {
		return nil
	}
	return s
}

// Open implements poller.Handler: a connection was accepted, and its request head is
// awaited.
func (l *loop) Open(t poller.Token) {
	l.nameGoroutine()
	l.welcome(t, nil)
}

// welcome begins with a connection whose request head is awaited. a is nil for one that was accepted.
func (l *loop) welcome(t poller.Token, a *adoption) {
	live := int64(0)
	if a == nil || !a.counted {
		live = l.server.live.Add(1)
	} else if a.source != 0 {
		l.termsOf(t).source = a.source
	}
	l.sessions.Grow(t.Slot())
	s := l.sessions.At(t.Slot())
	s.phase = phaseOpening
	l.mu.Lock()
	s.sending = sending{generation: t.Generation()}
	l.mu.Unlock()
	l.expect(t.Slot(), l.settings.deadlines.handshake)
	if l.shut {
		l.refuseLate(t, s)
		return
	}
	l.admit(t, s, live)
}

// nameGoroutine notes on which goroutine the loop runs, for the watchdog.
func (l *loop) nameGoroutine() {
	if l.goroutine.Load() == nil {
		name := goroutineName()
		l.goroutine.Store(&name)
	}
}

func (l *loop) tokenOf(slot uint32) poller.Token {
	return poller.MakeToken(slot, l.sessions.At(slot).sending.generation)
}

// trim gives back what bursts left behind.
func (l *loop) trim() {
	l.mu.Lock()
	l.outbox.trim()
	l.pool.Trim()
	l.mu.Unlock()
	l.flushing.trim()
	l.buffers.Trim()
}

// heedShutdown gives every connection its place in the drain, once, when the server
// shuts down.
func (l *loop) heedShutdown() {
	if l.shut || !l.server.shuttingDown.Load() {
		return
	}
	l.shut = true
	window := l.server.drainTicks.Load()
	for slot := range uint32(l.sessions.Len()) {
		s := l.sessions.At(slot)
		switch {
		case s.phase == phaseOpening:
			l.refuseLate(l.tokenOf(slot), s)
		case s.phase == phaseConnecting || s.phase == phaseAnswering:
			l.driver.Close(l.tokenOf(slot), ErrServerClosed)
		case s.phase == phaseOpen && window == 0:
			l.goAway(l.tokenOf(slot), s, l.server.drainCode(), "", nil)
		case s.phase == phaseOpen:
			s.flags |= flagExpires | flagLeaves
			*l.expiryOf(l.tokenOf(slot)) = l.wheel.now + 1 + l.random.Uint32N(window)
			l.review(l.tokenOf(slot), s)
		}
	}
}

// assembly lends the buffers of messages in pieces, as far as the budget allows.
type assembly loop

var _ codec.Memory = (*assembly)(nil)

// Grow implements codec.Memory.
func (a *assembly) Grow(b []byte, need int) []byte {
	if !a.server.budget.ask(a.buffers.Lacks(b, need)) {
		return nil
	}
	return a.buffers.Grow(b, need)
}

// Release implements codec.Memory.
func (a *assembly) Release(b []byte) { a.buffers.Put(b) }
