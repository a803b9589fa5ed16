//go:build linux || darwin || freebsd

package poller

import (
	"fmt"
	"net/netip"
	"syscall"
)

var _ Dialer = (*Native)(nil)

// Dial implements Dialer. Before Serve a connection waits for its loop to start; if Stop comes
// instead of Serve, it is closed, and there is no handler to hear of it.
func (d *Native) Dial(order *Dial) error {
	if order.Loop < -1 || order.Loop >= len(d.loops) {
		return fmt.Errorf("poller: Dial asks for loop %d of %d", order.Loop, len(d.loops))
	}
	if d.stopped.Load() {
		return ErrStopped
	}
	l := d.loops[max(order.Loop, 0)]
	if order.Loop < 0 {
		l = d.leastLoaded(l)
	}
	l.count.Add(1) // at once, so that many dials spread over the loops
	err := l.dial(order)
	if err != nil {
		l.count.Add(-1)
	}
	return err
}

// dial begins to connect and hands the descriptor to the loop. Any goroutine may call it.
func (l *loop) dial(order *Dial) error {
	to := target{Addr: netip.AddrPortFrom(order.Addr.Addr().Unmap(), order.Addr.Port()), Path: order.Path}
	if to.Path == "" && !to.Addr.IsValid() {
		return syscall.EDESTADDRREQ
	}
	fd, errno := l.kernel.socket(to)
	if errno != 0 {
		return errno
	}
	if errno := l.connect(fd, to, order.Local); errno != 0 {
		l.kernel.close(fd)
		return errno
	}
	if !l.hand(arrival{fd: fd, dialed: true, tag: order.Tag}) {
		l.kernel.close(fd)
		return ErrStopped
	}
	return nil
}

// connect returns 0 when the connection is made or being made.
func (l *loop) connect(fd int, to target, local netip.AddrPort) syscall.Errno {
	if to.Path == "" && local.IsValid() {
		local = netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
		if errno := l.kernel.bind(fd, local); errno != 0 {
			return errno
		}
	}
	switch errno := l.kernel.connect(fd, to); errno {
	case 0, syscall.EINPROGRESS:
	case syscall.EINTR: // the system goes on with it
	default:
		return errno
	}
	if to.Path == "" && l.isSelf(fd, to.Addr) {
		return syscall.ECONNREFUSED
	}
	return 0
}

// isSelf says that the socket connects to itself. TCP allows that, and it happens when nobody
// listens at a port of this machine and the system chooses that very port as the source.
func (l *loop) isSelf(fd int, to netip.AddrPort) bool {
	local, errno := l.kernel.localAddr(fd)
	if errno != 0 || local.Port() != to.Port() {
		return false
	}
	// The unspecified address means that of the source.
	return to.Addr().IsUnspecified() || local.Addr() == to.Addr().WithZone("")
}

// startDialed gives a descriptor that connects a slot.
func (l *loop) startDialed(a arrival) {
	t, c := l.occupy(a.fd)
	c.flags = connConnecting
	l.startTold(t, c, a.tag, interestRead|interestWrite)
}

// connecting is told that something happened to a connection that is being made. It is
// made once the socket is writable. After a hang-up a read tells what became of it: the reason why
// it could not be made; or bytes or an end, for it may have been made and be over already. What is
// ready for reading alone says neither, and will be writable, too.
func (l *loop) connecting(t Token, c *conn, ready readiness) {
	if ready&readyHangup == 0 {
		if ready&readyWrite != 0 {
			l.connected(t, c)
		}
		return
	}
	n, errno := l.kernel.read(int(c.fd.Load()), l.buffer)
	if errno != 0 {
		l.received(t, c, nil, 0, errno)
		return
	}
	l.connected(t, c)
	switch {
	case c.flags&connDead != 0:
	case c.flags&connPaused == 0:
		l.received(t, c, l.buffer, n, 0)
	case n > 0:
		l.keep(c, l.buffer[:n])
	}
}

// connected says that the connection is made. Nothing is left to wait for but bytes.
func (l *loop) connected(t Token, c *conn) {
	l.watch(t, c, c.interest&^interestWrite)
	if c.flags&connDead != 0 {
		return
	}
	c.flags &^= connConnecting
	l.handler.Connected(t)
}
