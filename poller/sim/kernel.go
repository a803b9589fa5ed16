//go:build linux || darwin || freebsd

package sim

import (
	"fmt"
	"net/netip"
	"syscall"

	"github.com/wsloop/wsloop/poller/internal/system"
)

// kernel is the system calls on a world's sockets.
type kernel struct{ *World }

var _ system.Kernel = kernel{}

// A listener is known by its descriptor. backlog are the connections not accepted yet.
type listener struct {
	fd      int
	token   uint64
	loop    int // that watches it, or -1
	closed  bool
	backlog []uint32
}

func (w *World) listen() (fd int) {
	fd = w.table.take(-1 - len(w.listeners))
	w.listeners = append(w.listeners, listener{fd: fd, loop: -1})
	return fd
}

// listenerOf is nil for a connection's descriptor.
func (w *World) listenerOf(fd int) *listener {
	if i := w.table.at(fd); i < 0 {
		return &w.listeners[-1-i]
	}
	return nil
}

// mustBe is the socket of a descriptor. A descriptor that is not open is a mistake of the driver's, which would
// harm another connection on a system where numbers are used again.
func (w *World) mustBe(fd int, call string) uint32 {
	i := w.table.at(fd)
	if i <= 0 {
		panic(fmt.Sprintf("sim: seed %d: %s of descriptor %d, which is not open", w.options.Seed, call, fd))
	}
	return uint32(i - 1)
}

// Accept implements system.Kernel.
func (k kernel) Accept(fd int) (int, syscall.Errno) {
	ln := k.listenerOf(fd)
	if ln == nil {
		return -1, syscall.EBADF
	}
	faults := &k.options.Faults
	errno := k.fail(CallAccept)
	switch {
	case errno != 0:
	case k.happens(faults.Interrupt):
		errno = syscall.EINTR
	case len(ln.backlog) == 0:
		return -1, syscall.EAGAIN
	case k.happens(faults.DelayAccept):
		k.trace("accept is delayed", fd, len(ln.backlog))
		return -1, syscall.EAGAIN
	case k.full() || k.happens(faults.EMFILE):
		errno = syscall.EMFILE
	case k.happens(faults.ConnAborted):
		errno = syscall.ECONNABORTED
	}
	if errno != 0 {
		k.trace("accept fails", fd, int(errno))
		if (errno == syscall.ECONNABORTED || errno == syscall.EPROTO) && len(ln.backlog) > 0 {
			k.abort(ln)
		}
		return -1, errno
	}
	id := ln.backlog[0]
	ln.backlog = ln.backlog[1:]
	s := k.socket(id)
	s.set(accepted)
	s.fd = int32(k.table.take(int(id) + 1))
	k.progress++
	k.trace("accept of peer", int(id), int(s.fd))
	return int(s.fd), 0
}

// full says that there is no descriptor left.
func (w *World) full() bool {
	return w.options.Descriptors > 0 && w.table.open >= w.options.Descriptors
}

// abort resets the first connection of a backlog.
func (w *World) abort(ln *listener) {
	id := ln.backlog[0]
	ln.backlog = ln.backlog[1:]
	s := w.socket(id)
	s.set(orphaned)
	w.returnReset(s, w.linkOf(s))
	w.settled(id)
}

// stumbles draws a failure of a read or write that means nothing.
func (w *World) stumbles() syscall.Errno {
	switch {
	case w.again():
		w.trace("again", 0, w.storm)
		return syscall.EAGAIN
	case w.happens(w.options.Faults.Interrupt):
		w.trace("interrupted", 0, 0)
		return syscall.EINTR
	}
	return 0
}

// takeError takes the socket's error, which is told once.
func (s *socket) takeError() syscall.Errno {
	errno := syscall.Errno(0)
	switch {
	case s.has(brokenReset):
		errno = syscall.ECONNRESET
	case s.has(brokenPipe):
		errno = syscall.EPIPE
	case s.has(brokenRefused):
		errno = syscall.ECONNREFUSED
	}
	s.clear(broken)
	return errno
}

// Read implements system.Kernel.
func (k kernel) Read(fd int, b []byte) (int, syscall.Errno) {
	id := k.mustBe(fd, "read")
	n, errno := k.read(k.socket(id), b)
	k.trace("read of peer", int(id), outcome(n, errno))
	if errno == 0 {
		k.progress++
	}
	k.settled(id)
	return n, errno
}

// outcome is what is traced: the bytes, or the error as a negative number.
func outcome(n int, errno syscall.Errno) int {
	if errno != 0 {
		return -int(errno)
	}
	return n
}

func (k kernel) read(s *socket, b []byte) (int, syscall.Errno) {
	if errno := k.fail(CallRead); errno != 0 {
		return -1, errno
	}
	if errno := k.stumbles(); errno != 0 {
		return -1, errno
	}
	l := k.links[s.link]
	if n := min(l.arrived, len(b)); n > 0 {
		if n > 1 && k.happens(k.options.Faults.ShortRead) {
			k.trace("short read", 0, n)
			n = 1 + k.random.IntN(n-1)
		}
		copy(b, l.out.bytes()[:n])
		l.out.drop(n, &k.buffers)
		l.arrived -= n
		return n, 0
	}
	if s.has(finArrived) {
		return 0, 0
	}
	if errno := s.takeError(); errno != 0 {
		return -1, errno
	}
	if s.has(dead) {
		return 0, 0
	}
	return -1, syscall.EAGAIN
}

