package engine

import (
	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller"
)

// directBytes is from how many bytes on a payload is written from where it lies, if nothing waits before
// it. Below, a copy costs less than a system call of its own.
const directBytes = 32 << 10

// maxReadBytes bounds one read into the buffer of a long message, so that other connections get their turn
// and what was read is still in the cache when it is unmasked.
const maxReadBytes = 256 << 10

// sendBytes is sendFrame for a payload that may be long enough to be written at once.
func sendBytes(l *loop, t poller.Token, o *outgoing, payload []byte) (Sent, error) {
	if l.settings.deflate != nil && o.whole() {
		if sent, err, done := sendCompressed(l, t, o, payload); done {
			return sent, err
		}
	}
	if len(payload) < l.settings.directBytes {
		return sendFrame(l, t, o, payload)
	}
	l.mu.Lock()
	s := l.sendingOf(t)
	if s == nil || !l.startDirect(s, o, codec.MaxHeaderLen+len(payload)) {
		sent, err := placeFrame(l, t, o, payload)
		l.mu.Unlock()
		l.wakeAfter(err)
		return sent, err
	}
	header := codec.AppendHeader(l.pool.Get(codec.MaxHeaderLen), o.fin, o.op, len(payload))
	l.mu.Unlock()
	n := l.driver.TryWrite(t, header, payload)
	l.mu.Lock()
	l.endDirect(t, header, payload, n)
	l.pool.Put(header)
	l.mu.Unlock()
	l.driver.Wake()
	return Sent{}, nil
}

// startDirect decides whether a frame of n bytes may be written at once, by the goroutine that sends it. Until
// endDirect it counts as queued, and all else that is sent on the connection waits. loop.mu is held.
func (l *loop) startDirect(s *sending, o *outgoing, n int) bool {
	if s.state != o.from || s.flags&(sendMasks|sendDirect) != 0 || s.backlog != 0 || l.committed(s) > 0 || s.entry != 0 || !l.fits(s, n, n) {
		return false
	}
	s.flags |= sendDirect
	s.queued = uint32(n)
	s.state = o.to
	return true
}

// writesDirect says whether noteWrite is still to hear of what a goroutine wrote, or is writing.
func (l *loop) writesDirect(s *sending) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return s.flags&sendDirect != 0 || s.entry != 0 && l.outbox.entries[s.entry-1].direct > 0
}

// endDirect puts what the socket did not take of a frame into the outbox, and has the next flush go on with
// what was sent meanwhile. loop.mu is held.
func (l *loop) endDirect(t poller.Token, header, payload []byte, n int) {
	s := l.sendingOf(t)
	if s == nil {
		return // it is gone
	}
	s.flags &^= sendDirect
	s.queued = 0
	box := &l.outbox
	l.entryOf(t, s).direct = uint32(n)
	if n == len(header)+len(payload) {
		return
	}
	start := len(box.bytes)
	if n < len(header) {
		box.bytes = append(box.bytes, header[n:]...)
		n = len(header)
	}
	box.bytes = append(box.bytes, payload[n-len(header):]...)
	l.extend(t, s, start, len(box.bytes))
}

// Buffer implements poller.Handler: the rest of a long message is read to where it is assembled.
func (l *loop) Buffer(t poller.Token) []byte {
	s := l.sessions.At(t.Slot())
	if s.rare == 0 || s.phase != phaseOpen {
		return nil
	}
	room := l.rares[s.rare].assembler.Room(&s.decoder)
	if len(room) < l.settings.directBytes {
		return nil // which would make many short reads
	}
	return room[:min(len(room), maxReadBytes)]
}
