//go:build linux || darwin || freebsd

package poller

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

var (
	_ Adopter  = (*Native)(nil)
	_ Detacher = (*loop)(nil)
)

// Adopt implements Adopter. a.Conn must have a descriptor, as those of package net.
func (d *Native) Adopt(a *Adoption) error {
	if d.stopped.Load() {
		return ErrStopped
	}
	fd, err := duplicate(a.Conn)
	if err != nil {
		return err
	}
	if _, ok := a.Conn.(*net.UnixConn); !ok {
		setTCPOptions(fd)
	}
	l := d.leastLoaded(d.loops[0])
	l.count.Add(1)
	if !l.hand(arrival{fd: fd, adopted: true, tag: a.Tag, input: a.Input}) {
		l.count.Add(-1)
		unix.Close(fd)
		return ErrStopped
	}
	a.Conn.Close()
	return nil
}

// duplicate returns another descriptor of a connection, which is non-blocking as all those of package net are.
func duplicate(conn net.Conn) (fd int, err error) {
	with, ok := conn.(syscall.Conn)
	if !ok {
		return 0, fmt.Errorf("%w: connection of type %T has no descriptor", ErrUnsupported, conn)
	}
	raw, err := with.SyscallConn()
	if err != nil {
		return 0, err
	}
	failure := raw.Control(func(from uintptr) {
		fd, err = unix.FcntlInt(from, unix.F_DUPFD_CLOEXEC, 0)
	})
	if failure != nil {
		return 0, failure
	}
	return fd, err
}

// startAdopted gives an adopted descriptor a slot, and tells the handler as of one that was dialed. What
// was read of it before is input that was not consumed.
func (l *loop) startAdopted(a arrival) {
	t, c := l.occupy(a.fd)
	c.flags = connConnecting
	l.startTold(t, c, a.tag, interestRead)
	if c.flags&connDead != 0 {
		return
	}
	if len(a.input) > 0 {
		l.keep(c, a.input)
		l.presentLater(t, c)
	}
	c.flags &^= connConnecting
	l.handler.Connected(t)
}

// startTold watches a connection that the handler is told of in any case: what cannot be watched ends like what
// cannot be connected.
func (l *loop) startTold(t Token, c *conn, tag any, interest interest) {
	c.interest = interest
	errno := l.mechanism.add(int(c.fd.Load()), t, interest)
	if errno != 0 {
		c.interest = 0
	}
	l.handler.Dialing(t, tag)
	if errno != 0 {
		l.Close(t, errno)
	}
}

// Detach implements Detacher.
func (l *loop) Detach(t Token) (conn net.Conn, input []byte, err error) {
	c := l.lookup(t)
	switch {
	case c == nil || c.flags&(connWriteClosed|connConnecting) != 0:
		return nil, nil, ErrClosed
	case l.pending(c) > 0:
		return nil, nil, ErrBusy
	}
	fd, err := unix.FcntlInt(uintptr(c.fd.Load()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	f := os.NewFile(uintptr(fd), "")
	conn, err = net.FileConn(f)
	f.Close()
	if err != nil {
		return nil, nil, err
	}
	if c.extra != 0 {
		input = bytes.Clone(l.extras[c.extra].rest)
	}
	// A descriptor that is closed while another of its kind is open stays in the set of epoll.
	l.mechanism.remove(int(c.fd.Load()), c.interest)
	l.Close(t, ErrDetached)
	return conn, input, nil
}
