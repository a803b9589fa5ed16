package engine

import "github.com/wsloop/wsloop/poller"

// Flush implements poller.Handler: it writes what was sent since the last turn, one
// write per connection. The outbox and its spare change places, so that the lock is not
// held while writing.
func (l *loop) Flush() {
	l.heedShutdown()
	l.applyEnds()
	box := &l.flushing
	l.mu.Lock()
	if len(l.outbox.entries) == 0 {
		l.mu.Unlock()
		return
	}
	l.outbox, l.flushing = l.flushing, l.outbox
	for i := range box.entries {
		e := &box.entries[i]
		if s := l.sendingOf(e.token); s != nil {
			s.entry = 0
			s.queued += e.size
		}
	}
	l.mu.Unlock()

	for i := range box.entries {
		l.write(box, &box.entries[i])
	}

	l.mu.Lock()
	for i := range box.entries {
		e := &box.entries[i]
		if s := l.sendingOf(e.token); s != nil {
			s.queued = e.pending
		}
	}
	l.mu.Unlock()

	for i := range box.entries {
		if e := &box.entries[i]; e.pending == 0 {
			l.allSent(e.token)
		}
	}
	box.reset()
}

// write hands the driver what one connection has in the outbox.
func (l *loop) write(box *outbox, e *entry) {
	if e.first == e.last {
		r := box.runs[e.first]
		l.driver.Write(e.token, box.bytes[r.start:r.end])
	} else {
		l.vec = l.vec[:0]
		for i := e.first; i != noRun; i = box.runs[i].next {
			l.vec = append(l.vec, box.bytes[box.runs[i].start:box.runs[i].end])
		}
		l.driver.Writev(e.token, l.vec)
		clear(l.vec)
	}
	e.pending = uint32(l.driver.Pending(e.token))
}

// Progress implements poller.Handler.
func (l *loop) Progress(t poller.Token, pending int) {
	l.mu.Lock()
	if s := l.sendingOf(t); s != nil {
		s.queued = uint32(pending)
	}
	l.mu.Unlock()
}

// Drained implements poller.Handler.
func (l *loop) Drained(t poller.Token) {
	l.mu.Lock()
	more := false
	if s := l.sendingOf(t); s != nil {
		s.queued = 0
		more = s.entry != 0
	}
	l.mu.Unlock()
	if !more {
		l.allSent(t)
	}
}

// minOutboxBytes is kept whatever the traffic.
const minOutboxBytes = 64 << 10

func (b *outbox) reset() {
	b.most = max(b.most, len(b.bytes))
	b.bytes, b.runs, b.entries = b.bytes[:0], b.runs[:0], b.entries[:0]
}

// trim gives back what a burst left behind and the last interval did not need.
func (b *outbox) trim() {
	if len(b.entries) == 0 && cap(b.bytes) > 4*b.most+minOutboxBytes {
		*b = outbox{}
	}
	b.most = 0
}
