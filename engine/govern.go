package engine

import (
	"cmp"
	"slices"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller"
)

// memoryPatience is how long, in ticks, a connection is not read because memory is short
// before it is closed.
const memoryPatience = 10 * ticksPerSecond

// A holder is a connection with what it makes the server hold.
type holder struct {
	token poller.Token
	bytes int
}

// govern keeps the server within its budget. It is called at the end of each turn, and costs two
// loads as long as there is enough.
func (l *loop) govern() {
	b := &l.server.budget
	if refusals := b.refusals.Load(); b.over() || refusals != l.refusals {
		l.refusals = refusals
		l.relieve()
	}
}

// makeSpace frees memory if n bytes, which cannot be refused, would be too much.
func (l *loop) makeSpace(n int) {
	if !l.server.budget.allows(n) {
		l.relieve()
	}
}

// relieve closes the connections of this loop that hold the most, until the server is out of
// trouble. Those that hold no more than their share are left alone: the ones to blame are on another loop,
// which is called.
func (l *loop) relieve() {
	b := &l.server.budget
	l.empty()
	if b.excess() <= 0 {
		return
	}
	share := b.share(l.server.live.Load())
	for _, h := range l.findHolders() {
		s := l.find(h.token)
		if s == nil || h.bytes <= share {
			break
		}
		l.failMemory(h.token, s)
		l.empty()
		if b.excess() <= 0 {
			return
		}
	}
	l.callOthers()
}

// callOthers has the other loops look whether they can free memory, once in a tick.
func (l *loop) callOthers() {
	if l.called == l.wheel.now {
		return
	}
	l.called = l.wheel.now
	l.server.mu.Lock()
	defer l.server.mu.Unlock()
	for _, other := range l.server.loops {
		if other != l {
			other.driver.Wake()
		}
	}
}

// empty gives up the buffers that no connection holds.
func (l *loop) empty() {
	if l.inflated != nil {
		l.buffers.Put(l.inflated)
		l.inflated = nil
	}
	l.buffers.Empty()
	l.mu.Lock()
	for _, w := range l.windows {
		w.out.Drop() // what we send next refers to nothing before
	}
	l.pool.Empty()
	l.mu.Unlock()
}

// findHolders lists the connections that hold buffers, those that hold the most first.
func (l *loop) findHolders() []holder {
	all := l.holders[:0]
	for _, x := range l.rares {
		if x != nil && x.token != 0 {
			all = append(all, holder{token: x.token})
		}
	}
	l.mu.Lock()
	for _, b := range l.backlogs {
		if b != nil && b.token != 0 {
			all = append(all, holder{token: b.token})
		}
	}
	for _, b := range l.inboxes {
		if b != nil && b.conn.loop != nil {
			all = append(all, holder{token: b.conn.token})
		}
	}
	for _, w := range l.windows {
		if w.token != 0 {
			all = append(all, holder{token: w.token})
		}
	}
	l.mu.Unlock()
	slices.SortFunc(all, func(a, b holder) int { return cmp.Compare(a.token, b.token) })
	all = slices.CompactFunc(all, func(a, b holder) bool { return a.token == b.token })
	for i := range all {
		all[i].bytes = l.held(all[i].token)
	}
	slices.SortFunc(all, func(a, b holder) int { return cmp.Compare(b.bytes, a.bytes) })
	l.holders = all
	return all
}

// held is what a connection makes the server hold.
func (l *loop) held(t poller.Token) int {
	s := l.find(t)
	if s == nil {
		return 0
	}
	n := l.driver.Held(t) + l.heldInput(s)
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := s.sending.backlog; i != 0 {
		n += l.backlogs[i].blame()
	}
	if i := s.sending.inbox; i != 0 {
		n += l.inboxes[i].bytes
	}
	return n + l.heldWindow(t, &s.sending)
}

// heldInput is what of it is a head or a message in pieces.
func (l *loop) heldInput(s *session) int {
	if s.rare == 0 {
		return 0
	}
	x := l.rares[s.rare]
	return cap(x.head) + x.assembler.Held()
}

// failMemory closes a connection with 1013 because there is no memory for it, and takes at once what it holds. One
// for which the driver keeps bytes too is cut off: its peer would not read the Close frame, or floods.
func (l *loop) failMemory(t poller.Token, s *session) {
	l.server.counters.memoryClosures.Add(1)
	if s.phase == phaseAnswering {
		l.dropHead(l.rares[s.rare])
		l.driver.Close(t, ErrMemory)
		return
	}
	if s.phase == phaseOpening {
		l.refuseBusy(t, s, 503, "503 Service Unavailable: short of memory.\n")
		if s.rare != 0 {
			l.dropHead(l.rares[s.rare])
			l.settle(s)
		}
		return
	}
	l.mu.Lock()
	l.giveUp(t, &s.sending, codec.StatusTryAgainLater, "short of memory")
	l.mu.Unlock()
	l.driver.Wake()
	cut := s.phase != phaseOpen || l.driver.Held(t) > 0
	l.discardRest(t, s, ErrMemory)
	if cut {
		x := l.rareOf(t, s)
		x.assembler.Release()
		x.closure.Err = ErrMemory
		l.driver.Close(t, ErrMemory)
	}
}

// holdRest takes account of the input that Data leaves to the driver, which keeps a copy. Without memory for it
// the connection is closed. It returns what Data is to return.
func (l *loop) holdRest(t poller.Token, s *session, consumed, all int) int {
	if consumed == all {
		if x := l.rares[s.rare]; x.rest {
			x.rest = false
			l.settle(s)
		}
		return all
	}
	// The driver takes a power of two.
	if !l.server.budget.ask(2 * (all - consumed)) {
		l.failMemory(t, s)
		return all
	}
	l.rareOf(t, s).rest = true
	return consumed
}

// relievePauses, at every tick, stops reading the connections that hold the most input while memory is tight, reads
// them again when it is not, and gives those up that it could not help.
func (l *loop) relievePauses() {
	b := &l.server.budget
	if b.tight() {
		l.empty()
		l.starve()
	} else if l.starved > 0 {
		l.feed()
	}
}

// starve stops reading the connections that hold half of the input that is in pieces.
func (l *loop) starve() {
	all := l.findHolders()
	total := 0
	for _, h := range all {
		total += h.bytes
	}
	for _, h := range all {
		s := l.find(h.token)
		if s == nil || s.phase != phaseOpen {
			continue
		}
		if s.pauses&pauseMemory != 0 {
			l.loseMemory(h.token, s)
		} else if total > 0 && l.heldInput(s) > 0 {
			l.server.counters.memoryPauses.Add(1)
			l.pause(h.token, s, pauseMemory)
			l.rares[s.rare].starvedAt = l.wheel.now
			l.starved++
		}
		total -= 2 * h.bytes
	}
}

// loseMemory closes a connection that has waited for memory in vain.
func (l *loop) loseMemory(t poller.Token, s *session) {
	if l.wheel.now-l.rares[s.rare].starvedAt >= memoryPatience {
		l.failMemory(t, s)
	}
}

// feed reads again what starve stopped.
func (l *loop) feed() {
	for _, x := range l.rares {
		if x == nil || x.token == 0 {
			continue
		}
		if s := l.find(x.token); s != nil && s.pauses&pauseMemory != 0 {
			l.resume(x.token, s, pauseMemory)
		}
	}
}
