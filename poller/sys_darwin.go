package poller

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// socketState of a Unix socket has no RTT, and counts nothing: what was written lies
// with the receiver at once.
func socketState(fd int) (SocketState, syscall.Errno) {
	unsent, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_NWRITE)
	if err != nil {
		return SocketState{}, errnoOf(err)
	}
	s := SocketState{Unsent: unsent}
	if info, err := unix.GetsockoptTCPConnectionInfo(fd, unix.IPPROTO_TCP, unix.TCP_CONNECTION_INFO); err == nil {
		s.RTT = time.Duration(info.Srtt) * time.Millisecond
	}
	return s, 0
}
