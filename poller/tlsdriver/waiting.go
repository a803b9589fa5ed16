package tlsdriver

import "time"

// evictScan is how many of the oldest handshakes are looked at for one that waits.
const evictScan = 256

// expect begins to wait for a handshake.
func (l *layer) expect(c *conn) {
	h := newHandshake(c)
	c.handshake, c.wire = h, &wire{c}
	h.began = l.inner.Now()
	h.linked = true
	if h.prev = l.newest; h.prev != nil {
		h.prev.next = h
	} else {
		l.oldest = h
	}
	l.newest = h
	if l.driver.stats.Pending.Add(1) > int64(l.driver.options.MaxHandshakes) {
		l.evict(h)
	}
}

// unlink forgets a handshake that is over.
func (l *layer) unlink(h *handshake) {
	if !h.linked {
		return
	}
	h.linked = false
	if h.prev != nil {
		h.prev.next = h.next
	} else {
		l.oldest = h.next
	}
	if h.next != nil {
		h.next.prev = h.prev
	} else {
		l.newest = h.prev
	}
	h.prev, h.next = nil, nil
	l.driver.stats.Pending.Add(-1)
}

// evict makes room for a new handshake, or ends it.
func (l *layer) evict(newest *handshake) {
	victim := l.oldest
	for range evictScan {
		if victim == newest || victim.waiting.Load() {
			break
		}
		victim = victim.next
	}
	if !victim.waiting.Load() {
		victim = newest
	}
	l.driver.stats.Evicted.Add(1)
	l.abandon(victim.conn, ErrEvicted)
}

// expire ends the handshakes that took too long.
func (l *layer) expire(now time.Duration) {
	for l.oldest != nil && now-l.oldest.began >= l.driver.options.HandshakeTimeout {
		c := l.oldest.conn
		if c.phase == phaseHandshake {
			l.driver.stats.TimedOut.Add(1)
		}
		l.abandon(c, ErrHandshakeTimeout)
	}
}
