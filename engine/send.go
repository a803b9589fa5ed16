package engine

import (
	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller"
)

// sending is the part of a session that any goroutine may use, under loop.mu. All
// that decides whether a frame may follow another is in it, so that no
// frame is sent behind a Close frame or into a fragmented message.
type sending struct {
	generation  uint32 // of the connection in the slot; 0 for none
	entry       uint32 // index in outbox.entries plus 1; 0 for none
	queued      uint32 // bytes in the driver's queue, or on their way there
	backlog     uint32 // index in loop.backlogs; 0 for none
	inbox       uint32 // index in loop.inboxes; 0 for none
	dropped     uint32 // messages, since the handshake
	state       sendState
	flags       sendFlags
	subprotocol uint8 // index in Server.protocols
	overflow    uint8 // index in Server.overflows
}

// waits says whether something of the connection is not in the driver's hands yet.
func (s *sending) waits() bool {
	return s.entry != 0 || s.backlog != 0 || s.flags&sendDirect != 0
}

type sendFlags uint8

const (
	sendSlow     sendFlags = 1 << iota // the driver's queue held bytes after a flush and still does
	sendMasks                          // we are the client: frames are masked
	sendDirect                         // a goroutine is writing a frame; all else waits in the backlog
	sendDeflates                       // permessage-deflate was agreed
	sendWindows                        // loop.agreementOf knows more about it
	// what is above counts: see missUnit
)

type sendState uint8

const (
	sendNothing   sendState = iota // the opening handshake is not done
	sendOpen                       // between messages
	sendFragments                  // a MessageWriter has begun a message
	sendEnded                      // a Close frame was sent, or all is lost
)

// commitBytes is about what a connection can have in the outbox and the driver's queue, where it
// cannot be dropped; half of Server.MaxBufferedBytes if that is less, so that a policy has something to drop.
const commitBytes = 64 << 10

// outgoing is a data frame to be sent by a connection in state from, which leaves it in
// state to.
type outgoing struct {
	op         codec.Opcode
	fin        bool
	compressed bool // the payload is, and RSV1 is to be set
	from, to   sendState
	overflow   uint16 // 1 more than the index in Server.overflows, or 0 for the policy of the connection
	delivery   Delivery
}

// whole says whether it is a message, which can be dropped, and not a part of one.
func (o *outgoing) whole() bool { return o.from == sendOpen && o.to == sendOpen }

// sendFrame sends one data frame. payload is copied.
func sendFrame[T []byte | string](l *loop, t poller.Token, o *outgoing, payload T) (Sent, error) {
	l.mu.Lock()
	sent, err := placeFrame(l, t, o, payload)
	l.mu.Unlock()
	l.wakeAfter(err)
	return sent, err
}

// wakeAfter wakes the loop if sending, with this error, left it something to do.
func (l *loop) wakeAfter(err error) {
	if err == nil || err == ErrTooSlow || err == ErrMemory {
		l.driver.Wake()
	}
}

// placeFrame puts a frame into the outbox, or into the backlog if the peer is slow.
func placeFrame[T []byte | string](l *loop, t poller.Token, o *outgoing, payload T) (Sent, error) {
	s := l.sendingOf(t)
	if s == nil || s.state != o.from {
		return Sent{}, whyNot(s)
	}
	if !l.placesNow(s, len(payload)) {
		return queueFrame(l, t, s, o, nil, payload)
	}
	commitFrame(l, t, s, o, payload)
	return Sent{}, nil
}

// placesNow says whether placeFrame would put a payload of n bytes into the outbox. loop.mu is held.
func (l *loop) placesNow(s *sending, n int) bool {
	n += codec.MaxHeaderLen
	return s.backlog == 0 && s.flags&sendDirect == 0 && l.fits(s, n, n)
}

// commitFrame puts a frame into the outbox, where it cannot be dropped any more. loop.mu is held.
func commitFrame[T []byte | string](l *loop, t poller.Token, s *sending, o *outgoing, payload T) {
	box := &l.outbox
	start := len(box.bytes)
	box.bytes = appendData(l, s, box.bytes, o, payload)
	l.extend(t, s, start, len(box.bytes))
	s.state = o.to
}

// appendData is appendFrame for a data frame. loop.mu is held.
func appendData[T []byte | string](l *loop, s *sending, dst []byte, o *outgoing, payload T) []byte {
	start := len(dst)
	dst = appendFrame(l, s, dst, o.fin, o.op, payload)
	if o.compressed {
		codec.MarkCompressed(dst[start:])
	}
	return dst
}

// fits says whether n bytes for a connection, fresh of which are not there yet, may go into the outbox. loop.mu is held.
func (l *loop) fits(s *sending, n, fresh int) bool {
	if waiting := len(l.outbox.bytes); waiting > 0 && waiting+fresh > l.settings.maxOutbox {
		return false
	}
	if !l.server.budget.allows(l.outbox.lacks(fresh)) {
		return false
	}
	own := l.committed(s)
	return own-int(s.queued) < l.settings.commitBytes && own+n <= l.settings.maxBuffered
}

