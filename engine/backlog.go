package engine

import (
	"time"

	"github.com/wsloop/wsloop/poller"
)

// itemBytes is what a waiting frame counts beside its bytes, and takes about.
const itemBytes = 64

// wire is a frame as it goes out.
type wire struct {
	bytes    []byte    // from loop.pool, or of prepared
	prepared *Prepared // held, if not nil
}

// free gives the frame's memory back.
func (w *wire) free(pool *poller.Buffers) {
	if w.prepared != nil {
		w.prepared.release()
	} else {
		pool.Put(w.bytes)
	}
	*w = wire{}
}

// An item is a frame that waits. It has no bytes once it was dropped.
type item struct {
	wire
	key     string
	expires uint32 // the first tick at which it is out of date, if mortal
	mortal  bool
	fixed   bool // it must not be dropped: a control frame, or part of a fragmented message
	own     bool // the policy of its connection says whether it gives way to others
	kept    bool // it does not, by that of its topic
}

// A backlog holds frames for a peer that does not keep up. They can still be dropped,
// other than what is in the outbox or the driver's queue. loop.mu guards it.
type backlog struct {
	token   poller.Token
	items   []item
	head    int            // of items: those before were taken
	frames  int            // that wait: items without those taken or dropped
	bytes   int            // of the frames
	fixed   int            // cost of the frames that must not be dropped
	own     int            // cost of those under the policy of the connection
	kept    int            // cost of those that do not give way, by the policy of their topic
	keys    map[string]int // where in items the frame with a key is
	swept   uint32         // the tick of the last search for frames out of date
	metered int            // what the budget counts for items
	room    chan struct{}  // closed when there may be room; nil if nobody waits for it
}

// backlogOf returns a connection's backlog, making it if need be. loop.mu is held.
func (l *loop) backlogOf(t poller.Token, s *sending) *backlog {
	if s.backlog != 0 {
		return l.backlogs[s.backlog]
	}
	if last := len(l.freeBacklogs) - 1; last >= 0 {
		s.backlog = l.freeBacklogs[last]
		l.freeBacklogs = l.freeBacklogs[:last]
	} else {
		s.backlog = uint32(len(l.backlogs))
		l.backlogs = append(l.backlogs, nil)
	}
	b := l.spareBacklog()
	b.token = t
	l.backlogs[s.backlog] = b
	return b
}

// spareBacklog returns an empty backlog. loop.mu is held.
func (l *loop) spareBacklog() *backlog {
	last := len(l.spareBacklogs) - 1
	if last < 0 {
		return new(backlog)
	}
	b := l.spareBacklogs[last]
	l.spareBacklogs[last] = nil
	l.spareBacklogs = l.spareBacklogs[:last]
	return b
}

// dropBacklog gives a connection's backlog back with what is in it. loop.mu is held.
func (l *loop) dropBacklog(s *sending) {
	if s.backlog == 0 {
		return
	}
	b := l.backlogs[s.backlog]
	l.backlogs[s.backlog] = nil
	l.freeBacklogs = append(l.freeBacklogs, s.backlog)
	s.backlog = 0
	b.clear(&l.pool)
	b.wake()
	l.server.budget.account(&b.metered, 0)
	if cap(b.items) <= maxSpareItems && len(l.spareBacklogs) < maxSpareBacklogs {
		*b = backlog{items: b.items[:0], keys: b.keys}
		l.spareBacklogs = append(l.spareBacklogs, b)
	}
}

// accountItems tells the budget of the memory for items. Spare backlogs do not count.
func (l *loop) accountItems(b *backlog) {
	l.server.budget.account(&b.metered, cap(b.items)*itemBytes)
}

// What a loop keeps of backlogs that no connection has.
const (
	maxSpareBacklogs = 64
	maxSpareItems    = 512
)

// wake lets those who wait for room try again.
func (b *backlog) wake() {
	if b.room != nil {
		close(b.room)
		b.room = nil
	}
}

// push adds a frame at the end, and returns where it is.
func (b *backlog) push(i item) *item {
	if gone := len(b.items) - b.frames; gone > minCompact && gone > b.frames {
		b.compact()
	}
	if i.key != "" {
		if b.keys == nil {
			b.keys = make(map[string]int)
		}
		b.keys[i.key] = len(b.items)
	}
	b.bytes += len(i.wire.bytes)
	b.frames++
	b.count(&i, i.cost())
	b.items = append(b.items, i)
	return &b.items[len(b.items)-1]
}

// minCompact is how many items that are gone are not worth a compaction.
const minCompact = 32

// compact forgets the items that are gone: those taken, at the front, and those dropped, which
// may lie behind one that must not be.
func (b *backlog) compact() {
	kept := b.items[:0]
	for _, i := range b.items[b.head:] {
		if i.bytes == nil {
			continue
		}
		if i.key != "" {
			b.keys[i.key] = len(kept)
		}
		kept = append(kept, i)
	}
	clear(b.items[len(kept):])
	b.items, b.head = kept, 0
}

