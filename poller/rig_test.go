//go:build linux

package poller

import (
	"maps"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// never is a next tick that no test lives to see.
	never = time.Hour
	// rigDeadline bounds waits for the kernel; only a failing test reaches it.
	rigDeadline = 30 * time.Second
)

// A rig is one loop that the test itself turns, on one goroutine, over a kernel
// that can fail.
type rig struct {
	*testing.T
	*recorder
	l *loop
	k *faultKernel
	m *faultMechanism

	meter atomic.Int64
}

// eachMechanism runs a test over every readiness mechanism.
func eachMechanism(t *testing.T, test func(*testing.T, *rig)) {
	t.Run("Epoll", func(t *testing.T) {
		test(t, newRig(t, newMechanism, newKernel))
	})
	t.Run("Kqueue", func(t *testing.T) {
		m, k := fakeKqueue(newKernel)
		test(t, newRig(t, m, k))
	})
}

func newRig(t *testing.T, newMechanism func() (mechanism, error), newKernel func() kernel) *rig {
	t.Helper()
	r := &rig{T: t}
	d, err := newNative(Options{Loops: 1, Meter: &r.meter}, func() (mechanism, error) {
		m, err := newMechanism()
		r.m = &faultMechanism{mechanism: m}
		return r.m, err
	}, func() kernel {
		r.k = &faultKernel{kernel: newKernel(), opens: map[int]int{}, closes: map[int]int{}}
		return r.k
	})
	if err != nil {
		t.Fatal(err)
	}
	r.l = d.loops[0]
	r.recorder = newRecorder(r.l)
	r.l.handler = r.recorder
	t.Cleanup(func() {
		r.l.shut()
		for token, n := range r.closedCount {
			if n != 1 {
				t.Errorf("Closed of %#x came %d times", uint64(token), n)
			}
		}
		if len(r.closedCount) != len(r.opened) {
			t.Errorf("%d connections opened, %d closed", len(r.opened), len(r.closedCount))
		}
		if free, made := len(r.l.freeExtras), len(r.l.extras)-1; free != made {
			t.Errorf("%d of %d rare states were given back", free, made)
		}
		if n := r.meter.Load(); n != 0 {
			t.Errorf("the meter says %d at the end, want 0", n)
		}
		if !maps.Equal(r.k.opens, r.k.closes) {
			t.Errorf("descriptors opened %v, closed %v", r.k.opens, r.k.closes)
		}
	})
	return r
}

// step takes a turn without a tick, with the events that are there.
func (r *rig) step() {
	r.l.nextTick = never
	n, _ := r.l.mechanism.poll(r.l.events[:], 0)
	r.l.turn(n)
}

// tick takes a turn with a tick.
func (r *rig) tick() {
	r.l.nextTick = 0
	n, _ := r.l.mechanism.poll(r.l.events[:], 0)
	r.l.turn(n)
}

// until takes turns until the condition holds.
func (r *rig) until(what string, done func() bool) {
	r.Helper()
	for start := time.Now(); !done(); r.step() {
		if time.Since(start) > rigDeadline {
			r.Fatalf("gave up waiting for %s", what)
		}
	}
}

// pair opens a connection over a socket pair. Its end is the loop's, the peer is
// the test's and non-blocking. What one end writes the other can read at once.
func (r *rig) pair() (Token, peer) {
	r.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		r.Fatal(err)
	}
	p := peer{r.T, fds[1], new(bool)}
	r.Cleanup(p.close)
	return r.adopt(fds[0]), p
}

// adopt opens a descriptor as accept does.
func (r *rig) adopt(fd int) Token {
	r.Helper()
	r.l.count.Add(1)
	before := len(r.opened)
	r.k.opens[fd]++
	r.l.open(fd)
	if len(r.opened) != before+1 {
		return 0
	}
	return r.opened[before]
}

// dial opens a connection over TCP.
func (r *rig) dial(ln net.Listener) (Token, *net.TCPConn) {
	r.Helper()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { c.Close() })
	before := len(r.opened)
	r.until("Open", func() bool { return len(r.opened) > before })
	return r.opened[before], c.(*net.TCPConn)
}

// listen gives the loop a listener. The address stays known through the returned
// one, which must not be used otherwise.
func (r *rig) listen() net.Listener {
	r.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.Fatal(err)
	}
	if err := r.l.driver.AddListener(ln); err != nil {
		r.Fatal(err)
	}
	for _, fd := range r.l.listeners[len(r.l.listeners)-1:] {
		r.k.opens[fd]++
	}
	r.l.watchListeners()
	return ln
}

func (r *rig) conn(t Token) *conn { return r.l.conns.At(t.Slot()) }

// A peer is the test's end of a socket pair.
type peer struct {
	t      *testing.T
	fd     int
	closed *bool
}

func (p peer) send(b []byte) {
	p.t.Helper()
	if n, errno := writeRaw(p.fd, b); errno != 0 || n != len(b) {
		p.t.Fatalf("peer wrote %d of %d bytes: %v", n, len(b), errno)
	}
}

// receive returns what can be read at once.
func (p peer) receive() []byte {
	p.t.Helper()
	var all []byte
	buf := make([]byte, 64<<10)
	for {
		n, errno := readRaw(p.fd, buf)
		if errno != 0 && errno != syscall.EAGAIN {
			p.t.Fatalf("peer read: %v", errno)
		}
		if n <= 0 {
			return all
		}
		all = append(all, buf[:n]...)
	}
}

func (p peer) shutdown() { _ = unix.Shutdown(p.fd, unix.SHUT_WR) }

func (p peer) close() {
	if !*p.closed {
		*p.closed = true
		unix.Close(p.fd)
	}
}
