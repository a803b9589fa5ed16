package engine

import (
	"sync/atomic"

	"github.com/wsloop/wsloop/poller"
)

// An outbox gathers what is sent on a loop between two flushes. Frames lie in bytes,
// in the order of the calls, a prepared message once for all; runs link those of one connection, so that each
// gets one write. It is guarded by loop.mu.
type outbox struct {
	bytes     []byte
	runs      []run
	entries   []entry
	placed    placements
	nextPlace int // in placed
	most      int // of bytes, since the last trim
	meter     *atomic.Int64
	metered   int // what it was told
}

// run is a stretch of outbox.bytes for one connection. Others may be sent the same.
type run struct {
	start, end int
	next       int32 // index of the connection's next run, or noRun
}

const noRun = -1

// entry is a connection that has something in the outbox.
type entry struct {
	token       poller.Token
	first, last int32  // its runs
	size        uint32 // of its runs together
	direct      uint32 // what was written besides, by the goroutine that sent it
	pending     uint32 // what the driver's queue holds after the write
	ends        bool   // nothing follows but the end of the connection, or of our side
	settled     bool   // nothing is left to be done for it in this flush
}

// sendingOf returns the state of a live connection. loop.mu is held.
func (l *loop) sendingOf(t poller.Token) *sending {
	if int(t.Slot()) >= l.sessions.Len() {
		return nil
	}
	s := &l.sessions.At(t.Slot()).sending
	if s.generation != t.Generation() {
		return nil
	}
	return s
}

// entryOf returns the connection's entry, making it if need be. loop.mu is held.
func (l *loop) entryOf(t poller.Token, s *sending) *entry {
	if s.entry == 0 {
		l.outbox.entries = append(l.outbox.entries, entry{token: t, first: noRun, last: noRun})
		s.entry = uint32(len(l.outbox.entries))
	}
	return &l.outbox.entries[s.entry-1]
}

// extend gives the connection the bytes of the outbox from start to end. loop.mu is held.
func (l *loop) extend(t poller.Token, s *sending, start, end int) {
	box := &l.outbox
	box.account()
	e := l.entryOf(t, s)
	e.size += uint32(end - start)
	if e.last != noRun && box.runs[e.last].end == start {
		box.runs[e.last].end = end
		return
	}
	box.runs = append(box.runs, run{start, end, noRun})
	index := int32(len(box.runs) - 1)
	if e.last == noRun {
		e.first = index
	} else {
		box.runs[e.last].next = index
	}
	e.last = index
}

// minOutboxBytes is kept whatever the traffic.
const minOutboxBytes = 64 << 10

func (b *outbox) reset() {
	b.most = max(b.most, len(b.bytes))
	b.bytes, b.runs, b.entries = b.bytes[:0], b.runs[:0], b.entries[:0]
	b.placed, b.nextPlace = placements{}, 0
	b.account()
}

// trim gives back what a burst left behind and the last interval did not need.
func (b *outbox) trim() {
	if len(b.entries) == 0 && cap(b.bytes) > 4*b.most+minOutboxBytes {
		b.empty()
	}
	b.account()
	b.most = 0
}

// empty gives back all memory. Nothing is in it.
func (b *outbox) empty() {
	b.bytes, b.runs, b.entries = nil, nil, nil
	b.account()
}

// account tells the meter how much memory the outbox has.
func (b *outbox) account() {
	if n := cap(b.bytes) + (cap(b.runs)+cap(b.entries))*runBytes; n != b.metered {
		b.meter.Add(int64(n - b.metered))
		b.metered = n
	}
}

// runBytes is the size of an entry, and about that of a run.
const runBytes = 32

// lacks is about how many bytes append would allocate for n more, beyond what is kept anyway.
func (b *outbox) lacks(n int) int {
	if len(b.bytes)+n <= max(cap(b.bytes), minOutboxBytes) {
		return 0
	}
	return n + cap(b.bytes)/4
}
