package poller

import (
	"syscall"

	"github.com/wsloop/wsloop/poller/internal/system"
)

// interest is what a descriptor is watched for.
type interest = system.Interest

const (
	interestRead  = system.InterestRead
	interestWrite = system.InterestWrite
)

// An event says that a descriptor became ready.
type event struct {
	token Token
	ready readiness
}

// readiness is what an event reports.
type readiness = system.Readiness

const (
	readyRead  = system.ReadyRead
	readyWrite = system.ReadyWrite
	// readyHangup says that both directions are over or that the socket has an
	// error; what was received before can still be read. For a descriptor that is
	// watched for nothing it is reported once or not at all.
	readyHangup = system.ReadyHangup
	// readyError comes with readyHangup when the socket has an error.
	readyError = system.ReadyError
)

// Tokens of descriptors that are not connections. Slots this high are never given
// to a connection.
const (
	slotListener = ^uint32(0)     // generation: index of the listener
	slotWake     = ^uint32(0) - 1 // the waker of the mechanism itself; never reported
)

// maxEvents is how many events one wait takes. With more, the sockets read at the
// beginning of a turn have left the processor's cache when their replies are written.
const maxEvents = 64

// A mechanism is the kernel's readiness interface: epoll or kqueue. Its methods are
// the loop's alone, but wake, which any goroutine may call.
type mechanism interface {
	add(fd int, t Token, in interest) syscall.Errno
	// modify changes the interest from one set to another.
	modify(fd int, t Token, from, to interest) syscall.Errno
	// remove forgets a descriptor that stays open.
	remove(fd int, from interest) syscall.Errno
	// poll waits for at most timeoutMillis without telling the Go scheduler: it
	// keeps the processor, so the time must be short.
	poll(events []event, timeoutMillis int) (int, syscall.Errno)
	// block waits in a system call that gives the processor to other goroutines.
	block(events []event, timeoutMillis int) (int, syscall.Errno)
	// wake ends a wait.
	wake() syscall.Errno
	close()
}
