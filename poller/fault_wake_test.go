//go:build linux

package poller

import (
	"errors"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A service is a driver of one loop that runs by itself.
type service struct {
	loop   *loop
	served chan error
}

// start runs a recorder on a loop whose mechanism is the test's to break.
func start(t *testing.T, m *faultMechanism, prepare func(*loop, *recorder)) *service {
	t.Helper()
	d, err := newNative(Options{Loops: 1}, func() (mechanism, error) {
		under, err := newMechanism()
		m.mechanism = under
		return m, err
	}, newKernel)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{loop: d.loops[0], served: make(chan error, 1)}
	r := newRecorder(s.loop)
	prepare(s.loop, r)
	go func() { s.served <- d.Serve(func(Loop) Handler { return r }) }()
	t.Cleanup(func() {
		d.Stop()
		arrives(t, s.served, "Serve to return")
	})
	return s
}

func arrives[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(rigDeadline):
		t.Fatalf("gave up waiting for %s", what)
		panic("unreachable")
	}
}

// A sleeper is a mechanism that tells when the loop goes to wait.
type sleeper struct {
	mechanism
	polling  atomic.Bool
	blocking atomic.Bool
}

func (s *sleeper) poll(events []event, timeoutMillis int) (int, syscall.Errno) {
	s.polling.Store(timeoutMillis > 0)
	defer s.polling.Store(false)
	return s.mechanism.poll(events, timeoutMillis)
}

func (s *sleeper) block(events []event, timeoutMillis int) (int, syscall.Errno) {
	s.blocking.Store(true)
	defer s.blocking.Store(false)
	return s.mechanism.block(events, timeoutMillis)
}

// TestWakeEndsEveryWait wakes a loop that has no tick to save it, at any time, early in
// its wait and late: a wake that is lost hangs the test.
func TestWakeEndsEveryWait(t *testing.T) {
	var s sleeper
	var box atomic.Int64
	seen := make(chan int64, 1)
	svc := start(t, &faultMechanism{}, func(l *loop, r *recorder) {
		l.nextTick = never
		m := l.mechanism.(*faultMechanism)
		s.mechanism, m.mechanism = m.mechanism, &s
		last := int64(0)
		r.onFlush = func() {
			if n := box.Load(); n != last {
				last = n
				seen <- n
			}
		}
	})
	for i := range int64(600) {
		switch i % 3 {
		case 1:
			spin(t, "the loop to wait", func() bool { return s.polling.Load() || s.blocking.Load() })
		case 2:
			spin(t, "the loop to block", s.blocking.Load)
		}
		box.Store(i + 1)
		svc.loop.Wake()
		if n := arrives(t, seen, "Flush after Wake"); n != i+1 {
			t.Fatalf("Flush saw %d, want %d", n, i+1)
		}
	}
}

func spin(t *testing.T, what string, done func() bool) {
	t.Helper()
	for start := time.Now(); !done(); runtime.Gosched() {
		if time.Since(start) > rigDeadline {
			t.Fatalf("gave up waiting for %s", what)
		}
	}
}

// TestW22WaitInterrupted has most waits end with EINTR.
func TestW22WaitInterrupted(t *testing.T) {
	calls := 0
	m := &faultMechanism{onWait: func() syscall.Errno {
		if calls++; calls%4 != 0 {
			return syscall.EINTR
		}
		return 0
	}}
	ticks, arrived := make(chan int, 100), make(chan string, 100)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	last := 0
	start(t, m, func(l *loop, r *recorder) {
		if err := l.driver.AddListener(ln); err != nil {
			t.Fatal(err)
		}
		r.onFlush = func() {
			if r.ticks != last {
				last = r.ticks
				ticks <- last
			}
		}
		r.onData = func(_ Token, b []byte) int { arrived <- string(b); return len(b) }
	})
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Write([]byte("through")); err != nil {
		t.Fatal(err)
	}
	if got := arrives(t, arrived, "Data"); got != "through" {
		t.Errorf("Data %q", got)
	}
	arrives(t, ticks, "Tick")
	arrives(t, ticks, "the next Tick")
}

