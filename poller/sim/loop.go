//go:build linux || darwin || freebsd

package sim

import (
	"sync/atomic"
	"syscall"
	"time"

	"github.com/wsloop/wsloop/poller/internal/system"
)

// A loop is the world's side of a loop of the driver: its mechanism, which is like epoll, and what is known about
// its waiting.
type loop struct {
	world      *World
	index      int
	candidates []uint32 // sockets that may be ready, in no order
	gone       []uint64 // tokens of some sockets that were closed last
	wakes      atomic.Bool
	woken      bool // the loop is to be woken
	more       bool // the loop would not wait

	idleTurns int
	lastTurn  time.Duration
}

var _ system.Mechanism = (*loop)(nil)

// machine is a World as its driver sees it.
type machine struct{ *World }

func (w *World) system() system.System { return machine{w} }

// NewLoop implements system.System.
func (m machine) NewLoop() (system.Mechanism, system.Kernel) {
	l := &loop{world: m.World, index: len(m.loops)}
	m.loops = append(m.loops, l)
	return l, kernel(m)
}

// Add implements system.Mechanism.
func (l *loop) Add(fd int, token uint64, in system.Interest) syscall.Errno {
	w := l.world
	if errno := w.fail(CallAdd); errno != 0 {
		return errno
	}
	if w.happens(w.options.Faults.AddFails) {
		w.trace("add fails", fd, 0)
		return []syscall.Errno{syscall.ENOSPC, syscall.ENOMEM}[w.random.IntN(2)]
	}
	if ln := w.listenerOf(fd); ln != nil {
		if ln.loop == l.index {
			return syscall.EEXIST
		}
		ln.loop, ln.token = l.index, token
		return 0
	}
	id := w.mustBe(fd, "add")
	s := w.socket(id)
	s.loop, s.token, s.interest = int16(l.index), token, in
	s.set(edge)
	w.stir(id, s)
	return 0
}

// Modify implements system.Mechanism.
func (l *loop) Modify(fd int, _ uint64, _, to system.Interest) syscall.Errno {
	w := l.world
	if errno := w.fail(CallModify); errno != 0 {
		return errno
	}
	id := w.mustBe(fd, "modify")
	s := w.socket(id)
	if s.loop != int16(l.index) {
		return syscall.ENOENT
	}
	s.interest = to
	s.set(edge)
	w.stir(id, s)
	return 0
}

// Remove implements system.Mechanism.
func (l *loop) Remove(fd int, _ system.Interest) syscall.Errno {
	w := l.world
	if errno := w.fail(CallRemove); errno != 0 {
		return errno
	}
	if ln := w.listenerOf(fd); ln != nil {
		if ln.loop != l.index {
			return syscall.ENOENT
		}
		ln.loop = -1
		return 0
	}
	w.socket(w.mustBe(fd, "remove")).loop = -1
	return 0
}

// Wake implements system.Mechanism. Other goroutines may call it, so whether it is to fail is asked
// later.
func (l *loop) Wake() syscall.Errno {
	l.wakes.Store(true)
	return 0
}

// Close implements system.Mechanism.
func (l *loop) Close() { l.candidates = nil }

// Poll implements system.Mechanism.
func (l *loop) Poll(events []system.Event) (int, syscall.Errno) {
	w := l.world
	l.woken = false
	if errno := w.fail(CallPoll); errno != 0 {
		return 0, errno
	}
	if w.happens(w.options.Faults.Interrupt) {
		w.trace("poll is interrupted", l.index, 0)
		return 0, syscall.EINTR
	}
	const extra = 2 // a spurious event and a stale one
	found := l.pollListeners(events[: 0 : len(events)-extra])
	found = l.pollSockets(found)
	found = events[:len(found)]
	if w.happens(w.options.Faults.Spurious) {
		found = l.spurious(found)
	}
	if w.happens(w.options.Faults.Stale) && len(l.gone) > 0 {
		w.trace("stale event", l.index, len(l.gone))
		found = append(found, system.Event{
			Token: l.gone[w.random.IntN(len(l.gone))],
			Ready: system.ReadyRead | system.ReadyWrite | system.Readiness(w.random.IntN(4)<<2),
		})
	}
	w.random.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
	return len(found), 0
}

