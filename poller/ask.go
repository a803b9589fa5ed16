//go:build linux || darwin || freebsd

package poller

import (
	"net/netip"
	"syscall"
)

// RemoteAddr implements Loop.
func (l *loop) RemoteAddr(t Token) (netip.AddrPort, error) { return ask(l, t, l.kernel.remoteAddr) }

// Socket implements Loop.
func (l *loop) Socket(t Token) (SocketState, error) { return ask(l, t, l.kernel.socketState) }

// ask makes a system call about a connection from any goroutine. The generation is
// compared on both sides of it: unchanged, the descriptor was this connection's all
// the while.
func ask[T any](l *loop, t Token, call func(fd int) (T, syscall.Errno)) (T, error) {
	var none T
	if int(t.Slot()) >= l.conns.Len() {
		return none, ErrClosed
	}
	c := l.conns.At(t.Slot())
	if c.generation.Load() != t.Generation() {
		return none, ErrClosed
	}
	answer, errno := call(int(c.fd.Load()))
	if c.generation.Load() != t.Generation() {
		return none, ErrClosed
	}
	if errno != 0 {
		return none, errno
	}
	return answer, nil
}
