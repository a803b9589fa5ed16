package engine

import (
	"time"

	"github.com/wsloop/wsloop/poller"
)

const (
	// A tick is the unit of the wheel, and so the precision of deadlines.
	tick           = poller.TickInterval
	ticksPerSecond = uint32(time.Second / tick)
	wheelBuckets   = 1024
)

// A wheel is a clock in ticks and the sessions that wait for it, by the tick for
// which they wait. It links sessions by slot and has no memory of its own but the heads of its
// lists. Ticks wrap after 34 years, and are only ever compared by their difference.
type wheel struct {
	now     uint32        // the last tick that was served
	last    time.Duration // when it was, by the driver's clock
	buckets [wheelBuckets]uint32
}

// timer is a session's place in the wheel. Its zero value is outside.
type timer struct {
	at   uint32 // the tick for which it waits
	prev uint32 // slot+1, or at the head of a list headBit and the bucket
	next uint32 // slot+1, 0 at the end
}

const headBit = 1 << 31

// ticksOf is the number of ticks after which d has passed for sure: the tick that is running when it
// is asked for does not count.
func ticksOf(d time.Duration) uint32 { return uint32((d-1)/tick) + 2 }

// advance says whether a tick is to be served. However late it is, it is one, and so ticks are never closer
// than tick: time in which the loop did not run, and could not hear the peers, does not count against them.
func (w *wheel) advance(now time.Duration) bool {
	passed := now - w.last
	if passed >= 0 && passed < tick {
		return false
	}
	w.last = now
	return passed > 0
}

// bucket is where a session waits for the tick at.
func (w *wheel) bucket(at uint32) uint32 {
	ahead := at - w.now
	if int32(ahead) < 1 {
		ahead = 1
	}
	return (w.now + min(ahead, wheelBuckets-1)) % wheelBuckets
}

// schedule puts a session where the tick at will find it, wherever it was.
func (l *loop) schedule(slot, at uint32) {
	l.unschedule(slot)
	bucket := l.wheel.bucket(at)
	head := &l.wheel.buckets[bucket]
	if *head != 0 {
		l.sessions.At(*head - 1).timer.prev = slot + 1
	}
	l.sessions.At(slot).timer = timer{at: at, prev: headBit | bucket, next: *head}
	*head = slot + 1
}

// unschedule takes a session out of the wheel.
func (l *loop) unschedule(slot uint32) {
	own := &l.sessions.At(slot).timer
	if own.prev == 0 {
		return
	}
	if own.next != 0 {
		l.sessions.At(own.next - 1).timer.prev = own.prev
	}
	if own.prev&headBit != 0 {
		l.wheel.buckets[own.prev&^headBit] = own.next
	} else {
		l.sessions.At(own.prev - 1).timer.next = own.next
	}
	*own = timer{}
}

// serve serves the next tick: every session that waits for it is taken out, and expires
// unless its tick is one beyond the wheel.
func (l *loop) serve() {
	w := &l.wheel
	w.now++
	for head := &w.buckets[w.now%wheelBuckets]; *head != 0; {
		slot := *head - 1
		at := l.sessions.At(slot).timer.at
		l.unschedule(slot)
		if int32(at-w.now) > 0 {
			l.schedule(slot, at)
		} else {
			l.expire(slot)
		}
	}
}
