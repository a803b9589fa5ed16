// Package system is the operating system as a loop sees it: readiness and a dozen system calls. The
// native driver's own stand behind unexported twins of these interfaces. These are exported, so that package sim can
// put a simulated system under the same loops.
package system

import (
	"net/netip"
	"syscall"
	"time"
)

// A System is what a driver with loops run by hand stands on.
type System interface {
	// NewLoop makes what one loop needs. The driver calls it once for each loop, in order.
	NewLoop() (Mechanism, Kernel)
	// Now is the monotonic clock, the same for all loops.
	Now() time.Duration
}

// Interest is what a descriptor is watched for.
type Interest uint8

// The interests.
const (
	InterestRead Interest = 1 << iota
	InterestWrite
)

// Readiness is what an event reports.
type Readiness uint8

// The kinds of readiness.
const (
	ReadyRead Readiness = 1 << iota
	ReadyWrite
	// ReadyHangup says that both directions are over or that the socket has an
	// error; what was received before can still be read. For a descriptor that is
	// watched for nothing it is reported once or not at all.
	ReadyHangup
	// ReadyError comes with ReadyHangup when the socket has an error.
	ReadyError
)

// An Event says that the descriptor added with Token became ready.
type Event struct {
	Token uint64
	Ready Readiness
}

// A Mechanism is a readiness interface, level-triggered. Its methods are the loop's alone, but
// Wake, which any goroutine may call.
type Mechanism interface {
	Add(fd int, token uint64, in Interest) syscall.Errno
	Modify(fd int, token uint64, from, to Interest) syscall.Errno
	// Remove forgets a descriptor that stays open.
	Remove(fd int, from Interest) syscall.Errno
	// Poll reports what is ready and does not wait.
	Poll(events []Event) (int, syscall.Errno)
	// Wake says that the loop is to take a turn.
	Wake() syscall.Errno
	Close()
}

// SocketState is what the system knows of a connection.
type SocketState struct {
	Unsent int           // bytes that the socket took and the peer has not acknowledged
	RTT    time.Duration // 0 if the system does not tell
}

// A Target is what a socket connects to: a Unix socket's path or, if it is empty, a TCP address, which is
// no IPv4 address in IPv6 form.
type Target struct {
	Addr netip.AddrPort
	Path string
}

// A Kernel is the system calls on sockets, none of which waits.
type Kernel interface {
	Accept(listener int) (fd int, errno syscall.Errno)
	Socket(to Target) (fd int, errno syscall.Errno)
	Bind(fd int, local netip.AddrPort) syscall.Errno
	// Connect gives EINPROGRESS when the connection is being made.
	Connect(fd int, to Target) syscall.Errno
	LocalAddr(fd int) (netip.AddrPort, syscall.Errno)
	Read(fd int, b []byte) (n int, errno syscall.Errno)
	Write(fd int, b []byte) (n int, errno syscall.Errno)
	Writev(fd int, vec [][]byte) (n int, errno syscall.Errno)
	// CloseWrite sends FIN.
	CloseWrite(fd int) syscall.Errno
	// Close gives the descriptor back whatever it returns.
	Close(fd int) syscall.Errno
	RemoteAddr(fd int) (netip.AddrPort, syscall.Errno)
	SocketState(fd int) (SocketState, syscall.Errno)
}
