package poller

import (
	"errors"
	"net/netip"
	"syscall"
)

// kernel is the system calls that a loop makes on sockets. Tests replace it to make
// them fail. Descriptors are non-blocking throughout.
type kernel interface {
	// accept takes one connection, non-blocking and close-on-exec.
	accept(listener int) (fd int, errno syscall.Errno)
	read(fd int, b []byte) (n int, errno syscall.Errno)
	// write and writev raise no SIGPIPE.
	write(fd int, b []byte) (n int, errno syscall.Errno)
	writev(fd int, vec [][]byte) (n int, errno syscall.Errno)
	// closeWrite sends FIN.
	closeWrite(fd int) syscall.Errno
	// close never retries: the descriptor is gone whatever it returns.
	close(fd int) syscall.Errno
	// remoteAddr and socketState are called from any goroutine.
	remoteAddr(fd int) (netip.AddrPort, syscall.Errno)
	socketState(fd int) (SocketState, syscall.Errno)
}

// errnoOf undoes the boxing of package unix.
func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return syscall.EIO
}
