//go:build linux || darwin || freebsd

package poller

import (
	"net/netip"
	"syscall"
)

// remoteAddr is the peer of a TCP socket. A Unix socket's peer has no address, and
// the result is then the zero AddrPort.
func remoteAddr(fd int) (netip.AddrPort, syscall.Errno) {
	return addrPortOf(syscall.Getpeername(fd)) // package unix would also ask for the socket's protocol
}

func addrPortOf(sa syscall.Sockaddr, err error) (netip.AddrPort, syscall.Errno) {
	if err != nil {
		return netip.AddrPort{}, errnoOf(err)
	}
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)), 0
	case *syscall.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port)), 0
	}
	return netip.AddrPort{}, 0
}
