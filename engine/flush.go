package engine

import "github.com/wsloop/wsloop/poller"

// Flush implements poller.Handler: it writes what was sent since the last turn, one
// write per connection. The outbox and its spare change places, so that the lock is not
// held while writing.
func (l *loop) Flush() {
	l.beat.Add(1)
	l.heedShutdown()
	l.applyOrders()
	if len(l.resumed) > 0 {
		l.unload()
	}
	l.flushOutbox()
	l.govern()
}

func (l *loop) flushOutbox() {
	box := &l.flushing
	l.mu.Lock()
	if len(l.outbox.entries) == 0 {
		l.mu.Unlock()
		return
	}
	l.outbox, l.flushing = l.flushing, l.outbox
	for i := range box.entries {
		l.take(&box.entries[i])
	}
	l.mu.Unlock()

	for i := range box.entries {
		l.makeSpace(int(box.entries[i].size)) // if the socket is full, the driver takes a copy
		l.write(box, &box.entries[i])
	}

	l.mu.Lock()
	for i := range box.entries {
		l.wrote(&box.entries[i])
	}
	l.mu.Unlock()

	for i := range box.entries {
		switch e := &box.entries[i]; {
		case e.settled:
		case e.pending == 0:
			l.advance(e.token)
		default:
			l.stall(e.token)
		}
	}
	box.reset()
	if cap(box.bytes) > minOutboxBytes && l.server.budget.tight() {
		box.empty()
	}
}

// take has an entry ready to be written. What write needs of the session is noted here: system calls leave little of it in the
// processor's caches, and fetching it again for each receiver would cost more than the rest of write. loop.mu is held.
func (l *loop) take(e *entry) {
	s := l.sessionOf(e.token)
	if s == nil {
		return
	}
	s.sending.entry = 0
	s.sending.queued += e.size
	e.ends = s.endsBehind()
}

// wrote takes account of a write. loop.mu is held.
func (l *loop) wrote(e *entry) {
	s := l.sessionOf(e.token)
	if s == nil {
		e.settled = true
		return
	}
	l.noteWrite(s, int(e.size+e.direct))
	l.noteQueue(e.token, e.pending)
	e.settled = e.pending == 0 && s.phase == phaseOpen && s.rare == 0 && !s.sending.waits()
}

// noteQueue notes what the driver's queue holds after a write. A peer that left
// bytes there is slow. loop.mu is held.
func (l *loop) noteQueue(t poller.Token, pending uint32) {
	s := l.sendingOf(t)
	if s == nil || s.flags&sendDirect != 0 {
		return // endDirect comes next
	}
	s.queued = pending
	if pending == 0 {
		s.flags &^= sendSlow
		return
	}
	s.flags |= sendSlow
	l.backlogOf(t, s)
}

// write hands the driver what one connection has in the outbox.
func (l *loop) write(box *outbox, e *entry) {
	switch {
	case e.first == noRun:
	case e.first == e.last:
		r := box.runs[e.first]
		if e.ends {
			l.driver.WriteLast(e.token, box.bytes[r.start:r.end])
		} else {
			l.driver.Write(e.token, box.bytes[r.start:r.end])
		}
	default:
		l.vec = l.vec[:0]
		for i := e.first; i != noRun; i = box.runs[i].next {
			l.vec = append(l.vec, box.bytes[box.runs[i].start:box.runs[i].end])
		}
		l.driver.Writev(e.token, l.vec)
		clear(l.vec)
	}
	e.pending = uint32(l.driver.Pending(e.token))
}

// endsBehind says whether allSent is going to end the connection, or our side of it, behind what the outbox holds. loop.mu is held.
func (s *session) endsBehind() bool {
	return s.phase >= phaseFlushing && !s.sending.waits() && (s.phase == phaseDiscarding || !s.isClient())
}

// batchesPerTurn bounds what a long backlog can take of a turn if the socket takes all.
const batchesPerTurn = 16

// advance writes from the backlog until the socket is full, or the connection has had its share of the
// turn. The driver's queue of the connection is empty.
func (l *loop) advance(t poller.Token) {
	for range batchesPerTurn {
		l.mu.Lock()
		s := l.sendingOf(t)
		if s == nil || s.entry != 0 || s.flags&sendDirect != 0 {
			// What is in the outbox, or being written, comes first: the flush that follows goes on from here.
			l.mu.Unlock()
			return
		}
		if s.backlog == 0 {
			l.mu.Unlock()
			l.allSent(t)
			return
		}
		b := l.backlogs[s.backlog]
		var size, expired int
		l.batch, size, expired = b.take(l.batch[:0], commitBytes, l.wheel.now, &l.pool)
		l.countDropped(s, &l.server.counters.expired, expired)
		if size == 0 {
			l.dropBacklog(s)
			l.mu.Unlock()
			l.drained(t)
			return
		}
		s.queued = uint32(size)
		l.mu.Unlock()
		if l.writeBatch(t, size) > 0 {
			l.stall(t)
			return
		}
	}
	l.mu.Lock()
	if s := l.sendingOf(t); s != nil {
		l.entryOf(t, s) // so that the next Flush goes on
	}
	l.mu.Unlock()
	l.driver.Wake()
}

// writeBatch writes what advance took, and returns what is left of it in the driver's queue.
func (l *loop) writeBatch(t poller.Token, size int) (pending int) {
	l.makeSpace(size)
	l.vec = l.vec[:0]
	for i := range l.batch {
		l.vec = append(l.vec, l.batch[i].bytes)
	}
	l.driver.Writev(t, l.vec)
	clear(l.vec)
	l.noteWrite(l.sessions.At(t.Slot()), size)
	pending = l.driver.Pending(t)
	l.mu.Lock()
	for i := range l.batch {
		l.batch[i].free(&l.pool)
	}
	l.noteQueue(t, uint32(pending))
	if s := l.sendingOf(t); s != nil && s.backlog != 0 {
		l.backlogs[s.backlog].wake()
	}
	l.mu.Unlock()
	return pending
}

// drained says that a connection that had a backlog has none any more.
func (l *loop) drained(t poller.Token) {
	l.applyOrders() // after Close there is no callback but that
	s := l.sessions.At(t.Slot())
	l.endStall(s)
	if s.phase == phaseOpen && l.eventsOf(s).Drained != nil {
		defer l.recoverPanic(t)
		l.tell(t, s, job{kind: jobDrained})
	}
	l.checkSent(t, s)
}

// Progress implements poller.Handler.
func (l *loop) Progress(t poller.Token, pending int) {
	l.mu.Lock()
	if s := l.sendingOf(t); s != nil {
		s.queued = uint32(pending)
		if s.backlog != 0 {
			l.backlogs[s.backlog].wake()
		}
	}
	l.mu.Unlock()
}

// Drained implements poller.Handler.
func (l *loop) Drained(t poller.Token) {
	l.mu.Lock()
	if s := l.sendingOf(t); s != nil {
		s.queued = 0
		s.flags &^= sendSlow
	}
	l.mu.Unlock()
	l.advance(t)
}
