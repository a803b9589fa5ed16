package engine

import (
	"sync"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller"
)

// Where compression has not paid for a while, only one message in so many is tried.
const (
	missesAllowed = 7 // messages in a row that did not become smaller
	probation     = 16
)

// missUnit counts messages that did not become smaller in the upper bits of sending.flags.
const (
	missUnit = 1 << 5
	missMask = missesAllowed * missUnit
)

// scratch is what a goroutine compresses into.
type scratch struct{ in, out []byte }

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// maxScratch is what of it is kept.
const maxScratch = 1 << 20

// maxOrderedBytes is the longest message that is compressed under loop.mu, to refer to those before it. Longer ones find next to
// nothing in 2 KiB that they do not find in themselves.
const maxOrderedBytes = 32 << 10

// sendCompressed sends a message compressed, if its connection agreed to that and it becomes smaller. Without done
// nothing was sent.
func sendCompressed(l *loop, t poller.Token, o *outgoing, payload []byte) (sent Sent, err error, done bool) {
	d := l.settings.deflate
	l.mu.Lock()
	s := l.sendingOf(t)
	if s == nil || s.flags&sendDeflates == 0 || s.state != o.from {
		l.mu.Unlock()
		return sent, nil, false
	}
	bits, threshold := uint8(15), d.threshold
	a := l.agreementOf(t, s)
	if a != nil {
		bits = a.outBits
		if a.takesOut {
			threshold = d.takeover
		}
	}
	if !l.worthwhile(s, o, len(payload), threshold) {
		l.mu.Unlock()
		return sent, nil, false
	}
	x := scratches.Get().(*scratch)
	defer x.free()
	if a != nil && a.takesOut && len(payload) <= maxOrderedBytes && l.placesNow(s, len(payload)) {
		// What refers to earlier messages leaves in the order in which it was compressed, or the peer reads nonsense.
		var ok bool
		if x.out, ok = d.deflaters[bits].Append(x.out[:0], payload, &l.windowsOf(t, a).out); ok {
			o.compressed = true
			commitFrame(l, t, s, o, x.out)
		}
		s.noteMiss(!ok)
		l.mu.Unlock()
		if ok {
			l.driver.Wake()
		}
		return sent, nil, ok
	}
	l.mu.Unlock()
	out, ok := d.deflaters[bits].Append(x.out[:0], payload, nil)
	x.out = out
	l.mu.Lock()
	s = l.sendingOf(t)
	if s == nil || s.state != o.from {
		l.mu.Unlock()
		return sent, whyNot(s), true
	}
	s.noteMiss(!ok)
	if !ok {
		l.mu.Unlock()
		return sent, nil, false
	}
	o.compressed = true
	sent, err = placeFrame(l, t, o, out)
	if err == nil {
		l.forgetSent(t, s)
	}
	l.mu.Unlock()
	l.wakeAfter(err)
	return sent, err, true
}

// placesNow says whether placeFrame would put a payload of n bytes into the outbox. loop.mu is held.
func (l *loop) placesNow(s *sending, n int) bool {
	n += codec.MaxHeaderLen
	return s.backlog == 0 && s.flags&sendDirect == 0 && l.fits(s, n, n)
}

// sendString is sendFrame for a text that may be compressed.
func sendString(l *loop, t poller.Token, o *outgoing, text string) (Sent, error) {
	if l.settings.deflate == nil {
		return sendFrame(l, t, o, text)
	}
	x := scratches.Get().(*scratch)
	defer x.free()
	x.in = append(x.in[:0], text...)
	return sendBytes(l, t, o, x.in)
}

// worthwhile says whether to try to compress a message. loop.mu is held.
func (l *loop) worthwhile(s *sending, o *outgoing, payloadLen, threshold int) bool {
	switch o.delivery.Compress {
	case CompressNever:
		return false
	case CompressAlways:
		return true
	}
	if payloadLen < threshold {
		return false
	}
	if s.flags&missMask != missMask {
		return true
	}
	l.tries++
	return l.tries%probation == 0
}

// noteMiss counts messages in a row that did not become smaller.
func (s *sending) noteMiss(missed bool) {
	switch {
	case !missed:
		s.flags &^= missMask
	case s.flags&missMask != missMask:
		s.flags += missUnit
	}
}

func (x *scratch) free() {
	if cap(x.in)+cap(x.out) > maxScratch {
		*x = scratch{}
	}
	scratches.Put(x)
}
