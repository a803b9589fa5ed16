package engine

import "time"

// A deadlines list holds the connections of a loop that wait for the same kind of
// thing, and so for the same length of time: the one that entered first is due
// first. It links sessions by slot, without memory of its own.
type deadlines struct {
	after       time.Duration
	first, last uint32 // slot+1, 0 for none
}

// deadline is a session's place in at most one list.
type deadline struct {
	at         uint32 // in milliseconds of the loop's clock, which wraps after 49 days
	prev, next uint32 // slot+1, 0 for none
	list       uint8  // deadlineKind of the list it is in
}

type deadlineKind = uint8

const (
	noDeadline deadlineKind = iota
	handshakeDeadline
	closeDeadline
	deadlineKinds
)

func millis(t time.Duration) uint32 { return uint32(t / time.Millisecond) }

// expect puts a session into the list of kind, taking it out of where it was.
func (l *loop) expect(slot uint32, kind deadlineKind) {
	s := l.sessions.At(slot)
	l.relax(slot)
	if kind == noDeadline {
		return
	}
	d := &l.deadlines[kind]
	s.deadline = deadline{at: millis(l.driver.Now() + d.after), prev: d.last, list: kind}
	if d.last != 0 {
		l.sessions.At(d.last - 1).deadline.next = slot + 1
	} else {
		d.first = slot + 1
	}
	d.last = slot + 1
}

// relax takes a session out of its list.
func (l *loop) relax(slot uint32) {
	own := &l.sessions.At(slot).deadline
	if own.list == noDeadline {
		return
	}
	d := &l.deadlines[own.list]
	if own.prev != 0 {
		l.sessions.At(own.prev - 1).deadline.next = own.next
	} else {
		d.first = own.next
	}
	if own.next != 0 {
		l.sessions.At(own.next - 1).deadline.prev = own.prev
	} else {
		d.last = own.prev
	}
	*own = deadline{}
}

// due takes the next session out of a list whose time has come.
func (l *loop) due(kind deadlineKind, now time.Duration) (slot uint32, ok bool) {
	first := l.deadlines[kind].first
	if first == 0 {
		return 0, false
	}
	slot = first - 1
	if int32(l.sessions.At(slot).deadline.at-millis(now)) > 0 {
		return 0, false
	}
	l.relax(slot)
	return slot, true
}
