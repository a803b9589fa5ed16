//go:build linux

package poller

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// epoll is level-triggered: what one turn leaves unread is reported again. Only a
// descriptor that is watched for nothing is edge-triggered: its hang-up, which epoll reports
// unasked, comes once.
type epoll struct {
	fd     int
	waker  int // an eventfd
	events [maxEvents]unix.EpollEvent
}

var _ mechanism = (*epoll)(nil)

func newMechanism() (mechanism, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	waker, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	p := &epoll{fd: fd, waker: waker}
	if errno := p.add(waker, MakeToken(slotWake, 0), interestRead); errno != 0 {
		p.close()
		return nil, errno
	}
	return p, nil
}

func (p *epoll) add(fd int, t Token, in interest) syscall.Errno {
	return p.control(unix.EPOLL_CTL_ADD, fd, t, in)
}

func (p *epoll) modify(fd int, t Token, _, to interest) syscall.Errno {
	return p.control(unix.EPOLL_CTL_MOD, fd, t, to)
}

func (p *epoll) remove(fd int, _ interest) syscall.Errno {
	return p.control(unix.EPOLL_CTL_DEL, fd, 0, 0)
}

func (p *epoll) control(op, fd int, t Token, in interest) syscall.Errno {
	ev := unix.EpollEvent{Fd: int32(t.Slot()), Pad: int32(t.Generation())}
	if in&interestRead != 0 {
		ev.Events |= unix.EPOLLIN
	}
	if in&interestWrite != 0 {
		ev.Events |= unix.EPOLLOUT
	}
	if in == 0 {
		ev.Events = unix.EPOLLET
	}
	return epollCtl(p.fd, op, fd, &ev)
}

func (p *epoll) poll(events []event, timeoutMillis int) (int, syscall.Errno) {
	n, errno := epollWaitRaw(p.fd, p.events[:len(events)], timeoutMillis)
	return p.translate(events, n), errno
}

func (p *epoll) block(events []event, timeoutMillis int) (int, syscall.Errno) {
	n, err := unix.EpollWait(p.fd, p.events[:len(events)], timeoutMillis)
	if err != nil {
		return 0, errnoOf(err)
	}
	return p.translate(events, n), 0
}

// translate fills events from the first n of the kernel's. The waker's own is
// swallowed.
func (p *epoll) translate(events []event, n int) int {
	out := 0
	for i := range max(n, 0) {
		ev := &p.events[i]
		t := MakeToken(uint32(ev.Fd), uint32(ev.Pad))
		if t.Slot() == slotWake {
			var count [8]byte
			readRaw(p.waker, count[:])
			continue
		}
		var r readiness
		if ev.Events&unix.EPOLLIN != 0 {
			r |= readyRead
		}
		if ev.Events&unix.EPOLLOUT != 0 {
			r |= readyWrite
		}
		if ev.Events&(unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			r |= readyHangup
		}
		if ev.Events&unix.EPOLLERR != 0 {
			r |= readyError
		}
		events[out] = event{token: t, ready: r}
		out++
	}
	return out
}

// wake adds to the eventfd. EAGAIN means that its counter is full, so the loop is
// going to wake anyway.
func (p *epoll) wake() syscall.Errno {
	one := [8]byte{1}
	_, errno := writeRaw(p.waker, one[:])
	if errno == unix.EAGAIN {
		return 0
	}
	return errno
}

func (p *epoll) close() {
	unix.Close(p.waker)
	unix.Close(p.fd)
}
