package engine

import (
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller"
)

// Never, as a timeout, switches a deadline off.
const Never time.Duration = 1<<63 - 1

// Deadline names what a connection took too long for.
type Deadline uint8

const (
	// HandshakeDeadline is Server.HandshakeTimeout.
	HandshakeDeadline Deadline = iota + 1
	// IdleDeadline is Server.IdleTimeout.
	IdleDeadline
	// PongDeadline is Server.PongTimeout.
	PongDeadline
	// WriteDeadline is Server.WriteTimeout.
	WriteDeadline
	// LifetimeDeadline is Server.MaxLifetime.
	LifetimeDeadline
	// CloseDeadline is Server.CloseTimeout.
	CloseDeadline
	deadlineKinds
)

var deadlineNames = [deadlineKinds]string{
	HandshakeDeadline: "handshake", IdleDeadline: "idle", PongDeadline: "pong",
	WriteDeadline: "write", LifetimeDeadline: "lifetime", CloseDeadline: "close",
}

// String names the deadline.
func (d Deadline) String() string {
	if d > 0 && d < deadlineKinds {
		return deadlineNames[d]
	}
	return "unknown"
}

// TimeoutError is the reason of a connection that a deadline ended. It matches
// ErrTimeout.
type TimeoutError struct {
	Deadline Deadline
}

// Error names the deadline.
func (e *TimeoutError) Error() string { return "engine: " + e.Deadline.String() + " deadline passed" }

// Is says whether target is ErrTimeout.
func (e *TimeoutError) Is(target error) bool { return target == ErrTimeout }

// Timeout makes it a timeout for package net.
func (e *TimeoutError) Timeout() bool { return true }

// deadlineTicks are the deadlines in force, in ticks; 0 means none.
type deadlineTicks struct {
	handshake, close, idle, ping, pong, write, lifetime uint32
}

// minProgress is what a peer has to take of what waits for it in each WriteTimeout, unless it takes
// all.
const minProgress = 4 << 10

// Tick implements poller.Handler.
func (l *loop) Tick(now time.Duration) {
	l.nameGoroutine()
	if last := l.wheel.last; last != 0 {
		l.noteLag(max(now-last-tick, 0))
	}
	if l.wheel.advance(now) {
		l.serve()
		l.now.Store(l.wheel.now)
	}
	l.relievePauses()
	l.trim()
}

// expect gives a connection a deadline that holds until the next call, whatever it does.
func (l *loop) expect(slot, ticks uint32) {
	l.unschedule(slot)
	if ticks != 0 {
		l.schedule(slot, l.wheel.now+ticks)
	}
}

// expire deals with a connection for which the wheel has come to its tick.
func (l *loop) expire(slot uint32) {
	t, s := l.tokenOf(slot), l.sessions.At(slot)
	switch s.phase {
	case phaseOpening:
		l.server.counters.timeouts[HandshakeDeadline].Add(1)
		l.timeoutHead(t, s)
	case phaseConnecting, phaseAnswering:
		l.timeOut(t, HandshakeDeadline)
	case phaseOpen:
		l.review(t, s)
	default:
		l.timeOut(t, CloseDeadline)
	}
}

// timeOut cuts a connection off.
func (l *loop) timeOut(t poller.Token, d Deadline) {
	l.server.counters.timeouts[d].Add(1)
	l.driver.Close(t, &TimeoutError{d})
}

// review looks which deadlines of an open connection have passed, and schedules the next look.
func (l *loop) review(t poller.Token, s *session) {
	d, now := &l.settings.deadlines, l.wheel.now
	if s.pauses != 0 {
		l.reviewRate(t, s)
		s.hear(now)
		s.spoke = now
	}
	a := agenda{now: now}
	switch {
	case s.flags&flagExpires != 0 && a.passed(*l.expiryOf(t), 0):
		l.outlive(t, s)
		return
	case s.flags&flagStalled != 0 && !l.reviewStall(t, s, &a):
		l.timeOut(t, WriteDeadline)
		return
	case d.idle != 0 && a.passed(s.spoke, d.idle):
		l.server.counters.timeouts[IdleDeadline].Add(1)
		l.goAway(t, s, codec.StatusGoingAway, "idle", &TimeoutError{IdleDeadline})
		return
	case d.ping != 0 && !l.reviewPing(t, s, &a):
		l.timeOut(t, PongDeadline)
		return
	}
	if s.pauses&pauseRate != 0 {
		a.look(1)
	}
	if a.next != 0 {
		l.schedule(t.Slot(), now+a.next)
	}
}

// An agenda finds the earliest of several deadlines.
type agenda struct {
	now, next uint32 // next is in ticks from now; 0 for none
}

// look takes care that the connection is looked at in so many ticks at the latest.
func (a *agenda) look(ticks uint32) {
	if a.next == 0 || ticks < a.next {
		a.next = ticks
	}
}

// passed says whether a deadline has passed, and takes it into account if not.
func (a *agenda) passed(since, after uint32) bool {
	left := int32(since + after - a.now)
	if left > 0 {
		a.look(uint32(left))
	}
	return left <= 0
}

// reviewPing pings a peer that has been silent, and says whether it is still taken for alive. Behind
// output that waits, a ping and its pong would come late: such a peer is judged by its progress.
func (l *loop) reviewPing(t poller.Token, s *session, a *agenda) (alive bool) {
	d := &l.settings.deadlines
	if s.flags&flagStalled != 0 && d.write != 0 {
		s.hear(l.wheel.now)
	}
	if s.flags&flagPinged != 0 {
		if !a.passed(s.heard, d.pong) {
			a.look(d.ping) // which is next if an answer comes now
			return true
		}
		return l.watchUnsent(t, s, a)
	}
	if !a.passed(s.heard, d.ping) {
		return true
	}
	switch err := l.sendControl(t, codec.OpcodePing, nil); {
	case err != nil: // there was no room, and nobody is to blame for an answer to what was not sent
		a.look(1)
	case d.pong == 0:
		s.heard = l.wheel.now
		a.look(d.ping)
	default:
		s.flags |= flagPinged
		s.heard = l.wheel.now
		a.look(min(d.ping, d.pong))
	}
	return true
}

