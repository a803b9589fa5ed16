package engine

import (
	"sync"

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
// nothing in 2 KiB that they do not find in themselves, and would hold up all senders of the loop.
const maxOrderedBytes = 4 << 10

// may says whether a message could be compressed at all. It keeps all others from what that costs.
func (d *deflation) may(o *outgoing, payloadLen int) bool {
	if d == nil || !o.whole() {
		return false
	}
	switch o.delivery.Compress {
	case CompressAlways:
		return true
	case CompressNever:
		return false
	}
	return payloadLen >= min(d.threshold, d.takeover)
}

// windowFor is the window for which a message is to be compressed, in bits, or 0 if it is to be sent as it is. takes says that
// it can refer to earlier ones. loop.mu is held.
func (l *loop) windowFor(t poller.Token, s *sending, o *outgoing, payloadLen int) (bits uint8, takes bool) {
	if s == nil || s.flags&sendDeflates == 0 || s.state != o.from {
		return 0, false
	}
	d := l.settings.deflate
	bits, threshold := 15, d.threshold
	if a := l.agreementOf(t, s); a != nil {
		bits, takes = a.outBits, a.takesOut
	}
	if takes {
		threshold = d.takeover
	}
	if !l.worthwhile(s, o, payloadLen, threshold) {
		return 0, false
	}
	return bits, takes
}

// sendCompressed sends a message that may be compressed, if its connection agreed to that and it becomes smaller. Without
// done nothing was sent.
func sendCompressed(l *loop, t poller.Token, o *outgoing, payload []byte) (sent Sent, err error, done bool) {
	x := scratches.Get().(*scratch)
	defer x.free()
	l.mu.Lock()
	s := l.sendingOf(t)
	bits, takes := l.windowFor(t, s, o, len(payload))
	if takes && len(payload) <= maxOrderedBytes && l.placesNow(s, len(payload)) {
		done = l.sendReferring(t, s, o, bits, x, payload)
		l.mu.Unlock()
		if done {
			l.driver.Wake()
		}
		return sent, nil, done
	}
	l.mu.Unlock()
	if bits == 0 || !x.compressAlone(l, t, o, bits, payload) {
		return sent, nil, false
	}
	l.mu.Lock()
	sent, err = l.placeAlone(t, o, x.out)
	l.mu.Unlock()
	l.wakeAfter(err)
	return sent, err, true
}

// sendReferring sends a message that refers to those before it: it leaves in the order in which it was compressed, or the
// peer would read nonsense. loop.mu is held.
func (l *loop) sendReferring(t poller.Token, s *sending, o *outgoing, bits uint8, x *scratch, payload []byte) (done bool) {
	window := &l.windowsOf(t, l.agreementOf(t, s)).out
	x.out, done = l.settings.deflate.deflaters[bits].Append(x.out[:0], payload, window)
	if done {
		o.compressed = true
		commitFrame(l, t, s, o, x.out)
	}
	s.noteMiss(!done)
	return done
}

// compressAlone compresses a message into x.out without reference to others. It says whether it became smaller.
func (x *scratch) compressAlone(l *loop, t poller.Token, o *outgoing, bits uint8, payload []byte) bool {
	x.out, o.compressed = l.settings.deflate.deflaters[bits].Append(x.out[:0], payload, nil)
	l.mu.Lock()
	if s := l.sendingOf(t); s != nil {
		s.noteMiss(!o.compressed)
	}
	l.mu.Unlock()
	return o.compressed
}

// placeAlone is placeFrame for what compressAlone may have compressed: then no later message may refer to what was before
// it. loop.mu is held.
func (l *loop) placeAlone(t poller.Token, o *outgoing, payload []byte) (Sent, error) {
	sent, err := placeFrame(l, t, o, payload)
	if err == nil && o.compressed {
		l.forgetSent(t, l.sendingOf(t))
	}
	return sent, err
}

// sendString is sendFrame for a text that may be compressed.
func sendString(l *loop, t poller.Token, o *outgoing, text string) (Sent, error) {
	if !l.settings.deflate.may(o, len(text)) {
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
