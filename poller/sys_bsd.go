//go:build darwin || freebsd

package poller

import (
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxVec is how many pieces one writev takes.
const maxVec = 64

// systemKernel is the kernel of this machine. macOS offers system calls only
// through its C library, so the scheduler hears of each.
type systemKernel struct{ dialKernel }

func newKernel() kernel { return systemKernel{} }

func (systemKernel) accept(listener int) (int, syscall.Errno) {
	fd, _, err := unix.Accept(listener)
	if err != nil {
		return -1, errnoOf(err)
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return -1, syscall.ECONNABORTED
	}
	return fd, 0
}

// newSocket holds off fork until the socket is close-on-exec.
func newSocket(domain int) (int, error) {
	syscall.ForkLock.RLock()
	fd, err := unix.Socket(domain, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return -1, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// choosePortLate does nothing: bind chooses the port here.
func choosePortLate(int) {}

func (systemKernel) read(fd int, b []byte) (int, syscall.Errno) { return result(unix.Read(fd, b)) }

func (systemKernel) write(fd int, b []byte) (int, syscall.Errno) { return result(unix.Write(fd, b)) }

func (k systemKernel) writeLast(fd int, b []byte) (int, syscall.Errno) { return k.write(fd, b) }

func (systemKernel) writev(fd int, vec [][]byte) (int, syscall.Errno) {
	n, err := unix.SendmsgBuffers(fd, vec, nil, nil, 0)
	return result(n, err)
}

func (k systemKernel) writeBoth(fd int, head, body []byte) (int, syscall.Errno) {
	return k.writev(fd, [][]byte{head, body})
}

func (systemKernel) closeWrite(fd int) syscall.Errno {
	if err := unix.Shutdown(fd, unix.SHUT_WR); err != nil {
		return errnoOf(err)
	}
	return 0
}

func (systemKernel) close(fd int) syscall.Errno {
	if err := unix.Close(fd); err != nil {
		return errnoOf(err)
	}
	return 0
}

func (systemKernel) remoteAddr(fd int) (netip.AddrPort, syscall.Errno) { return remoteAddr(fd) }

func (systemKernel) socketState(fd int) (SocketState, syscall.Errno) { return socketState(fd) }

func result(n int, err error) (int, syscall.Errno) {
	if err != nil {
		return 0, errnoOf(err)
	}
	return n, 0
}

// systemKqueue is a real kqueue. The user data of an event is a token, not a
// pointer, so the events live in memory that the garbage collector does not scan.
type systemKqueue struct {
	fd     int
	memory []uint64
	events []unix.Kevent_t
}

func newMechanism() (mechanism, error) {
	fd, err := unix.Kqueue()
	if err != nil {
		return nil, err
	}
	unix.CloseOnExec(fd)
	q := &systemKqueue{fd: fd}
	q.memory, q.events = keventMemory(maxEvents)
	p, errno := newKqueue(q)
	if errno != 0 {
		q.close()
		return nil, errno
	}
	return p, nil
}

func keventMemory(n int) ([]uint64, []unix.Kevent_t) {
	const words = unsafe.Sizeof(unix.Kevent_t{}) / 8
	memory := make([]uint64, n*int(words))
	return memory, unsafe.Slice((*unix.Kevent_t)(unsafe.Pointer(unsafe.SliceData(memory))), n)
}

// wait may be called without events from any goroutine, and with them only by the
// loop.
func (q *systemKqueue) wait(changes, events []kevent, timeoutMillis int, _ bool) (int, syscall.Errno) {
	var native []unix.Kevent_t
	if len(changes) > 0 {
		_, native = keventMemory(len(changes))
	}
	for i := range changes {
		unix.SetKevent(&native[i], int(changes[i].ident), int(nativeFilter(changes[i].filter)), int(changes[i].flags))
		native[i].Fflags = changes[i].fflags
		*(*Token)(unsafe.Pointer(&native[i].Udata)) = changes[i].token
	}
	timeout := unix.NsecToTimespec(int64(timeoutMillis) * int64(time.Millisecond))
	n, err := unix.Kevent(q.fd, native, q.events[:len(events)], &timeout)
	if err != nil {
		return 0, errnoOf(err)
	}
	for i := range n {
		ev := &q.events[i]
		events[i] = kevent{
			ident: uint64(ev.Ident), filter: portableFilter(ev.Filter), flags: uint16(ev.Flags), fflags: ev.Fflags,
			token: *(*Token)(unsafe.Pointer(&ev.Udata)),
		}
	}
	return n, 0
}

func (q *systemKqueue) close() { unix.Close(q.fd) }

func nativeFilter(filter int16) int16 {
	if filter == filterUser {
		return unix.EVFILT_USER
	}
	return filter
}

func portableFilter(filter int16) int16 {
	if filter == unix.EVFILT_USER {
		return filterUser
	}
	return filter
}