// Write implements system.Kernel.
func (k kernel) Write(fd int, b []byte) (int, syscall.Errno) {
	return k.write(CallWrite, fd, [][]byte{b})
}

// Writev implements system.Kernel.
func (k kernel) Writev(fd int, vec [][]byte) (int, syscall.Errno) {
	return k.write(CallWritev, fd, vec)
}

func (k kernel) write(call Call, fd int, vec [][]byte) (int, syscall.Errno) {
	id := k.mustBe(fd, "write")
	n, errno := k.writeSocket(call, k.socket(id), vec)
	k.trace("write to peer", int(id), outcome(n, errno))
	if errno == 0 {
		k.progress++
	}
	k.settled(id)
	return n, errno
}

func (k kernel) writeSocket(call Call, s *socket, vec [][]byte) (int, syscall.Errno) {
	if errno := k.fail(call); errno != 0 {
		return -1, errno
	}
	if errno := k.stumbles(); errno != 0 {
		return -1, errno
	}
	if errno := s.takeError(); errno != 0 {
		return -1, errno
	}
	if s.has(shut | dead) {
		return -1, syscall.EPIPE
	}
	if s.has(requesting) {
		return -1, syscall.EAGAIN
	}
	n := 0
	for _, b := range vec {
		n += len(b)
	}
	if n == 0 {
		return 0, 0
	}
	room := k.options.SendBuffer - k.links[s.link].in.len()
	if room <= 0 {
		return -1, syscall.EAGAIN
	}
	n = min(n, room)
	if n > 1 && k.happens(k.options.Faults.ShortWrite) {
		k.trace("short write", 0, n)
		n = 1 + k.random.IntN(n-1)
	}
	if s.has(discards) && !s.has(peerClosed|peerOver|vanished) {
		k.discarded += int64(n)
		return n, 0
	}
	in := &k.linkOf(s).in
	for left := n; left > 0; vec = vec[1:] {
		b := vec[0][:min(left, len(vec[0]))]
		in.push(b, &k.buffers)
		left -= len(b)
	}
	return n, 0
}

// CloseWrite implements system.Kernel.
func (k kernel) CloseWrite(fd int) syscall.Errno {
	id := k.mustBe(fd, "shutdown")
	if errno := k.fail(CallCloseWrite); errno != 0 {
		return errno
	}
	s := k.socket(id)
	if s.isOver() {
		return syscall.ENOTCONN
	}
	k.trace("shutdown towards peer", int(id), 0)
	k.progress++
	s.set(shut | edge)
	k.stir(id, s)
	k.settled(id)
	return 0
}

// isOver says that the system knows no connection at the socket any more.
func (s *socket) isOver() bool { return s.has(dead) || s.has(finArrived) && s.has(finReached) }

// Close implements system.Kernel. As on Linux, bytes that were not read make it an RST, and
// bytes that were not sent still are.
func (k kernel) Close(fd int) syscall.Errno {
	k.progress++
	if ln := k.listenerOf(fd); ln != nil {
		for len(ln.backlog) > 0 {
			k.abort(ln)
		}
		ln.closed, ln.loop = true, -1
	} else {
		k.closeSocket(k.mustBe(fd, "close"))
	}
	k.table.give(fd)
	if errno := k.fail(CallClose); errno != 0 {
		return errno
	}
	if k.happens(k.options.Faults.CloseFails) {
		k.trace("close fails", fd, 0)
		return []syscall.Errno{syscall.EIO, syscall.EINTR}[k.random.IntN(2)]
	}
	return 0
}

func (w *World) closeSocket(id uint32) {
	s := w.socket(id)
	w.trace("close towards peer", int(id), int(s.fd))
	if s.loop >= 0 {
		w.loops[s.loop].remember(s.token)
	}
	s.clear(accepted)
	s.set(orphaned)
	s.loop, s.fd, s.interest = -1, -1, 0
	if s.has(unmade) {
		s.clear(requesting) // given up before anybody heard of it
		s.set(dead | peerOver)
		w.settled(id)
		return
	}
	if l := w.links[s.link]; l.arrived > 0 && !s.isOver() {
		w.returnReset(s, l)
	} else {
		l.out.drop(l.arrived, &w.buffers)
		l.arrived = 0
		s.set(shut)
		if s.has(vanished) {
			l.in.cut(0, &w.buffers)
		}
	}
	w.settled(id)
}

// remember keeps the token for a stale event.
func (l *loop) remember(token uint64) {
	const most = 16
	if len(l.gone) == most {
		l.gone = l.gone[:copy(l.gone, l.gone[1:])]
	}
	l.gone = append(l.gone, token)
}

// RemoteAddr implements system.Kernel.
func (k kernel) RemoteAddr(fd int) (netip.AddrPort, syscall.Errno) {
	if errno := k.fail(CallRemoteAddr); errno != 0 {
		return netip.AddrPort{}, errno
	}
	id := k.mustBe(fd, "getpeername")
	if s := k.socket(id); s.isOver() || s.has(unmade) {
		return netip.AddrPort{}, syscall.ENOTCONN
	}
	return k.address(id), 0
}

// SocketState implements system.Kernel. It tells no RTT.
func (k kernel) SocketState(fd int) (system.SocketState, syscall.Errno) {
	if errno := k.fail(CallSocketState); errno != 0 {
		return system.SocketState{}, errno
	}
	s := k.socket(k.mustBe(fd, "getsockopt"))
	unsent := k.links[s.link].in.len()
	if s.has(shut) && !s.has(finReached|dead) {
		unsent++ // the FIN
	}
	return system.SocketState{Unsent: unsent}, 0
}
