package poller

import (
	"errors"
	"net/netip"
	"syscall"

	"github.com/wsloop/wsloop/poller/internal/system"
)

// kernel is the system calls that a loop makes on sockets. Tests replace it to make
// them fail. Descriptors are non-blocking throughout.
type kernel interface {
	// accept takes one connection, non-blocking and close-on-exec.
	accept(listener int) (fd int, errno syscall.Errno)
	// socket, bind, connect and localAddr are called from any goroutine. socket makes a
	// non-blocking one, close-on-exec, without Nagle's algorithm.
	socket(to target) (fd int, errno syscall.Errno)
	// bind leaves the choice of port 0 to connect, where the system can.
	bind(fd int, local netip.AddrPort) syscall.Errno
	// connect gives EINPROGRESS when the connection is being made, which ends with the socket
	// writable or with a hang-up.
	connect(fd int, to target) syscall.Errno
	localAddr(fd int) (netip.AddrPort, syscall.Errno)
	read(fd int, b []byte) (n int, errno syscall.Errno)
	// write and writev raise no SIGPIPE.
	write(fd int, b []byte) (n int, errno syscall.Errno)
	writev(fd int, vec [][]byte) (n int, errno syscall.Errno)
	// writeLast is write for what may be held back until the descriptor is closed, or closeWrite called.
	writeLast(fd int, b []byte) (n int, errno syscall.Errno)
	// writeBoth is writev for two pieces. Any goroutine calls it.
	writeBoth(fd int, head, body []byte) (n int, errno syscall.Errno)
	// closeWrite sends FIN.
	closeWrite(fd int) syscall.Errno
	// close never retries: the descriptor is gone whatever it returns.
	close(fd int) syscall.Errno
	// remoteAddr and socketState are called from any goroutine.
	remoteAddr(fd int) (netip.AddrPort, syscall.Errno)
	socketState(fd int) (SocketState, syscall.Errno)
}

// target is what a socket connects to.
type target = system.Target

// errnoOf undoes the boxing of package unix.
func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return syscall.EIO
}