// TestW32WakeIsLostOrDoubled breaks the system call of the wake. A lost one is made
// up for by the tick, one too many does nothing.
func TestW32WakeIsLostOrDoubled(t *testing.T) {
	for name, times := range map[string]int{"Lost": 0, "Doubled": 2} {
		t.Run(name, func(t *testing.T) {
			m := &faultMechanism{}
			m.onWake = func() bool {
				for range times {
					m.mechanism.wake()
				}
				return false
			}
			var box atomic.Int64
			seen := make(chan int64, 1)
			last := int64(0)
			s := start(t, m, func(_ *loop, r *recorder) {
				r.onFlush = func() {
					if n := box.Load(); n != last {
						last = n
						seen <- n
					}
				}
			})
			for i := range int64(4) {
				spin(t, "the loop to sleep", s.loop.sleeping.Load)
				box.Store(i + 1)
				s.loop.Wake()
				if n := arrives(t, seen, "Flush"); n != i+1 {
					t.Fatalf("Flush saw %d, want %d", n, i+1)
				}
			}
		})
	}
}

// TestW32WakerIsFull has the eventfd refuse more.
func TestW32WakerIsFull(t *testing.T) {
	m, err := newMechanism()
	if err != nil {
		t.Fatal(err)
	}
	defer m.close()
	full := [8]byte{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	if _, errno := writeRaw(m.(*epoll).waker, full[:]); errno != 0 {
		t.Fatal(errno)
	}
	if errno := m.wake(); errno != 0 {
		t.Errorf("wake: %v, want none", errno)
	}
	var raw [1]unix.EpollEvent
	if n, _ := epollWaitRaw(m.(*epoll).fd, raw[:], 0); n != 1 {
		t.Error("the waiting loop would not wake")
	}
}

// TestW33NoSIGPIPE writes to a peer that is gone. SIGWINCH, raised last and a higher
// number, is delivered after SIGPIPE would be.
func TestW33NoSIGPIPE(t *testing.T) {
	signals := make(chan os.Signal, 10)
	signal.Notify(signals, syscall.SIGPIPE, syscall.SIGWINCH)
	defer signal.Stop(signals)
	for name, write := range map[string]func(kernel, int) syscall.Errno{
		"write":  func(k kernel, fd int) syscall.Errno { _, errno := k.write(fd, []byte("x")); return errno },
		"writev": func(k kernel, fd int) syscall.Errno { _, errno := k.writev(fd, [][]byte{{1}, {2}}); return errno },
	} {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(fds[1])
		if errno := write(newKernel(), fds[0]); errno != syscall.EPIPE {
			t.Errorf("%s: %v, want EPIPE", name, errno)
		}
		unix.Close(fds[0])
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGWINCH); err != nil {
			t.Fatal(err)
		}
		if got := arrives(t, signals, "a signal"); got != syscall.SIGWINCH {
			t.Errorf("%s raised %v", name, got)
		}
	}
}

// TestW39ResetInTheMiddle has the peer reset between the wait and the read, and
// between the read and the write.
func TestW39ResetInTheMiddle(t *testing.T) {
	reset := func(c *net.TCPConn) {
		_ = c.SetLinger(0)
		c.Close()
	}
	t.Run("BeforeRead", func(t *testing.T) {
		eachMechanism(t, func(t *testing.T, r *rig) {
			token, client := r.dial(r.listen())
			r.k.onRead = func(fd int, b []byte) (int, syscall.Errno) {
				reset(client)
				return r.k.kernel.read(fd, b)
			}
			_, _ = client.Write([]byte("x"))
			r.until("Closed", func() bool { return r.closedCount[token] > 0 })
			if err := r.closedWith[token]; !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
				t.Errorf("Closed with %v", err)
			}
		})
	})
	t.Run("BeforeWrite", func(t *testing.T) {
		eachMechanism(t, func(t *testing.T, r *rig) {
			token, client := r.dial(r.listen())
			r.onData = func(to Token, b []byte) int {
				reset(client)
				for range 3 {
					if err := r.l.Write(to, make([]byte, 100_000)); err != nil && !errors.Is(err, ErrClosed) {
						t.Errorf("Write: %v", err)
					}
				}
				return len(b)
			}
			_, _ = client.Write([]byte("x"))
			r.until("Closed", func() bool { return r.closedCount[token] > 0 })
			if r.closedWith[token] == nil {
				t.Error("Closed without an error")
			}
		})
	})
}
