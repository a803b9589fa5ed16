//go:build linux || darwin || freebsd

package poller

import "syscall"

// acceptsPerTurn bounds how long a storm of connects keeps a loop from its
// connections.
const acceptsPerTurn = 64

// accept takes what waits at one listener.
func (l *loop) accept(listener int) {
	if listener >= len(l.listeners) {
		return
	}
	for range acceptsPerTurn {
		fd, errno := l.kernel.accept(l.listeners[listener])
		switch errno {
		case 0:
			l.place(fd)
		case syscall.EAGAIN:
			return
		case syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EBADF, syscall.EINVAL:
			// Level triggering would bring the same failure at once, so the
			// listeners rest until a descriptor is freed here or a tick passed.
			l.driver.stats.AcceptErrors.Add(1)
			l.restListeners()
			return
		default:
			// The connection is to blame, not the listener: ECONNABORTED,
			// EPROTO, EPERM, and network errors that accept(2) passes on.
			l.driver.stats.AcceptErrors.Add(1)
		}
	}
}

// place opens the connection on the loop that should have it.
func (l *loop) place(fd int) {
	l.driver.stats.Accepted.Add(1)
	to := l
	if l.driver.balance {
		to = l.driver.leastLoaded(l)
	}
	to.count.Add(1)
	if to == l {
		l.open(fd)
		return
	}
	if !to.hand(arrival{fd: fd}) {
		to.count.Add(-1)
		l.kernel.close(fd)
	}
}

func (l *loop) watchListeners() {
	l.resting = false
	for i, fd := range l.listeners {
		if errno := l.mechanism.add(fd, MakeToken(slotListener, uint32(i)), interestRead); errno != 0 && errno != syscall.EEXIST {
			l.driver.stats.AcceptErrors.Add(1)
			l.resting = true
		}
	}
}

func (l *loop) restListeners() {
	l.resting = true
	for _, fd := range l.listeners {
		l.mechanism.remove(fd, interestRead)
	}
}

func (l *loop) closeListeners() {
	for _, fd := range l.listeners {
		l.kernel.close(fd)
	}
	l.listeners = nil
	l.resting = false
}
