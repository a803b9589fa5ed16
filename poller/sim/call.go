//go:build linux || darwin || freebsd

package sim

import (
	"slices"
	"syscall"
)

// A Call is a kind of system call that the driver makes.
type Call int

// The calls.
const (
	CallAccept Call = iota
	CallRead
	CallWrite
	CallWritev
	CallCloseWrite
	CallClose
	CallRemoteAddr
	CallSocketState
	CallAdd
	CallModify
	CallRemove
	CallPoll
	CallWake
	CallSocket
	CallBind
	CallConnect
	CallLocalAddr
	callCount
)

// calls says how each may fail: what the manuals of Linux, macOS and FreeBSD name, without what only a
// mistake of the caller brings about, such as EBADF.
var calls = [callCount]struct {
	name   string
	errnos []syscall.Errno
}{
	CallAccept: {"accept", []syscall.Errno{
		syscall.EAGAIN, syscall.EINTR, syscall.ECONNABORTED, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
		syscall.EPROTO, syscall.EPERM, syscall.ENETDOWN, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.EOPNOTSUPP,
	}},
	CallRead: {"read", []syscall.Errno{
		syscall.EAGAIN, syscall.EINTR, syscall.ECONNRESET, syscall.ETIMEDOUT, syscall.EPIPE, syscall.ENOTCONN, syscall.EHOSTUNREACH,
		syscall.ENETUNREACH, syscall.ENOMEM, syscall.ENOBUFS, syscall.EIO,
	}},
	CallWrite:       {"write", writeErrnos},
	CallWritev:      {"writev", writeErrnos},
	CallCloseWrite:  {"shutdown", []syscall.Errno{syscall.ENOTCONN, syscall.ENOBUFS}},
	CallClose:       {"close", []syscall.Errno{syscall.EINTR, syscall.EIO, syscall.ECONNRESET, syscall.ENOSPC, syscall.EDQUOT}},
	CallRemoteAddr:  {"getpeername", []syscall.Errno{syscall.ENOTCONN, syscall.ENOBUFS, syscall.EINVAL, syscall.ECONNRESET}},
	CallSocketState: {"getsockopt", []syscall.Errno{syscall.ENOBUFS, syscall.ENOMEM, syscall.EINVAL, syscall.ECONNRESET}},
	CallAdd:         {"add", []syscall.Errno{syscall.ENOMEM, syscall.ENOSPC, syscall.EPERM}},
	CallModify:      {"modify", []syscall.Errno{syscall.ENOMEM, syscall.ENOENT}},
	CallRemove:      {"remove", []syscall.Errno{syscall.ENOMEM, syscall.ENOENT}},
	CallPoll:        {"poll", []syscall.Errno{syscall.EINTR}},
	CallSocket: {"socket", []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EACCES, syscall.EPERM, syscall.EAFNOSUPPORT,
	}},
	CallBind: {"bind", []syscall.Errno{syscall.EADDRINUSE, syscall.EADDRNOTAVAIL, syscall.EACCES, syscall.ENOBUFS}},
	CallConnect: {"connect", []syscall.Errno{
		syscall.EINTR, syscall.EAGAIN, syscall.EADDRNOTAVAIL, syscall.EADDRINUSE, syscall.ECONNREFUSED, syscall.ECONNRESET,
		syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN, syscall.ETIMEDOUT, syscall.EACCES, syscall.EPERM, syscall.ENOBUFS,
	}},
	CallLocalAddr: {"getsockname", []syscall.Errno{syscall.ENOBUFS, syscall.EINVAL, syscall.ECONNRESET}},
	CallWake:      {"wake", []syscall.Errno{syscall.EAGAIN, syscall.EINTR, syscall.ENOMEM}},
}

var writeErrnos = []syscall.Errno{
	syscall.EAGAIN, syscall.EINTR, syscall.ECONNRESET, syscall.EPIPE, syscall.ETIMEDOUT, syscall.ENOBUFS, syscall.ENOMEM,
	syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENETDOWN, syscall.EIO,
}

// Calls are the kinds of calls that a loop makes, for connections of either origin.
func Calls() []Call { return callsOf(CallAccept, CallSocket) }

// DialCalls are the kinds of calls that Dial makes.
func DialCalls() []Call { return callsOf(CallSocket, callCount) }

func callsOf(from, to Call) []Call {
	var all []Call
	for c := from; c < to; c++ {
		all = append(all, c)
	}
	return all
}

// String is the name of the system call, or what it is for where systems differ.
func (c Call) String() string {
	if c < 0 || c >= callCount {
		return "unknown call"
	}
	return calls[c].name
}

// Errnos are the errors that a call may give.
func Errnos(c Call) []syscall.Errno { return slices.Clone(calls[c].errnos) }

// fail counts a call and asks whether it is to fail.
func (w *World) fail(c Call) syscall.Errno {
	w.calls[c]++
	if w.options.Fail == nil || w.calm {
		return 0
	}
	errno := w.options.Fail(c, w.calls[c])
	if errno != 0 {
		w.trace(c.String()+" is failed with "+errno.Error(), w.calls[c], int(errno))
	}
	return errno
}
