//go:build linux

package poller

import (
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// fakeKevents is a kqueue made of poll(2). It keeps what a kqueue keeps, a list of
// filters by descriptor, and follows kevent(2) in what the loop can tell: one event
// per filter, level triggering, EV_EOF beside bytes still to be read, EV_CLEAR for
// the user event, ENOENT for a filter that is not there, EBADF for a descriptor that
// is not open, and filters that go when their descriptor is closed. The last is
// told to it by closingKernel.
type fakeKevents struct {
	user int // an eventfd, readable while the user event is triggered

	mu      sync.Mutex // guards what follows against wake, which any goroutine calls
	filters []kevent   // as added
	fds     []unix.PollFd
	first   int // the filter to look at first, so that a full buffer starves none
}

var _ kevents = (*fakeKevents)(nil)

func newFakeKevents() (*fakeKevents, error) {
	user, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	return &fakeKevents{user: user}, err
}

// fakeKqueue gives newNative a kqueue for each loop, and the loop's kernel.
func fakeKqueue(under func() kernel) (func() (mechanism, error), func() kernel) {
	var last *fakeKevents
	return func() (mechanism, error) {
			q, err := newFakeKevents()
			if err != nil {
				return nil, err
			}
			last = q
			p, errno := newKqueue(q)
			if errno != 0 {
				return nil, errno
			}
			return p, nil
		}, func() kernel {
			return &closingKernel{under(), last}
		}
}

// closingKernel tells the fake of descriptors that close.
type closingKernel struct {
	kernel
	queue *fakeKevents
}

func (k *closingKernel) close(fd int) syscall.Errno {
	k.queue.forget(fd)
	return k.kernel.close(fd)
}

func (q *fakeKevents) forget(fd int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	gone := func(ev kevent) bool { return ev.filter != filterUser && ev.ident == uint64(fd) }
	// Any goroutine may close a descriptor that was dialed in vain. It has no filters.
	if slices.ContainsFunc(q.filters, gone) {
		q.filters = slices.DeleteFunc(q.filters, gone)
	}
}

func (q *fakeKevents) wait(changes, events []kevent, timeoutMillis int, _ bool) (int, syscall.Errno) {
	for _, change := range changes {
		if errno := q.change(change); errno != 0 {
			return 0, errno
		}
	}
	if len(events) == 0 {
		return 0, 0
	}
	q.prepare()
	if _, err := unix.Poll(q.fds, timeoutMillis); err != nil {
		return 0, errnoOf(err)
	}
	return q.gather(events), 0
}

func (q *fakeKevents) change(change kevent) syscall.Errno {
	q.mu.Lock()
	defer q.mu.Unlock()
	at := slices.IndexFunc(q.filters, func(ev kevent) bool {
		return ev.ident == change.ident && ev.filter == change.filter
	})
	if change.filter != filterUser {
		if _, err := unix.FcntlInt(uintptr(change.ident), unix.F_GETFD, 0); err != nil {
			return syscall.EBADF
		}
	}
	switch {
	case change.flags&kqDelete != 0 && at >= 0:
		q.filters = slices.Delete(q.filters, at, at+1)
	case change.flags&kqAdd != 0 && at >= 0:
		q.filters[at] = change
	case change.flags&kqAdd != 0:
		q.filters = append(q.filters, change)
	case at < 0:
		return syscall.ENOENT
	}
	if change.fflags&noteTrigger != 0 {
		one := [8]byte{1}
		writeRaw(q.user, one[:])
	}
	return 0
}

// prepare lists for poll(2) one entry for each filter.
func (q *fakeKevents) prepare() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.fds = q.fds[:0]
	for _, ev := range q.filters {
		fd := unix.PollFd{Fd: int32(ev.ident)}
		switch ev.filter {
		case filterUser:
			fd.Fd, fd.Events = int32(q.user), unix.POLLIN
		case filterRead:
			fd.Events = unix.POLLIN | unix.POLLRDHUP
		case filterWrite:
			fd.Events = unix.POLLOUT
		}
		q.fds = append(q.fds, fd)
	}
}

// gather makes events of what poll(2) found. Filters change on the goroutine that
// waits, so they are those of prepare.
func (q *fakeKevents) gather(events []kevent) int {
	n := 0
	start := q.first
	for i := range q.fds {
		at := (start + i) % len(q.fds)
		found := q.fds[at].Revents
		if found == 0 {
			continue
		}
		if n == len(events) {
			q.first = at
			break
		}
		ev := q.filters[at]
		clears := ev.flags&kqClear != 0
		ev.flags, ev.fflags = 0, 0
		switch {
		case ev.filter == filterUser && clears:
			var count [8]byte
			readRaw(q.user, count[:])
		case ev.filter == filterUser:
		case found&(unix.POLLHUP|unix.POLLERR) != 0, ev.filter == filterRead && found&unix.POLLRDHUP != 0:
			ev.flags |= kqEOF
			if found&unix.POLLERR != 0 {
				ev.fflags = uint32(syscall.ECONNRESET)
			}
		}
		events[n] = ev
		n++
	}
	return n
}

func (q *fakeKevents) close() { unix.Close(q.user) }