// watchUnsent puts off the end of a peer that has not answered its ping if that may still be on its way behind
// bytes that the system has yet to send. Then the progress of those counts.
func (l *loop) watchUnsent(t poller.Token, s *session, a *agenda) (alive bool) {
	if state, err := l.driver.Socket(t); err != nil || state.Unsent <= minProgress || l.settings.deadlines.write == 0 {
		return false
	}
	s.flags &^= flagPinged
	l.beginStall(t, s)
	return l.reviewStall(t, s, a)
}

// A stall is how a connection whose output waits gets on with it.
type stall struct {
	since uint32 // when acked was noted, in ticks
	wrote uint32 // bytes given to the driver since the stall began; it wraps
	acked uint32 // how many of them, and of those before, the peer had acknowledged then
}

// beginStall notes that output waits.
func (l *loop) beginStall(t poller.Token, s *session) {
	s.flags = s.flags&^flagJudged | flagStalled
	l.rareOf(t, s).stall = stall{since: l.wheel.now}
}

// endStall notes that none does any more.
func (l *loop) endStall(s *session) {
	s.flags &^= flagStalled | flagJudged
	l.settle(s)
}

// noteWrite takes account of bytes that were given to the driver.
func (l *loop) noteWrite(s *session, bytes int) {
	if s.flags&flagStalled != 0 {
		l.rares[s.rare].stall.wrote += uint32(bytes)
	}
}

// stall begins to watch the progress of a connection whose output waits.
func (l *loop) stall(t poller.Token) {
	s := l.find(t)
	if s == nil || s.flags&flagStalled != 0 || s.phase != phaseOpen {
		return
	}
	l.beginStall(t, s)
	if l.settings.deadlines.write != 0 {
		l.schedule(t.Slot(), l.wheel.now+1)
	}
}

// reviewStall says whether a peer whose output waits has taken enough of it lately. The first look
// only notes how far it has come, so that a short wait costs no system call.
func (l *loop) reviewStall(t poller.Token, s *session, a *agenda) (alive bool) {
	write := l.settings.deadlines.write
	x := &l.rares[s.rare].stall
	if write == 0 || s.flags&flagJudged != 0 && !a.passed(x.since, write) {
		return true
	}
	if l.writesDirect(&s.sending) {
		a.look(1) // what the system holds is more than was noted
		return true
	}
	state, _ := l.driver.Socket(t) // without an answer the driver's queue has to do
	waiting := uint32(l.driver.Pending(t) + state.Unsent)
	acked := x.wrote - waiting
	if s.flags&flagJudged != 0 && waiting != 0 && acked-x.acked < minProgress {
		return false
	}
	if waiting == 0 {
		l.endStall(s)
		return true
	}
	x.acked, x.since = acked, l.wheel.now
	s.flags |= flagJudged
	a.passed(x.since, write)
	return true
}

// outlive closes a connection that has lived long enough, or whose turn it is to leave.
func (l *loop) outlive(t poller.Token, s *session) {
	s.flags &^= flagExpires
	if s.flags&flagLeaves != 0 {
		l.goAway(t, s, l.server.drainCode(), "", nil)
		return
	}
	l.server.counters.timeouts[LifetimeDeadline].Add(1)
	l.goAway(t, s, codec.StatusGoingAway, "lifetime", &TimeoutError{LifetimeDeadline})
}

// goAway begins the closing handshake from our side, behind what was sent before.
func (l *loop) goAway(t poller.Token, s *session, code codec.StatusCode, reason string, why error) {
	if why != nil {
		l.closureOf(t, s).Err = why
	}
	var payload [codec.MaxControlPayload]byte
	if frame, err := codec.AppendClose(payload[:0], code, reason); err == nil {
		_ = l.sendClose(t, frame, false)
	}
	l.unpause(t, s)
	s.phase = phaseClosing
	l.expect(t.Slot(), l.settings.deadlines.close)
}

// reviewRate reads a connection again that was paused for a rate.
func (l *loop) reviewRate(t poller.Token, s *session) {
	if s.pauses&pauseRate == 0 {
		return
	}
	r, now := &l.settings.rates, l.meterNow()
	if !r.controls.holds(&s.controls, now) {
		return
	}
	if r.messages.burst|r.bytes.burst != 0 {
		own := l.termsOf(t)
		if !r.messages.holds(&own.messages, now) || !r.bytes.holds(&own.bytes, now) {
			return
		}
	}
	l.resume(t, s, pauseRate)
}

// startDeadlines gives a connection that has just been opened its place in the wheel.
func (l *loop) startDeadlines(t poller.Token, s *session) {
	d, now := &l.settings.deadlines, l.wheel.now
	s.heard, s.spoke = now, now
	fresh := meter{leaked: l.meterNow()}
	s.controls = fresh
	if r := &l.settings.rates; r.messages.burst|r.bytes.burst != 0 {
		own := l.termsOf(t)
		own.messages, own.bytes = fresh, fresh
	}
	l.unschedule(t.Slot())
	if d.lifetime != 0 {
		s.flags |= flagExpires
		*l.expiryOf(t) = now + d.lifetime - l.random.Uint32N(d.lifetime/10+1)
	}
	l.review(t, s)
}
