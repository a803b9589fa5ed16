package engine

import (
	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller"
)

// An outbox gathers what is sent on a loop between two flushes. Frames lie in bytes,
// in the order of the calls; runs link those of one connection, so that each
// gets one write. It is guarded by loop.mu.
type outbox struct {
	bytes   []byte
	runs    []run
	entries []entry
	most    int // of bytes, since the last trim
}

// run is a stretch of outbox.bytes for one connection.
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
	pending     uint32 // what the driver's queue holds after the write
}

// ending tells the loop that another goroutine, or a callback, ended a connection.
type ending struct {
	token poller.Token
	abort bool // without a closing handshake
}

// sending is the part of a session that any goroutine may use, under loop.mu. All
// that decides whether a frame may follow another is in it, so that no
// frame is sent behind a Close frame or into a fragmented message.
type sending struct {
	generation  uint32 // of the connection in the slot; 0 for none
	entry       uint32 // index in outbox.entries plus 1; 0 for none
	queued      uint32 // bytes in the driver's queue
	state       sendState
	subprotocol uint8 // index in Server.protocols
}

type sendState uint8

const (
	sendNothing   sendState = iota // the opening handshake is not done
	sendOpen                       // between messages
	sendFragments                  // a MessageWriter has begun a message
	sendEnded                      // a Close frame was sent, or all is lost
)

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

// extend gives the connection the bytes of the outbox from start on. loop.mu is held.
func (l *loop) extend(t poller.Token, s *sending, start int) {
	box := &l.outbox
	end := len(box.bytes)
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

// room says whether n more bytes stay within the limits. loop.mu is held.
func (l *loop) room(s *sending, n int) bool {
	if waiting := len(l.outbox.bytes); waiting > 0 && waiting+n > l.settings.maxOutbox {
		return false
	}
	waiting := uint64(s.queued)
	if s.entry != 0 {
		waiting += uint64(l.outbox.entries[s.entry-1].size)
	}
	return waiting+uint64(n) <= uint64(l.server.settings.maxBuffered)
}

// sendFrame sends one frame of a connection that is in state from, and leaves it in
// state to. payload is copied.
func sendFrame[T []byte | string](l *loop, t poller.Token, fin bool, op codec.Opcode, payload T, from, to sendState) error {
	l.mu.Lock()
	s := l.sendingOf(t)
	if s == nil || s.state != from {
		err := whyNot(s)
		l.mu.Unlock()
		return err
	}
	if !l.room(s, codec.MaxHeaderLen+len(payload)) {
		l.mu.Unlock()
		l.server.counters.bufferFull.Add(1)
		return ErrBufferFull
	}
	box := &l.outbox
	start := len(box.bytes)
	box.bytes = append(codec.AppendHeader(box.bytes, fin, op, len(payload)), payload...)
	l.extend(t, s, start)
	s.state = to
	l.mu.Unlock()
	l.driver.Wake()
	return nil
}

// whyNot is the error of a connection that cannot begin a message now.
func whyNot(s *sending) error {
	if s != nil && s.state == sendFragments {
		return ErrMessageOpen
	}
	return ErrClosed
}

// sendControl sends a ping or pong, which may stand between the fragments of a message.
func (l *loop) sendControl(t poller.Token, op codec.Opcode, payload []byte) error {
	l.mu.Lock()
	s := l.sendingOf(t)
	if s == nil || s.state != sendOpen && s.state != sendFragments {
		l.mu.Unlock()
		return ErrClosed
	}
	if !l.room(s, codec.MaxHeaderLen+len(payload)) {
		l.mu.Unlock()
		l.server.counters.bufferFull.Add(1)
		return ErrBufferFull
	}
	start := len(l.outbox.bytes)
	l.outbox.bytes = codec.AppendFrame(l.outbox.bytes, true, op, payload)
	l.extend(t, s, start)
	l.mu.Unlock()
	l.driver.Wake()
	return nil
}

// sendClose sends a Close frame with this payload, after which nothing can be sent.
// MaxBufferedBytes does not hold for it. With tell, the loop learns from ends
// that the closing handshake has begun.
func (l *loop) sendClose(t poller.Token, payload []byte, tell bool) error {
	l.mu.Lock()
	s := l.sendingOf(t)
	if s == nil || s.state != sendOpen && s.state != sendFragments {
		l.mu.Unlock()
		return ErrClosed
	}
	start := len(l.outbox.bytes)
	l.outbox.bytes = codec.AppendFrame(l.outbox.bytes, true, codec.OpcodeClose, payload)
	l.extend(t, s, start)
	s.state = sendEnded
	if tell {
		l.ends = append(l.ends, ending{token: t})
		l.ended.Store(true)
	}
	l.mu.Unlock()
	l.driver.Wake()
	return nil
}

// sendRaw sends bytes of the opening handshake on the loop's goroutine, and leaves the
// connection in state to. It does nothing if the connection was aborted meanwhile.
func (l *loop) sendRaw(t poller.Token, b []byte, to sendState) (sent bool) {
	l.mu.Lock()
	if s := l.sendingOf(t); s != nil && s.state == sendNothing {
		sent = true
		start := len(l.outbox.bytes)
		l.outbox.bytes = append(l.outbox.bytes, b...)
		l.extend(t, s, start)
		s.state = to
	}
	l.mu.Unlock()
	l.driver.Wake()
	return sent
}

// abort tells the loop, from any goroutine, to close a connection at once.
func (l *loop) abort(t poller.Token) {
	l.mu.Lock()
	if s := l.sendingOf(t); s != nil {
		s.state = sendEnded
		l.ends = append(l.ends, ending{token: t, abort: true})
		l.ended.Store(true)
	}
	l.mu.Unlock()
	l.driver.Wake()
}
