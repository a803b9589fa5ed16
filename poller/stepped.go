//go:build linux || darwin || freebsd

package poller

import (
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/wsloop/wsloop/poller/internal/system"
)

// Stepped is the native driver over a system of its maker's, and its loops run by hand on one
// goroutine. It is made for package sim. Stop and StopAccepting are as those of
// every driver; a loop follows them on its next turn.
type Stepped struct {
	native *Native
}

// NewStepped makes a driver with the loops' objects of s.
func NewStepped(o Options, s system.System) *Stepped {
	var k system.Kernel
	d, err := newNative(o, func() (mechanism, error) {
		var m system.Mechanism
		m, k = s.NewLoop()
		return &steppedMechanism{m: m}, nil
	}, func() kernel { return steppedKernel{k} })
	if err != nil {
		panic(err) // only a mechanism that cannot be made is an error
	}
	for _, l := range d.loops {
		l.clock = s.Now
	}
	return &Stepped{d}
}

// SetMeter sets Options.Meter and Keep. It is called before Start.
func (d *Stepped) SetMeter(meter *atomic.Int64, keep int) {
	for _, l := range d.native.loops {
		l.buffers.Meter, l.buffers.Keep = meter, keep
	}
}

// AddListener has the driver accept from a descriptor of the system's. It is called before
// Start.
func (d *Stepped) AddListener(fd int) { d.native.addListener(fd) }

// Start calls newHandler for each loop, as Serve does, and begins to accept.
func (d *Stepped) Start(newHandler func(Loop) Handler) error {
	if d.native.serving.Swap(true) {
		return errServedBefore
	}
	for _, l := range d.native.loops {
		l.handler = newHandler(l)
	}
	for _, l := range d.native.loops {
		l.watchListeners()
		l.sleeping.Store(true)
	}
	return nil
}

// Turn has loop i look for events without waiting, and take one turn. It says whether the loop has more
// to do at once; if not, the loop waits for an event, for its mechanism to be woken, or for NextTick. Once
// Stop was called, a turn shuts the loop.
func (d *Stepped) Turn(i int) (more bool) {
	l := d.native.loops[i]
	l.sleeping.Store(false)
	if d.native.stopped.Load() {
		if !l.closed {
			l.shut()
		}
		return false
	}
	n, _ := l.mechanism.poll(l.events[:], 0)
	l.turn(n)
	l.sleeping.Store(true)
	return len(l.rests) > 0 || l.woken.Load()
}

// Done says that the loop is shut.
func (d *Stepped) Done(i int) bool { return d.native.loops[i].closed }

// NextTick is when a loop that waits takes a turn all the same.
func (d *Stepped) NextTick(i int) time.Duration { return d.native.loops[i].nextTick }

// Dial is that of Dialer.
func (d *Stepped) Dial(order *Dial) error { return d.native.Dial(order) }

// StopAccepting is that of Driver.
func (d *Stepped) StopAccepting() { d.native.StopAccepting() }

// Stop is that of Driver.
func (d *Stepped) Stop() { d.native.Stop() }

// Stats are the driver's counters, all loops together.
func (d *Stepped) Stats() *Stats { return d.native.Stats() }

// steppedMechanism gives a system's mechanism the method set that loops know.
type steppedMechanism struct {
	m      system.Mechanism
	events [maxEvents]system.Event
}

var _ mechanism = (*steppedMechanism)(nil)

func (s *steppedMechanism) add(fd int, t Token, in interest) syscall.Errno {
	return s.m.Add(fd, uint64(t), in)
}

func (s *steppedMechanism) modify(fd int, t Token, from, to interest) syscall.Errno {
	return s.m.Modify(fd, uint64(t), from, to)
}

func (s *steppedMechanism) remove(fd int, from interest) syscall.Errno { return s.m.Remove(fd, from) }

func (s *steppedMechanism) poll(events []event, _ int) (int, syscall.Errno) {
	n, errno := s.m.Poll(s.events[:len(events)])
	for i, ev := range s.events[:n] {
		events[i] = event{Token(ev.Token), ev.Ready}
	}
	return n, errno
}

// block does not wait either: time is the simulation's.
func (s *steppedMechanism) block(events []event, _ int) (int, syscall.Errno) {
	return s.poll(events, 0)
}

func (s *steppedMechanism) wake() syscall.Errno { return s.m.Wake() }

func (s *steppedMechanism) close() { s.m.Close() }

// steppedKernel does the same for the system calls.
type steppedKernel struct {
	k system.Kernel
}

var _ kernel = steppedKernel{}

func (s steppedKernel) accept(listener int) (int, syscall.Errno) { return s.k.Accept(listener) }

func (s steppedKernel) socket(to target) (int, syscall.Errno) { return s.k.Socket(to) }

func (s steppedKernel) bind(fd int, local netip.AddrPort) syscall.Errno { return s.k.Bind(fd, local) }

func (s steppedKernel) connect(fd int, to target) syscall.Errno { return s.k.Connect(fd, to) }

func (s steppedKernel) localAddr(fd int) (netip.AddrPort, syscall.Errno) { return s.k.LocalAddr(fd) }

func (s steppedKernel) read(fd int, b []byte) (int, syscall.Errno) { return s.k.Read(fd, b) }

func (s steppedKernel) write(fd int, b []byte) (int, syscall.Errno) { return s.k.Write(fd, b) }

func (s steppedKernel) writeLast(fd int, b []byte) (int, syscall.Errno) { return s.k.Write(fd, b) }

func (s steppedKernel) writev(fd int, vec [][]byte) (int, syscall.Errno) { return s.k.Writev(fd, vec) }

func (s steppedKernel) writeBoth(fd int, head, body []byte) (int, syscall.Errno) {
	return s.k.Writev(fd, [][]byte{head, body})
}

func (s steppedKernel) closeWrite(fd int) syscall.Errno { return s.k.CloseWrite(fd) }

func (s steppedKernel) close(fd int) syscall.Errno { return s.k.Close(fd) }

func (s steppedKernel) remoteAddr(fd int) (netip.AddrPort, syscall.Errno) {
	return s.k.RemoteAddr(fd)
}

func (s steppedKernel) socketState(fd int) (SocketState, syscall.Errno) {
	state, errno := s.k.SocketState(fd)
	return SocketState(state), errno
}
