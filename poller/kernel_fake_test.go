//go:build linux

package poller

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"syscall"
)

// faultKernel is the kernel of this machine with calls replaced by a test. A call
// whose function is nil passes through. It counts what must happen exactly once.
type faultKernel struct {
	kernel
	onAccept     func(listener int) (int, syscall.Errno)
	onDescriptor func(to target) (int, syscall.Errno) // socket
	onBind       func(fd int) syscall.Errno
	onConnect    func(fd int, to target) syscall.Errno
	onLocalAddr  func(fd int) (netip.AddrPort, syscall.Errno)
	onRead       func(fd int, b []byte) (int, syscall.Errno)
	onWrite      func(fd int, b []byte) (int, syscall.Errno)
	onWritev     func(fd int, vec [][]byte) (int, syscall.Errno)
	onWriteBoth  func(fd int, head, body []byte) (int, syscall.Errno)
	onSocket     func(fd int) (SocketState, syscall.Errno)
	// onClose runs after the descriptor was closed, as close(2) reports errors.
	onClose func(fd int) syscall.Errno

	accepts int
	opens   map[int]int // by descriptor: how often the loop was given it
	closes  map[int]int // and how often it closed it
}

var _ kernel = (*faultKernel)(nil)

func (k *faultKernel) accept(listener int) (int, syscall.Errno) {
	k.accepts++
	accept := k.kernel.accept
	if k.onAccept != nil {
		accept = k.onAccept
	}
	fd, errno := accept(listener)
	if errno == 0 {
		k.opens[fd]++
	}
	return fd, errno
}

func (k *faultKernel) socket(to target) (int, syscall.Errno) {
	socket := k.kernel.socket
	if k.onDescriptor != nil {
		socket = k.onDescriptor
	}
	fd, errno := socket(to)
	if errno == 0 {
		k.opens[fd]++
	}
	return fd, errno
}

func (k *faultKernel) bind(fd int, local netip.AddrPort) syscall.Errno {
	if k.onBind != nil {
		return k.onBind(fd)
	}
	return k.kernel.bind(fd, local)
}

func (k *faultKernel) connect(fd int, to target) syscall.Errno {
	if k.onConnect != nil {
		return k.onConnect(fd, to)
	}
	return k.kernel.connect(fd, to)
}

func (k *faultKernel) localAddr(fd int) (netip.AddrPort, syscall.Errno) {
	if k.onLocalAddr != nil {
		return k.onLocalAddr(fd)
	}
	return k.kernel.localAddr(fd)
}

func (k *faultKernel) read(fd int, b []byte) (int, syscall.Errno) {
	if k.onRead != nil {
		return k.onRead(fd, b)
	}
	return k.kernel.read(fd, b)
}

func (k *faultKernel) writeLast(fd int, b []byte) (int, syscall.Errno) { return k.write(fd, b) }

func (k *faultKernel) write(fd int, b []byte) (int, syscall.Errno) {
	if k.onWrite != nil {
		return k.onWrite(fd, b)
	}
	return k.kernel.write(fd, b)
}

func (k *faultKernel) writev(fd int, vec [][]byte) (int, syscall.Errno) {
	if k.onWritev != nil {
		return k.onWritev(fd, vec)
	}
	return k.kernel.writev(fd, vec)
}

func (k *faultKernel) writeBoth(fd int, head, body []byte) (int, syscall.Errno) {
	if k.onWriteBoth != nil {
		return k.onWriteBoth(fd, head, body)
	}
	return k.kernel.writeBoth(fd, head, body)
}

func (k *faultKernel) socketState(fd int) (SocketState, syscall.Errno) {
	if k.onSocket != nil {
		return k.onSocket(fd)
	}
	return k.kernel.socketState(fd)
}

func (k *faultKernel) close(fd int) syscall.Errno {
	k.closes[fd]++
	errno := k.kernel.close(fd)
	if k.onClose != nil {
		return k.onClose(fd)
	}
	return errno
}

// only shortens a vector to its first n bytes.
func only(vec [][]byte, n int) [][]byte {
	var short [][]byte
	for _, b := range vec {
		b = b[:min(n, len(b))]
		n -= len(b)
		short = append(short, b)
	}
	return short
}

// shortKernel moves a random number of bytes, and sometimes none for a reason that
// is not an error. It is one loop's, and its sequence is always the same while no other goroutine writes.
type shortKernel struct {
	kernel
	mu     sync.Mutex // guards random
	random *rand.Rand
}

func (k *shortKernel) limit() (int, syscall.Errno) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.random == nil {
		k.random = rand.New(rand.NewPCG(1, 2))
	}
	switch k.random.IntN(8) {
	case 0:
		return 0, syscall.EAGAIN
	case 1:
		return 0, syscall.EINTR
	case 2:
		return 1, 0
	}
	return 1 + k.random.IntN(32<<10), 0
}

func (k *shortKernel) read(fd int, b []byte) (int, syscall.Errno) {
	n, errno := k.limit()
	if errno != 0 {
		return -1, errno
	}
	return k.kernel.read(fd, b[:min(n, len(b))])
}

func (k *shortKernel) writeLast(fd int, b []byte) (int, syscall.Errno) { return k.write(fd, b) }

func (k *shortKernel) write(fd int, b []byte) (int, syscall.Errno) {
	n, errno := k.limit()
	if errno != 0 {
		return -1, errno
	}
	return k.kernel.write(fd, b[:min(n, len(b))])
}

func (k *shortKernel) writev(fd int, vec [][]byte) (int, syscall.Errno) {
	n, errno := k.limit()
	if errno != 0 {
		return -1, errno
	}
	return k.kernel.writev(fd, only(vec, n))
}

func (k *shortKernel) writeBoth(fd int, head, body []byte) (int, syscall.Errno) {
	n, errno := k.limit()
	if errno != 0 {
		return -1, errno
	}
	vec := only([][]byte{head, body}, n)
	return k.kernel.writeBoth(fd, vec[0], vec[1])
}