// latest returns the waiting frame with a key, or nil.
func (b *backlog) latest(key string) *item {
	if at, ok := b.keys[key]; ok && key != "" {
		return &b.items[at]
	}
	return nil
}

// replace puts a frame in the place of another.
func (b *backlog) replace(i *item, frame wire, pool *poller.Buffers) {
	b.bytes += len(frame.bytes) - len(i.bytes)
	b.count(i, len(frame.bytes)-len(i.bytes))
	i.free(pool)
	i.wire = frame
}

// count adds to what cannot be dropped, or not always.
func (b *backlog) count(i *item, cost int) {
	switch {
	case i.fixed:
		b.fixed += cost
	case i.own:
		b.own += cost
	case i.kept:
		b.kept += cost
	}
}

// expire sets how long a frame may wait: its own time to live, or else the policy's.
func (i *item) expire(now uint32, policy, own time.Duration) {
	ttl := policy
	if own > 0 {
		ttl = own
	}
	i.mortal = ttl > 0 && !i.fixed
	i.expires = now + ticksOf(min(ttl, longestTimeout))
}

func (i *item) expired(now uint32) bool { return i.mortal && int32(i.expires-now) <= 0 }

// cost is what the frame counts against Server.MaxBufferedBytes.
func (i *item) cost() int { return len(i.bytes) + itemBytes }

// drop drops one frame.
func (b *backlog) drop(i *item, pool *poller.Buffers) {
	b.remove(i)
	i.free(pool)
}

// remove takes one frame out of the account.
func (b *backlog) remove(i *item) {
	b.bytes -= len(i.bytes)
	b.frames--
	b.count(i, -i.cost())
	if i.key != "" {
		delete(b.keys, i.key)
		i.key = ""
	}
}

// dropOldest drops the frames that wait longest, as far as they may be dropped, until no more than
// limit bytes are left. own says whether those under the policy of the connection may; keep is not dropped.
func (b *backlog) dropOldest(limit int, own bool, keep *item, pool *poller.Buffers) (dropped int) {
	for i := b.head; i < len(b.items) && b.cost() > limit; i++ {
		if it := &b.items[i]; it.bytes != nil && !it.fixed && !it.kept && (own || !it.own) && it != keep {
			b.drop(it, pool)
			dropped++
		}
	}
	b.skip()
	return dropped
}

// dropExpired drops the frames that are out of date, wherever they are. It looks for them once a tick.
func (b *backlog) dropExpired(now uint32, pool *poller.Buffers) (dropped int) {
	if b.swept == now {
		return 0
	}
	b.swept = now
	for i := b.head; i < len(b.items); i++ {
		if it := &b.items[i]; it.bytes != nil && it.expired(now) {
			b.drop(it, pool)
			dropped++
		}
	}
	b.skip()
	return dropped
}

// skip goes past what was dropped.
func (b *backlog) skip() {
	for b.head < len(b.items) && b.items[b.head].bytes == nil {
		b.head++
	}
}

// take moves frames of about limit bytes, one at least, to batch. Their memory is given back when they
// are written.
func (b *backlog) take(batch []wire, limit int, now uint32, pool *poller.Buffers) (_ []wire, size, expired int) {
	for size < limit && len(batch) < cap(batch) && b.head < len(b.items) {
		it := &b.items[b.head]
		b.head++
		switch {
		case it.bytes == nil:
		case it.expired(now):
			b.drop(it, pool)
			expired++
		default:
			b.remove(it)
			batch = append(batch, it.wire)
			size += len(it.bytes)
			it.wire = wire{}
		}
	}
	return batch, size, expired
}

// clear drops everything. It returns how many frames that could have been dropped there were.
func (b *backlog) clear(pool *poller.Buffers) (dropped int) {
	for i := b.head; i < len(b.items); i++ {
		if it := &b.items[i]; it.bytes != nil {
			if !it.fixed {
				dropped++
			}
			b.drop(it, pool)
		}
	}
	b.head = len(b.items)
	return dropped
}

// blame is what of the memory held is on account of this connection: of a message for which others wait too,
// its part.
func (b *backlog) blame() int {
	n := b.frames * itemBytes
	for i := b.head; i < len(b.items); i++ {
		it := &b.items[i]
		if it.prepared == nil {
			n += len(it.bytes)
		} else {
			n += len(it.bytes) / int(max(it.prepared.waiting.Load(), 1))
		}
	}
	return n
}

func (b *backlog) empty() bool { return b.frames == 0 }

// cost is what the backlog counts against Server.MaxBufferedBytes.
func (b *backlog) cost() int { return b.bytes + b.frames*itemBytes }
