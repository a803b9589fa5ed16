package engine

import (
	"time"

	"github.com/wsloop/wsloop/poller"
)

// itemBytes is what a waiting frame counts beside its bytes, and takes about.
const itemBytes = 64

// An item is a frame that waits.
type item struct {
	frame   []byte // from loop.pool; nil once it was dropped
	key     string
	expires uint32 // the first tick at which it is out of date, if mortal
	mortal  bool
	fixed   bool // it must not be dropped: a control frame, or part of a fragmented message
}

// A backlog holds frames for a peer that does not keep up. They can still be dropped,
// other than what is in the outbox or the driver's queue. loop.mu guards it.
type backlog struct {
	token   poller.Token
	items   []item
	head    int // of items: those before were taken
	base    int // the number that items[0] has in keys
	bytes   int // of the frames
	frames  int
	keys    map[string]int
	waiters []chan struct{} // closed when there may be room
	metered int             // what the budget counts for items
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
		l.backlogs = append(l.backlogs, new(backlog))
	}
	b := l.backlogs[s.backlog]
	b.token = t
	return b
}

// dropBacklog gives a connection's backlog back with what is in it. loop.mu is held.
func (l *loop) dropBacklog(s *sending) {
	if s.backlog == 0 {
		return
	}
	b := l.backlogs[s.backlog]
	b.clear(&l.pool)
	b.wake()
	items := b.items[:0]
	if cap(items) > maxIdleItems {
		items = nil
	}
	l.server.budget.account(&b.metered, 0)
	*b = backlog{items: items}
	l.freeBacklogs = append(l.freeBacklogs, s.backlog)
	s.backlog = 0
}

// accountItems tells the budget of the memory for items. What an idle backlog may keep is not worth it.
func (l *loop) accountItems(b *backlog) {
	l.server.budget.account(&b.metered, max(cap(b.items)-maxIdleItems, 0)*itemBytes)
}

// maxIdleItems bounds what a backlog without a connection keeps.
const maxIdleItems = 64

// wake lets those who wait for room try again.
func (b *backlog) wake() {
	for _, w := range b.waiters {
		close(w)
	}
	b.waiters = nil
}

// push adds a frame at the end, and returns where it is.
func (b *backlog) push(i item) *item {
	if b.head == len(b.items) || b.head > maxIdleItems && b.head > len(b.items)/2 {
		n := copy(b.items, b.items[b.head:])
		clear(b.items[n:])
		b.items = b.items[:n]
		b.base += b.head
		b.head = 0
	}
	if i.key != "" {
		if b.keys == nil {
			b.keys = make(map[string]int)
		}
		b.keys[i.key] = b.base + len(b.items)
	}
	b.bytes += len(i.frame)
	b.frames++
	b.items = append(b.items, i)
	return &b.items[len(b.items)-1]
}

// latest returns the waiting frame with a key, or nil.
func (b *backlog) latest(key string) *item {
	if number, ok := b.keys[key]; ok && key != "" {
		return &b.items[number-b.base]
	}
	return nil
}

// replace puts a frame in the place of another.
func (b *backlog) replace(i *item, frame []byte, pool *poller.Buffers) {
	b.bytes += len(frame) - len(i.frame)
	pool.Put(i.frame)
	i.frame = frame
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

// drop drops one frame.
func (b *backlog) drop(i *item, pool *poller.Buffers) {
	b.remove(i)
	pool.Put(i.frame)
	i.frame = nil
}

// remove takes one frame out of the account.
func (b *backlog) remove(i *item) {
	b.bytes -= len(i.frame)
	b.frames--
	if i.key != "" {
		delete(b.keys, i.key)
		i.key = ""
	}
}

// dropOldest drops the frames that wait longest, as far as they may be dropped, until no more than
// limit bytes are left. keep is not dropped.
func (b *backlog) dropOldest(limit int, keep *item, pool *poller.Buffers) (dropped int) {
	for i := b.head; i < len(b.items) && b.cost() > limit; i++ {
		if it := &b.items[i]; it.frame != nil && !it.fixed && it != keep {
			b.drop(it, pool)
			dropped++
		}
	}
	b.skip()
	return dropped
}

// dropExpired drops frames at the front that are out of date.
func (b *backlog) dropExpired(now uint32, pool *poller.Buffers) (dropped int) {
	for ; b.head < len(b.items); b.head++ {
		it := &b.items[b.head]
		if it.frame == nil {
			continue
		}
		if !it.mortal || int32(it.expires-now) > 0 {
			break
		}
		b.drop(it, pool)
		dropped++
	}
	return dropped
}

// skip goes past what was dropped.
func (b *backlog) skip() {
	for b.head < len(b.items) && b.items[b.head].frame == nil {
		b.head++
	}
}

// take moves frames of about limit bytes, one at least, to batch. Their buffers go back to the pool when they
// are written.
func (b *backlog) take(batch [][]byte, limit int, now uint32, pool *poller.Buffers) (_ [][]byte, size, expired int) {
	for size < limit && len(batch) < cap(batch) {
		expired += b.dropExpired(now, pool)
		if b.head == len(b.items) {
			break
		}
		it := &b.items[b.head]
		b.head++
		b.remove(it)
		batch = append(batch, it.frame)
		size += len(it.frame)
		it.frame = nil
	}
	return batch, size, expired
}

// clear drops everything. It returns how many frames that could have been dropped there were.
func (b *backlog) clear(pool *poller.Buffers) (dropped int) {
	for i := b.head; i < len(b.items); i++ {
		if it := &b.items[i]; it.frame != nil {
			if !it.fixed {
				dropped++
			}
			b.drop(it, pool)
		}
	}
	b.head = len(b.items)
	return dropped
}

func (b *backlog) empty() bool { return b.frames == 0 }

// cost is what the backlog counts against Server.MaxBufferedBytes.
func (b *backlog) cost() int { return b.bytes + b.frames*itemBytes }