// pollListeners appends the listeners at which connections wait.
func (l *loop) pollListeners(found []system.Event) []system.Event {
	for i := range l.world.listeners {
		ln := &l.world.listeners[i]
		if ln.loop == l.index && len(ln.backlog) > 0 && !l.hides(-1) {
			found = append(found, system.Event{Token: ln.token, Ready: system.ReadyRead})
		}
	}
	return found
}

// pollSockets appends candidates that are ready, drawn at random, and drops those that are not.
func (l *loop) pollSockets(found []system.Event) []system.Event {
	w := l.world
	for i := 0; i < len(l.candidates) && len(found) < cap(found); {
		j := i + w.random.IntN(len(l.candidates)-i)
		l.candidates[i], l.candidates[j] = l.candidates[j], l.candidates[i]
		id := l.candidates[i]
		s := w.socket(id)
		ready := l.readiness(s)
		if ready == 0 {
			l.dropCandidate(i)
			continue
		}
		i++
		if l.hides(int(id)) {
			continue
		}
		s.clear(edge)
		found = append(found, system.Event{Token: s.token, Ready: ready})
	}
	return found
}

func (l *loop) hides(id int) bool {
	if !l.world.happens(l.world.options.Faults.Hide) {
		return false
	}
	l.world.trace("event is hidden", l.index, id)
	return true
}

// spurious appends an event of a socket that is not ready. One that connects is none of them: no system calls it writable
// before it is, and on that the driver relies.
func (l *loop) spurious(found []system.Event) []system.Event {
	w := l.world
	id := w.table.random(w.random)
	if id < 0 {
		return found
	}
	s := w.socket(uint32(id))
	if s.loop != int16(l.index) || s.interest == 0 || s.has(candidate|requesting) {
		return found
	}
	w.trace("spurious event", id, int(s.interest))
	return append(found, system.Event{Token: s.token, Ready: system.Readiness(s.interest)})
}

// hasReady says whether a poll would report something.
func (l *loop) hasReady() bool {
	for i := range l.world.listeners {
		if ln := &l.world.listeners[i]; ln.loop == l.index && len(ln.backlog) > 0 {
			return true
		}
	}
	for len(l.candidates) > 0 {
		last := len(l.candidates) - 1
		if l.readiness(l.world.socket(l.candidates[last])) != 0 {
			return true
		}
		l.dropCandidate(last)
	}
	return false
}

func (l *loop) dropCandidate(i int) {
	l.world.socket(l.candidates[i]).clear(candidate)
	last := len(l.candidates) - 1
	l.candidates[i] = l.candidates[last]
	l.candidates = l.candidates[:last]
}

// stir has the loop that watches a socket look at it.
func (w *World) stir(id uint32, s *socket) {
	if s.loop >= 0 && !s.has(candidate) {
		s.set(candidate)
		l := w.loops[s.loop]
		l.candidates = append(l.candidates, id)
	}
}

// readiness is what epoll would report of a socket to this loop. One that is watched for nothing is
// edge-triggered, as in the native driver.
func (l *loop) readiness(s *socket) system.Readiness {
	if s.loop != int16(l.index) || s.has(requesting) {
		return 0
	}
	link := l.world.links[s.link]
	var ready system.Readiness
	if link.arrived > 0 || s.has(finArrived|dead) {
		ready |= system.ReadyRead
	}
	// Linux calls a socket writable when a third of its buffer is free.
	if room := l.world.options.SendBuffer - link.in.len(); s.has(shut|dead) || 3*room >= l.world.options.SendBuffer {
		ready |= system.ReadyWrite
	}
	ready &= system.Readiness(s.interest)
	if s.has(dead) || s.has(finArrived) && s.has(shut) {
		ready |= system.ReadyHangup
	}
	if s.has(broken) {
		ready |= system.ReadyHangup | system.ReadyError
	}
	if s.interest == 0 && !s.has(edge) {
		return 0
	}
	return ready
}
