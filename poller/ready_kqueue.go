package poller

import "syscall"

// kqueue drives readiness through two filters per descriptor, which are added and
// deleted one by one. It is written against kevents, the one call of the
// mechanism, and so runs in tests on any system.
type kqueue struct {
	queue   kevents
	changes []kevent
	events  [maxEvents]kevent
}

// kevents is the kernel side of a kqueue.
type kevents interface {
	// wait applies the changes, then waits for events. blocking tells the
	// scheduler to run other goroutines meanwhile.
	wait(changes, events []kevent, timeoutMillis int, blocking bool) (int, syscall.Errno)
	close()
}

// kevent is struct kevent as far as the loop uses it.
type kevent struct {
	ident  uint64
	filter int16
	flags  uint16
	fflags uint32
	token  Token
}

// Filters and flags have these values on every BSD but for filterUser, which
// sys_bsd.go translates.
const (
	filterRead  = -1
	filterWrite = -2
	filterUser  = -100

	kqAdd    = 0x0001
	kqDelete = 0x0002
	kqClear  = 0x0020
	kqError  = 0x4000
	kqEOF    = 0x8000

	noteTrigger = 0x01000000
)

// wakeIdent names the user event that ends a wait.
const wakeIdent = 0

var _ mechanism = (*kqueue)(nil)

func newKqueue(queue kevents) (*kqueue, syscall.Errno) {
	p := &kqueue{queue: queue}
	return p, p.apply(kevent{ident: wakeIdent, filter: filterUser, flags: kqAdd | kqClear, token: MakeToken(slotWake, 0)})
}

func (p *kqueue) add(fd int, t Token, in interest) syscall.Errno {
	return p.modify(fd, t, 0, in)
}

func (p *kqueue) modify(fd int, t Token, from, to interest) syscall.Errno {
	p.changes = appendChanges(p.changes[:0], fd, t, from, to)
	return p.apply(p.changes...)
}

func (p *kqueue) remove(fd int, from interest) syscall.Errno {
	return p.modify(fd, 0, from, 0)
}

func (p *kqueue) poll(events []event, timeoutMillis int) (int, syscall.Errno) {
	return p.wait(events, timeoutMillis, false)
}

func (p *kqueue) block(events []event, timeoutMillis int) (int, syscall.Errno) {
	return p.wait(events, timeoutMillis, true)
}

func (p *kqueue) wait(events []event, timeoutMillis int, blocking bool) (int, syscall.Errno) {
	n, errno := p.queue.wait(nil, p.events[:len(events)], timeoutMillis, blocking)
	if errno != 0 {
		return 0, errno
	}
	return translateKevents(events, p.events[:n]), 0
}

func (p *kqueue) wake() syscall.Errno {
	_, errno := p.queue.wait([]kevent{{ident: wakeIdent, filter: filterUser, fflags: noteTrigger}}, nil, 0, false)
	return errno
}

func (p *kqueue) close() { p.queue.close() }

func (p *kqueue) apply(changes ...kevent) syscall.Errno {
	if len(changes) == 0 {
		return 0
	}
	_, errno := p.queue.wait(changes, nil, 0, false)
	return errno
}

// appendChanges appends what turns one interest into another.
func appendChanges(changes []kevent, fd int, t Token, from, to interest) []kevent {
	for _, f := range [...]struct {
		in     interest
		filter int16
	}{{interestRead, filterRead}, {interestWrite, filterWrite}} {
		switch {
		case from&f.in == 0 && to&f.in != 0:
			changes = append(changes, kevent{ident: uint64(fd), filter: f.filter, flags: kqAdd, token: t})
		case from&f.in != 0 && to&f.in == 0:
			changes = append(changes, kevent{ident: uint64(fd), filter: f.filter, flags: kqDelete, token: t})
		}
	}
	return changes
}

// translateKevents fills events. A descriptor that is ready both ways gives two.
// EOF at the reading side means that a read will say so; at the writing side, that
// both directions are over. The filter's own flags are then the socket's error.
func translateKevents(events []event, from []kevent) int {
	n := 0
	for i := range from {
		ev := &from[i]
		if ev.filter == filterUser {
			continue
		}
		e := event{token: ev.token}
		switch ev.filter {
		case filterRead:
			e.ready = readyRead
		case filterWrite:
			e.ready = readyWrite
			if ev.flags&kqEOF != 0 {
				e.ready |= readyHangup
				if ev.fflags != 0 {
					e.ready |= readyError
				}
			}
		}
		if ev.flags&kqError != 0 {
			e.ready |= readyHangup | readyError
		}
		events[n] = e
		n++
	}
	return n
}
