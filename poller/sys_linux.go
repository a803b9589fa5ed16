package poller

import (
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls below are raw: they do not tell the scheduler, which saves about a
// quarter of the cost of a message. All of them return at once.

// maxVec is how many pieces one writev takes; IOV_MAX is 1024.
const maxVec = 64

// systemKernel is the kernel of this machine. It is one per loop: the vector and
// its header are scratch space.
type systemKernel struct {
	dialKernel
	vec [maxVec]unix.Iovec
	msg unix.Msghdr
}

func newKernel() kernel { return new(systemKernel) }

func newSocket(domain int) (int, error) {
	return unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
}

// choosePortLate has bind take an address alone. The port is chosen by connect, which knows the
// target, and so can be one that is in use towards another.
func choosePortLate(fd int) {
	_ = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
}

func (k *systemKernel) accept(listener int) (int, syscall.Errno) {
	fd, _, errno := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener), 0, 0,
		unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	return int(fd), errno
}

// read receives from a socket; recvfrom is cheaper than the read of every file.
func (k *systemKernel) read(fd int, b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))),
		uintptr(len(b)), 0, 0, 0)
	return int(n), errno
}

func (k *systemKernel) write(fd int, b []byte) (int, syscall.Errno) {
	return sendRaw(fd, b, unix.MSG_NOSIGNAL)
}

func (k *systemKernel) writeLast(fd int, b []byte) (int, syscall.Errno) {
	return sendRaw(fd, b, unix.MSG_NOSIGNAL|unix.MSG_MORE)
}

func sendRaw(fd int, b []byte, flags uintptr) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))),
		uintptr(len(b)), flags, 0, 0)
	return int(n), errno
}

func (k *systemKernel) writev(fd int, vec [][]byte) (int, syscall.Errno) {
	count := 0
	for _, b := range vec[:min(len(vec), maxVec)] {
		k.vec[count].Base = unsafe.SliceData(b)
		k.vec[count].SetLen(len(b))
		count++
	}
	k.msg.Iov = &k.vec[0]
	k.msg.SetIovlen(count)
	n, _, errno := syscall.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&k.msg)), unix.MSG_NOSIGNAL)
	clear(k.vec[:count])
	return int(n), errno
}

func (k *systemKernel) writeBoth(fd int, head, body []byte) (int, syscall.Errno) {
	vec := [2]unix.Iovec{{Base: unsafe.SliceData(head)}, {Base: unsafe.SliceData(body)}}
	vec[0].SetLen(len(head))
	vec[1].SetLen(len(body))
	msg := unix.Msghdr{Iov: &vec[0]}
	msg.SetIovlen(len(vec))
	n, _, errno := syscall.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), unix.MSG_NOSIGNAL)
	return int(n), errno
}

func (k *systemKernel) closeWrite(fd int) syscall.Errno {
	_, _, errno := syscall.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0)
	return errno
}

func (k *systemKernel) close(fd int) syscall.Errno {
	_, _, errno := syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
	return errno
}

func (k *systemKernel) remoteAddr(fd int) (netip.AddrPort, syscall.Errno) { return remoteAddr(fd) }

// socketState finds no TCP_INFO at a Unix socket.
func (k *systemKernel) socketState(fd int) (SocketState, syscall.Errno) {
	var unsent int32
	if _, _, errno := syscall.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCOUTQ, uintptr(unsafe.Pointer(&unsent))); errno != 0 {
		return SocketState{}, errno
	}
	var info unix.TCPInfo
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := syscall.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_INFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno == syscall.EOPNOTSUPP || errno == syscall.ENOPROTOOPT {
		errno = 0
	}
	return SocketState{Unsent: int(unsent), RTT: time.Duration(info.Rtt) * time.Microsecond}, errno
}

func readRaw(fd int, b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), errno
}

func writeRaw(fd int, b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), errno
}

func epollCtl(epfd, op, fd int, ev *unix.EpollEvent) syscall.Errno {
	_, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epfd), uintptr(op), uintptr(fd),
		uintptr(unsafe.Pointer(ev)), 0, 0)
	return errno
}

// epollWaitRaw uses epoll_pwait, which every architecture has.
func epollWaitRaw(epfd int, events []unix.EpollEvent, timeoutMillis int) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epfd), uintptr(unsafe.Pointer(unsafe.SliceData(events))),
		uintptr(len(events)), uintptr(timeoutMillis), 0, 0)
	return int(n), errno
}
