package engine

import (
	"errors"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/wsloop/wsloop/codec"
)

// A link is a network of its own, of one loopback interface, that can be taken away: packets vanish then, and
// nobody is told.
type link struct {
	t      testing.TB
	socket int // through which the interface is reached
}

// withLink calls do on a thread that is inside a new network. It skips the test where that is not permitted.
func withLink(t testing.TB, do func(l *link)) {
	t.Helper()
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		err := syscall.Unshare(syscall.CLONE_NEWNET)
		if err == nil {
			var l *link
			if l, err = newLink(t); err == nil {
				do(l)
			}
		}
		failed <- err
	}()
	switch err := await(t, failed, "the network"); {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.ENOSYS), errors.Is(err, syscall.EINVAL):
		t.Skipf("no network of its own: %v", err)
	case err != nil:
		t.Fatal(err)
	}
}

func newLink(t testing.TB) (*link, error) {
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { syscall.Close(socket) })
	l := &link{t, socket}
	return l, l.set(true)
}

// set turns the interface on or off.
func (l *link) set(up bool) error {
	request := struct { // struct ifreq
		name  [16]byte
		flags uint16
		_     [22]byte
	}{name: [16]byte{'l', 'o'}}
	if up {
		request.flags = syscall.IFF_UP | syscall.IFF_RUNNING
	}
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(l.socket), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return errno
	}
	return nil
}

// W38: the peer is there, and answers, until the network loses it without a word. The ping that is not answered ends the
// connection.
func TestHalfOpenPeerW38(t *testing.T) {
	t.Parallel()
	for name, waiting := range map[string]int{"idle": 0, "with output in flight": 64 << 10} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ends := newEnded()
			var s *running
			var c *client
			var wire *link
			conns := make(chan Conn, 1)
			pongTimeout := 2 * time.Second
			if waiting > 0 { // in which the output has to be sent, also on a busy machine: it is what the end is put down to
				pongTimeout = 5 * time.Second
			}
			withLink(t, func(l *link) {
				wire = l
				ln, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Error(err)
					return
				}
				s = serveListeners(t, &Server{
					PingInterval: time.Millisecond, PongTimeout: pongTimeout, WriteTimeout: time.Second,
					Events: Events{Open: func(c Conn) { conns <- c }, Close: ends.note},
				}, ln)
				c = s.open()
			})
			if c == nil {
				return
			}
			c.expect(codec.OpcodePing, "")
			c.send(codec.OpcodePong, "")
			if err := wire.set(false); err != nil {
				t.Fatal(err)
			}
			if waiting > 0 {
				_, _ = await(t, conns, "Open").Send(codec.OpcodeBinary, make([]byte, waiting))
			}
			answering := make(chan struct{})
			go func() { // the peer knows nothing of it
				defer close(answering)
				for {
					f, err := readFrame(c.in)
					if err != nil {
						return
					}
					if f.op == codec.OpcodePing {
						_, _ = c.Conn.Write([]byte(masked(true, codec.OpcodePong, "")))
					}
				}
			}()
			if waiting > 0 {
				ends.expect(t, codec.StatusAbnormalClosure, WriteDeadline)
			} else {
				ends.expect(t, codec.StatusAbnormalClosure, PongDeadline)
			}
			if stats := s.Stats(); stats.PongTimeouts+stats.WriteTimeouts != 1 {
				t.Errorf("%d and %d timeouts", stats.PongTimeouts, stats.WriteTimeouts)
			}
			c.Close()
			await(t, answering, "the peer to end")
		})
	}
}
