//go:build linux || darwin || freebsd

package poller

import (
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// dialKernel is the calls of a systemKernel that Dial makes. Unlike those of a loop they tell the
// scheduler: over the loopback interface a connect takes as long as the other side takes to answer.
type dialKernel struct{}

func (dialKernel) socket(to target) (int, syscall.Errno) {
	fd, err := newSocket(domainOf(to))
	if err != nil {
		return -1, errnoOf(err)
	}
	if to.Path == "" {
		setTCPOptions(fd)
	}
	return fd, 0
}

func (dialKernel) bind(fd int, local netip.AddrPort) syscall.Errno {
	if local.Port() == 0 {
		choosePortLate(fd)
	}
	return outcome(syscall.Bind(fd, sockaddrOf(target{Addr: local})))
}

func (dialKernel) connect(fd int, to target) syscall.Errno {
	return outcome(syscall.Connect(fd, sockaddrOf(to)))
}

func (dialKernel) localAddr(fd int) (netip.AddrPort, syscall.Errno) {
	return addrPortOf(syscall.Getsockname(fd))
}

func outcome(err error) syscall.Errno {
	if err != nil {
		return errnoOf(err)
	}
	return 0
}

// setTCPOptions sets what a socket is useful without, and so does without if it must.
func setTCPOptions(fd int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
}

// domainOf is the address family of a target.
func domainOf(to target) int {
	switch {
	case to.Path != "":
		return unix.AF_UNIX
	case to.Addr.Addr().Is4():
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// sockaddrOf is the system's form of a target, which has an address or a path.
func sockaddrOf(to target) syscall.Sockaddr {
	addr := to.Addr.Addr()
	switch {
	case to.Path != "":
		return &syscall.SockaddrUnix{Name: to.Path}
	case addr.Is4():
		return &syscall.SockaddrInet4{Port: int(to.Addr.Port()), Addr: addr.As4()}
	}
	return &syscall.SockaddrInet6{Port: int(to.Addr.Port()), Addr: addr.As16(), ZoneId: zoneOf(addr)}
}

// zoneOf is the index of the interface that a link-local address names, by name or by number.
func zoneOf(addr netip.Addr) uint32 {
	zone := addr.Zone()
	if zone == "" {
		return 0
	}
	if in, err := net.InterfaceByName(zone); err == nil {
		return uint32(in.Index)
	}
	n, _ := strconv.ParseUint(zone, 10, 32)
	return uint32(n)
}
