//go:build linux || darwin || freebsd

package poller

import (
	"context"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Listen opens n listeners on one address. More than one share the port by
// SO_REUSEPORT, and the kernel spreads the connections over them; network must
// then be one of TCP. The backlog is the longest that the system allows
// (net.core.somaxconn, kern.ipc.somaxconn).
func Listen(ctx context.Context, network, address string, n int) ([]net.Listener, error) {
	config := net.ListenConfig{}
	if n > 1 {
		config.Control = reusePort
	}
	var all []net.Listener
	for range max(n, 1) {
		ln, err := config.Listen(ctx, network, address)
		if err != nil {
			for _, open := range all {
				open.Close()
			}
			return nil, err
		}
		all = append(all, ln)
		address = ln.Addr().String() // port 0 was replaced by one that all share
	}
	return all, nil
}

func reusePort(_, _ string, c syscall.RawConn) error {
	var failure error
	err := c.Control(func(fd uintptr) {
		failure = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
	if err != nil {
		return err
	}
	return failure
}
