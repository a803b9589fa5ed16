package poller

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// fionwrite is FIONWRITE of sys/filio.h, which package unix lacks: the bytes in the
// send buffer of a socket.
const fionwrite = 0x40046677

// socketState tells no RTT: package unix has no struct tcp_info of this system.
func socketState(fd int) (SocketState, syscall.Errno) {
	unsent, err := unix.IoctlGetInt(fd, fionwrite)
	if err != nil {
		return SocketState{}, errnoOf(err)
	}
	return SocketState{Unsent: unsent}, 0
}
