package engine

import (
	"sync/atomic"
	"time"

	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/tlsdriver"
)

// Stats count what a Server has seen since it began to serve. There is one counter
// for each limit and each policy.
type Stats struct {
	Connections    int64 // open now, opening handshakes included
	MaxConnections int64 // the limit in force
	Memory         int64 // bytes of the buffers that exist now, those kept for reuse included
	MaxMemory      int64 // the limit in force

	Handshakes     uint64 // answered with 101
	Refused        uint64 // requests and connections answered with an error
	Dials          uint64 // connections opened by Dial
	DialFailures   uint64 // addresses that could not be connected to, and answers other than 101
	Plain          uint64 // requests given to Events.Plain, or to HTTP
	TLSHandshakes  uint64 // handshakes of TLS that succeeded, either side's
	TLSFailures    uint64 // handshakes of TLS that did not
	TLSBroken      uint64 // connections ended for what the peer sent under TLS
	ProtocolErrors uint64 // connections failed for what the peer did
	AcceptErrors   uint64 // connections or turns of accepting lost to a lack of descriptors or memory
	Panics         uint64 // in callbacks

	// Connections refused before their request was looked at.
	RefusedConnections uint64 // MaxConnections
	RefusedSources     uint64 // PerAddress, PerPrefix
	RefusedMemory      uint64 // the memory budget is nearly used up

	// Connections ended by a deadline. A peer can miss the handshake's and then the close's.
	HandshakeTimeouts, IdleTimeouts, PongTimeouts, WriteTimeouts, Lifetimes, CloseTimeouts uint64

	BufferFull     uint64 // messages and pings refused with ErrBufferFull, and pongs put off
	DroppedOldest  uint64 // messages that gave way to newer ones
	Replaced       uint64 // messages that gave way to one with the same key
	Expired        uint64 // messages whose time to live was over
	TooSlow        uint64 // connections closed because too much waited for them
	DroppedTooSlow uint64 // messages that waited for connections that were given up
	RefusedSends   uint64 // messages refused with ErrMemory

	InFlightPauses uint64 // times that a connection was not read because its callbacks were behind
	RateClosures   uint64 // connections closed for exceeding a rate
	RatePauses     uint64 // times that one was not read for a while instead
	MemoryClosures uint64 // connections closed because memory was short
	MemoryPauses   uint64 // times that one was not read because memory was short

	Subscriptions        int64  // that connections have now
	RefusedSubscriptions uint64 // subscriptions refused with ErrMemory
	Published            uint64 // messages that were given to Publish or came from other servers
	Deliveries           uint64 // of these to subscribers
	Undelivered          uint64 // deliveries that were dropped at once, those of retained messages to new subscribers included
	Unretained           uint64 // messages that found no room in MaxRetainedBytes, or in MaxMemoryBytes
	Uncarried            uint64 // messages that the bridge dropped
	Foreign              uint64 // messages from other servers that were refused
	Gaps                 uint64 // times that messages from other servers may have been missed

	SlowCallbacks uint64        // times that a callback held up a loop for longer than SlowCallback
	LoopLag       time.Duration // how late the loops' last ticks were, the latest of them
	MaxLoopLag    time.Duration // how late a tick ever was
}

type counter = atomic.Uint64

type counters struct {
	handshakes, refused, plain, protocolErrors, panics counter
	dials, dialFailures                                counter
	refusedConnections, refusedSources, refusedMemory  counter
	timeouts                                           [deadlineKinds]counter
	bufferFull, oldest, replaced, expired              counter
	tooSlow, givenUp, refusedSends                     counter
	inFlightPauses, rateClosures, ratePauses           counter
	memoryClosures, memoryPauses                       counter
	slowCallbacks                                      counter
	published, deliveries, undelivered, unretained     counter
	uncarried, foreign, gaps, refusedSubscriptions     counter
	subscriptions                                      atomic.Int64
	maxLag                                             atomic.Int64
}