// committed is what a connection has in the driver's queue and the outbox. loop.mu is held.
func (l *loop) committed(s *sending) int {
	n := int(s.queued)
	if s.entry != 0 {
		n += int(l.outbox.entries[s.entry-1].size)
	}
	return n
}

// queueFrame puts a frame into the backlog, if its policy finds room for it. p, if not nil, is the
// message that is encoded already. loop.mu is held.
func queueFrame[T []byte | string](l *loop, t poller.Token, s *sending, o *outgoing, p *Prepared, payload T) (Sent, error) {
	n := codec.MaxHeaderLen + len(payload)
	fresh := s.backlog == 0
	b := l.backlogOf(t, s)
	policy := l.policyFor(s, o)
	l.countDropped(s, &l.server.counters.expired, b.dropExpired(l.now.Load(), &l.pool))
	var old *item
	if policy.Policy == OverflowKeepLatest {
		old = b.latest(o.delivery.Key)
	}
	lacks := l.pool.Lacks(nil, n)
	if p != nil {
		n, lacks = len(p.frame), p.lacks()
	}
	sent, err := l.makeRoom(t, s, b, o, old, n+itemBytes, lacks)
	if err != nil {
		if fresh {
			l.dropBacklog(s)
		}
		return sent, err
	}
	frame := wire{prepared: p}
	if p != nil {
		frame.bytes = p.frame
		p.hold()
	} else {
		frame.bytes = appendData(l, s, l.pool.Get(n), o, payload)
	}
	if old != nil {
		b.replace(old, frame, &l.pool)
		l.countDropped(s, &l.server.counters.replaced, 1)
		sent.Dropped++
	} else {
		i := item{wire: frame, fixed: !o.whole(), own: o.overflow == 0, kept: o.overflow != 0 && !policy.drops()}
		if policy.Policy == OverflowKeepLatest {
			i.key = o.delivery.Key
		}
		old = b.push(i)
		l.accountItems(b)
	}
	old.expire(l.now.Load(), policy.TTL, o.delivery.TTL)
	s.state = o.to
	l.entryOf(t, s) // so that Flush looks at it
	sent.Queued = l.waiting(s)
	return sent, nil
}

// makeRoom makes room for cost more bytes, or says why there is none. old is the frame that the
// new one is going to replace, lacks the memory to be allocated. loop.mu is held.
func (l *loop) makeRoom(t poller.Token, s *sending, b *backlog, o *outgoing, old *item, cost, lacks int) (sent Sent, err error) {
	counters := &l.server.counters
	policy := l.policyFor(s, o).Policy
	own := l.server.overflow(s.overflow).drops()
	limit := l.settings.maxBuffered - l.committed(s) - cost // for what is in the backlog
	staying := b.fixed + b.kept
	if !own {
		staying += b.own
	}
	if old != nil {
		limit += old.cost()
		if !old.kept && (own || !old.own) {
			staying += old.cost()
		}
	}
	full := b.cost() > limit
	switch {
	case full && policy == OverflowClose && s.flags&sendSlow != 0 && o.whole() && cost-itemBytes <= l.settings.maxBuffered:
		counters.tooSlow.Add(1)
		sent.Dropped = l.giveUp(t, s, l.policyFor(s, o).code(), "too slow")
		l.order(t, orderTooSlow)
		return sent, ErrTooSlow
	case full && (policy < OverflowDropOldest || !o.whole() || staying > limit):
		counters.bufferFull.Add(1)
		s.dropped++
		return sent, ErrBufferFull
	case !l.server.budget.ask(lacks):
		counters.refusedSends.Add(1)
		s.dropped++
		return sent, ErrMemory
	case full:
		sent.Dropped = b.dropOldest(limit, own, old, &l.pool)
		l.countDropped(s, &counters.oldest, sent.Dropped)
	}
	return sent, nil
}

// policyFor is what holds for a frame that has to wait. loop.mu is held.
func (l *loop) policyFor(s *sending, o *outgoing) *Overflow {
	if o.overflow != 0 {
		return l.server.overflow(uint8(o.overflow - 1))
	}
	return l.server.overflow(s.overflow)
}

// countDropped counts dropped messages.
func (l *loop) countDropped(s *sending, counter *counter, n int) {
	if n > 0 {
		counter.Add(uint64(n))
		s.dropped += uint32(n)
	}
}

// waiting is the number of bytes of a connection that are not written yet. loop.mu is held.
func (l *loop) waiting(s *sending) int {
	n := l.committed(s)
	if s.backlog != 0 {
		n += l.backlogs[s.backlog].bytes
	}
	return n
}

// whyNot is the error of a connection that cannot begin a message now.
func whyNot(s *sending) error {
	if s != nil && s.state == sendFragments {
		return ErrMessageOpen
	}
	return ErrClosed
}
