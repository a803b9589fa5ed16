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

// govern keeps the server within its budget. It is called at the end of each turn, and costs a
// load as long as there is enough.
func (l *loop) govern() {
	b := &l.server.budget
	if b.over() || l.server.budget.short.Load() {
		l.relieve()
	}
}

// relieve closes the connections of this loop that hold the most, until what they held would be enough
// to be out of trouble.
func (l *loop) relieve() {
	l.server.budget.short.Store(false)
	l.empty()
	excess := l.server.budget.excess()
	if excess <= 0 {
		return
	}
	for _, h := range l.findHolders() {
		if excess <= 0 {
			return
		}
		if s := l.find(h.token); s != nil {
			excess -= int64(h.bytes)
			l.failMemory(h.token, s)
		}
	}
}

// empty gives up the buffers that no connection holds.
func (l *loop) empty() {
	l.buffers.Empty()
	l.mu.Lock()
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
		n += l.backlogs[i].cost()
	}
	if i := s.sending.inbox; i != 0 {
		n += l.inboxes[i].bytes
	}
	return n
}

// heldInput is what of it is a head or a message in pieces.
func (l *loop) heldInput(s *session) int {
	if s.rare == 0 {
		return 0
	}
	x := l.rares[s.rare]
	return cap(x.head) + x.assembler.Held()
}

// failMemory closes a connection with 1013 because there is no memory for it. One whose peer would not
// read the Close frame is cut off.
func (l *loop) failMemory(t poller.Token, s *session) {
	l.server.counters.memoryClosures.Add(1)
	switch s.phase {
	case phaseOpen:
		if l.driver.Pending(t) == 0 {
			l.mu.Lock()
			l.giveUp(t, &s.sending, codec.StatusTryAgainLater, "short of memory")
			l.mu.Unlock()
			l.driver.Wake()
			l.discardRest(t, s, ErrMemory)
			return
		}
	case phaseOpening:
		l.header.Reset()
		l.respond(t, s, 503, "503 Service Unavailable: short of memory.\n")
		if s.rare != 0 {
			l.dropHead(l.rares[s.rare])
			l.settle(s)
		}
		return
	}
	l.closureOf(t, s).Err = ErrMemory
	l.driver.Close(t, ErrMemory)
}

// relievePauses, at every tick, stops reading the connections that hold the most input while memory is tight, reads
// them again when it is not, and gives those up that it could not help.
func (l *loop) relievePauses() {
	b := &l.server.budget
	if b.tight() {
		l.empty()
		l.starve()
	} else if l.starved > 0 && b.excess() < 0 {
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
