package proxydriver

import (
	"time"

	"github.com/wsloop/wsloop/poller"
)

// spareWaits is how many places a loop keeps while no connection waits.
const spareWaits = 1 << 10

// wait is a connection whose header is not complete.
type wait struct {
	token      poller.Token
	since      time.Duration // on the loop's clock
	head       []byte        // what has come, from the layer's buffers; nil if nothing has
	prev, next uint32
}

// waits lists the connections that wait, in the order in which they began. Place 0 is none of them: after it comes the
// oldest, before it the newest. Free places are linked through next.
type waits struct {
	places []wait
	free   uint32 // 0: none
	count  int
}

// add appends a connection and returns its place.
func (w *waits) add(t poller.Token, now time.Duration) uint32 {
	if len(w.places) == 0 {
		w.places = append(w.places, wait{})
	}
	place := w.free
	if place != 0 {
		w.free = w.places[place].next
	} else {
		place = uint32(len(w.places))
		w.places = append(w.places, wait{})
	}
	newest := w.places[0].prev
	w.places[place] = wait{token: t, since: now, prev: newest}
	w.places[newest].next, w.places[0].prev = place, place
	w.count++
	return place
}

// remove forgets a connection, whose bytes the caller has taken care of.
func (w *waits) remove(place uint32) {
	p := w.places[place]
	w.places[p.prev].next, w.places[p.next].prev = p.next, p.prev
	w.places[place] = wait{next: w.free}
	w.free = place
	w.count--
}

// oldest is the connection that has waited longest, or nil.
func (w *waits) oldest() *wait {
	if w.count == 0 {
		return nil
	}
	return &w.places[w.places[0].next]
}

// trim gives the places of a burst back.
func (w *waits) trim() {
	if w.count == 0 && cap(w.places) > spareWaits {
		*w = waits{}
	}
}
