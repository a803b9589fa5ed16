//go:build !gnetgate

package gnetdriver

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsloop/wsloop/poller"
)

// socketState finds no TCP_INFO at a Unix socket.
func socketState(fd int) (poller.SocketState, error) {
	unsent, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return poller.SocketState{}, err
	}
	state := poller.SocketState{Unsent: unsent}
	if info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
		state.RTT = time.Duration(info.Rtt) * time.Microsecond
	}
	return state, nil
}
