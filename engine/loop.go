package engine

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
)

// loop is the engine's side of one event loop. It implements poller.Handler, so its
// goroutine calls those methods; others use what is below mu.
type loop struct {
	server   *Server
	driver   poller.Loop
	settings *options
	events   *Events

	deadlines [deadlineKinds]deadlines
	rares     []*rare // index 0 is not used
	freeRares []uint32
	buffers   poller.Buffers // for heads and messages in pieces
	shut      bool           // the server is shutting down, and this loop has heeded it

	// Scratch space of the opening handshake.
	request      handshake.Request
	response     handshake.Response
	acceptance   handshake.Acceptance
	page         Page
	scratch      []byte
	freeRequests []*handshake.Request

	flushing outbox   // being written; changes places with outbox
	vec      [][]byte // for one Writev
	endsNow  []ending

	ended atomic.Bool // ends is not empty

	// mu guards what follows and the field sending of every session. It is never held
	// over a system call or a callback.
	mu       sync.Mutex
	sessions poller.Slab[session] // grown by the loop alone
	data     poller.Slab[any]     // user data, grown at the first use
	outbox   outbox
	ends     []ending
}

var _ poller.Handler = (*loop)(nil)

func newLoop(s *Server, driver poller.Loop) *loop {
	l := &loop{server: s, driver: driver, settings: s.settings, events: &s.Events, rares: make([]*rare, 1)}
	l.deadlines[handshakeDeadline].after = s.settings.handshakeTimeout
	l.deadlines[closeDeadline].after = s.settings.closeTimeout
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
	l.server.live.Add(1)
	l.sessions.Grow(t.Slot())
	s := l.sessions.At(t.Slot())
	s.phase = phaseOpening
	l.mu.Lock()
	s.sending = sending{generation: t.Generation()}
	l.mu.Unlock()
	l.expect(t.Slot(), handshakeDeadline)
	if l.shut {
		l.refuseLate(t, s)
	}
}

// Tick implements poller.Handler.
func (l *loop) Tick(now time.Duration) {
	for {
		slot, ok := l.due(handshakeDeadline, now)
		if !ok {
			break
		}
		l.server.counters.timeouts.Add(1)
		l.timeoutHead(l.tokenOf(slot), l.sessions.At(slot))
	}
	for {
		slot, ok := l.due(closeDeadline, now)
		if !ok {
			break
		}
		l.server.counters.timeouts.Add(1)
		l.driver.Close(l.tokenOf(slot), ErrTimeout)
	}
	l.buffers.Trim()
	l.mu.Lock()
	l.outbox.trim()
	l.mu.Unlock()
	l.flushing.trim()
}

func (l *loop) tokenOf(slot uint32) poller.Token {
	return poller.MakeToken(slot, l.sessions.At(slot).sending.generation)
}

// heedShutdown begins the closing handshake of every connection, once, when the server
// shuts down (RFC 6455 section 7.4.1, 1001).
func (l *loop) heedShutdown() {
	if l.shut || !l.server.shuttingDown.Load() {
		return
	}
	l.shut = true
	var payload [2]byte
	goingAway, _ := codec.AppendClose(payload[:0], codec.StatusGoingAway, "")
	for slot := range uint32(l.sessions.Len()) {
		s := l.sessions.At(slot)
		switch s.phase {
		case phaseOpening:
			l.refuseLate(l.tokenOf(slot), s)
		case phaseOpen:
			_ = l.sendClose(l.tokenOf(slot), goingAway, true)
		}
	}
}
