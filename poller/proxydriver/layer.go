package proxydriver

import (
	"sync/atomic"
	"time"

	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
)

// layer stands between an inner loop and the upper handler. Only the loop's goroutine touches it, but for slots.
type layer struct {
	poller.Loop // the inner one, which does all that is not said otherwise here
	driver      *Driver
	upper       poller.Handler

	slots   poller.Slab[slot]
	waiting waits
	buffers poller.Buffers
	header  handshake.ProxyHeader // that of one call of Data

	opening poller.Token // what the upper handler is just told of, and what it did then
	paused  bool
	closed  bool
}

var (
	_ poller.Handler = (*layer)(nil)
	_ poller.Loop    = (*layer)(nil)
)

func newLayer(d *Driver, inner poller.Loop) *layer {
	l := &layer{Loop: inner, driver: d}
	l.buffers.Meter, l.buffers.Keep = d.meter, d.keep
	return l
}

// Open implements poller.Handler. A connection whose peer is gone already has no address any more, and counts as one of
// a Unix socket: no header is expected of it.
func (l *layer) Open(t poller.Token) {
	policy, stats := &l.driver.options.Policy, &l.driver.stats
	if policy.Mode == handshake.ProxyOff {
		l.upper.Open(t)
		return
	}
	remote, err := l.Loop.RemoteAddr(t)
	switch {
	case policy.Expects(remote.Addr()):
		l.await(t)
	case policy.Admits(remote.Addr()):
		l.upper.Open(t)
	case err != nil:
		l.refuse(t, &stats.Gone)
	default:
		l.refuse(t, &stats.NotAdmitted)
	}
}

// await begins to wait for a header.
func (l *layer) await(t poller.Token) {
	l.slots.Grow(t.Slot())
	s := l.slots.At(t.Slot())
	s.low.Store(uint64(l.waiting.add(t, l.Now())))
	s.set(t, stateWaiting)
	l.driver.stats.Waiting.Add(1)
}

// forget ends the waiting.
func (l *layer) forget(s *slot) {
	place := uint32(s.low.Load())
	if head := l.waiting.places[place].head; head != nil {
		l.buffers.Put(head)
	}
	l.waiting.remove(place)
	l.driver.stats.Waiting.Add(-1)
}

// refuse closes a connection that the upper handler does not know of.
func (l *layer) refuse(t poller.Token, counter *atomic.Uint64) {
	if s, m := l.find(t); m.state() == stateWaiting {
		l.forget(s)
	}
	l.slots.Grow(t.Slot())
	l.slots.At(t.Slot()).set(t, stateRefused)
	counter.Add(1)
	l.Loop.Close(t, nil)
}

// Dialing implements poller.Handler.
func (l *layer) Dialing(t poller.Token, tag any) {
	if a, ok := tag.(*adopted); ok {
		l.slots.Grow(t.Slot())
		l.slots.At(t.Slot()).tell(t, a.kind, a.source)
		tag = a.tag
	}
	l.upper.Dialing(t, tag)
}

// Connected implements poller.Handler.
func (l *layer) Connected(t poller.Token) { l.upper.Connected(t) }

// Buffer implements poller.Handler. Headers are read to the driver's.
func (l *layer) Buffer(t poller.Token) []byte {
	if _, m := l.find(t); m.state() == stateWaiting || m.state() == stateRefused {
		return nil
	}
	return l.upper.Buffer(t)
}

// Data implements poller.Handler.
func (l *layer) Data(t poller.Token, b []byte) (consumed int) {
	switch s, m := l.find(t); m.state() {
	case stateWaiting:
		return l.receive(s, t, b)
	case stateRefused:
		return len(b)
	}
	return l.upper.Data(t, b)
}

// EOF implements poller.Handler.
func (l *layer) EOF(t poller.Token) {
	switch _, m := l.find(t); m.state() {
	case stateWaiting:
		l.refuse(t, &l.driver.stats.Gone)
	case stateRefused:
	default:
		l.upper.EOF(t)
	}
}

// Progress implements poller.Handler. Nothing is written to a connection that waits.
func (l *layer) Progress(t poller.Token, pending int) { l.upper.Progress(t, pending) }

// Drained implements poller.Handler.
func (l *layer) Drained(t poller.Token) { l.upper.Drained(t) }

// Closed implements poller.Handler.
func (l *layer) Closed(t poller.Token, err error) {
	s, m := l.find(t)
	switch m.state() {
	case stateWaiting:
		l.forget(s)
		l.driver.stats.Gone.Add(1)
	case stateRefused:
	default:
		l.upper.Closed(t, err)
	}
	if s != nil {
		s.set(t, stateGone)
	}
}

// Flush implements poller.Handler.
func (l *layer) Flush() { l.upper.Flush() }

// Tick implements poller.Handler.
func (l *layer) Tick(now time.Duration) {
	for {
		oldest := l.waiting.oldest()
		if oldest == nil || now-oldest.since < l.driver.options.Timeout {
			break
		}
		l.refuse(oldest.token, &l.driver.stats.TimedOut)
	}
	l.waiting.trim()
	l.buffers.Trim()
	l.upper.Tick(now)
}