// Stats reads the counters.
func (s *Server) Stats() Stats {
	c := &s.counters
	stats := Stats{
		Connections:    s.live.Load(),
		Memory:         s.budget.held.Load(),
		Handshakes:     c.handshakes.Load(),
		Refused:        c.refused.Load(),
		Dials:          c.dials.Load(),
		DialFailures:   c.dialFailures.Load(),
		Plain:          c.plain.Load(),
		ProtocolErrors: c.protocolErrors.Load(),
		Panics:         c.panics.Load(),

		RefusedConnections: c.refusedConnections.Load(),
		RefusedSources:     c.refusedSources.Load(),
		RefusedMemory:      c.refusedMemory.Load(),

		HandshakeTimeouts: c.timeouts[HandshakeDeadline].Load(),
		IdleTimeouts:      c.timeouts[IdleDeadline].Load(),
		PongTimeouts:      c.timeouts[PongDeadline].Load(),
		WriteTimeouts:     c.timeouts[WriteDeadline].Load(),
		Lifetimes:         c.timeouts[LifetimeDeadline].Load(),
		CloseTimeouts:     c.timeouts[CloseDeadline].Load(),

		BufferFull:     c.bufferFull.Load(),
		DroppedOldest:  c.oldest.Load(),
		Replaced:       c.replaced.Load(),
		Expired:        c.expired.Load(),
		TooSlow:        c.tooSlow.Load(),
		DroppedTooSlow: c.givenUp.Load(),
		RefusedSends:   c.refusedSends.Load(),

		InFlightPauses: c.inFlightPauses.Load(),
		RateClosures:   c.rateClosures.Load(),
		RatePauses:     c.ratePauses.Load(),
		MemoryClosures: c.memoryClosures.Load(),
		MemoryPauses:   c.memoryPauses.Load(),

		Subscriptions:        c.subscriptions.Load(),
		Published:            c.published.Load(),
		Deliveries:           c.deliveries.Load(),
		Undelivered:          c.undelivered.Load(),
		Unretained:           c.unretained.Load(),
		RefusedSubscriptions: c.refusedSubscriptions.Load(),
		Uncarried:            c.uncarried.Load(),
		Foreign:              c.foreign.Load(),
		Gaps:                 c.gaps.Load(),

		SlowCallbacks: c.slowCallbacks.Load(),
		MaxLoopLag:    time.Duration(c.maxLag.Load()),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.settings != nil {
		stats.MaxConnections, stats.MaxMemory = s.settings.maxConnections, s.budget.most
	}
	for _, l := range s.loops {
		stats.LoopLag = max(stats.LoopLag, time.Duration(l.lag.Load()))
	}
	s.addTLS(&stats)
	driver := s.driver
	if s.stack != nil {
		driver = s.stack.sockets
	}
	if d, ok := driver.(interface{ Stats() *poller.Stats }); ok {
		stats.AcceptErrors = d.Stats().AcceptErrors.Load()
	}
	return stats
}

// addTLS adds what the driver for TLS counts. mu is held.
func (s *Server) addTLS(to *Stats) {
	if s.stack == nil || s.stack.tls == nil {
		return
	}
	from := s.stack.tls.Stats()
	to.TLSHandshakes, to.TLSBroken = from.Handshakes.Load(), from.Broken.Load()
	for _, class := range tlsdriver.Classes() {
		n, _ := from.Failed(class)
		to.TLSFailures += n
	}
	to.TLSFailures += from.TimedOut.Load() + from.Evicted.Load()
}

// noteLag notes how late a tick was: how long a turn must have taken.
func (l *loop) noteLag(lag time.Duration) {
	l.lag.Store(int64(lag))
	most := &l.server.counters.maxLag
	for old := most.Load(); int64(lag) > old; old = most.Load() {
		if most.CompareAndSwap(old, int64(lag)) {
			return
		}
	}
}
