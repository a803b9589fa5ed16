//go:build linux || darwin || freebsd

package poller

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Options configure the native driver. The zero value is useful.
type Options struct {
	// Loops is the number of loops; 0 means one for each processor that Go uses.
	Loops int
	// ReusePort says that each loop has listeners of its own, on one port by
	// SO_REUSEPORT, and keeps what it accepts. Otherwise the first loop accepts,
	// and connections go to the loop that has the fewest.
	ReusePort bool
	// Meter, if not nil, counts the bytes of the loops' buffers: output queues and
	// input that was not consumed, in use or kept for later. See Buffers.Meter.
	Meter *atomic.Int64
	// Keep bounds what each loop keeps of them for later: see Buffers.Keep.
	Keep int
}

var errServedBefore = errors.New("poller: Serve called twice")

// Native is the driver over epoll or kqueue.
type Native struct {
	loops    []*loop
	balance  bool
	refusing atomic.Bool // StopAccepting was called
	stopped  atomic.Bool
	serving  atomic.Bool
	stats    Stats
	paths    []*net.UnixListener // closed for their paths, which go with them
	once     sync.Once
}

var _ ListenerDriver = (*Native)(nil)

// NewNative makes a driver with its loops' kernel objects.
func NewNative(o Options) (*Native, error) {
	return newNative(o, newMechanism, newKernel)
}

func newNative(o Options, newMechanism func() (mechanism, error), newKernel func() kernel) (*Native, error) {
	d := &Native{balance: !o.ReusePort}
	for i := range LoopCount(o.Loops) {
		m, err := newMechanism()
		if err != nil {
			for _, l := range d.loops {
				l.mechanism.close()
			}
			return nil, fmt.Errorf("poller: loop %d: %w", i, err)
		}
		l := newLoop(d, i, m, newKernel())
		l.buffers.Meter, l.buffers.Keep = o.Meter, o.Keep
		d.loops = append(d.loops, l)
	}
	return d, nil
}

// AddListener implements ListenerDriver. ln must be a *net.TCPListener or a
// *net.UnixListener, or have their File method. Listeners go round the
// loops with Options.ReusePort, else all to the first.
func (d *Native) AddListener(ln net.Listener) error {
	filer, ok := ln.(interface{ File() (*os.File, error) })
	if !ok {
		return fmt.Errorf("%w: listener of type %T has no descriptor", ErrUnsupported, ln)
	}
	f, err := filer.File()
	if err != nil {
		return err
	}
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	f.Close()
	if err != nil {
		return err
	}
	if err := prepareListener(fd, ln); err != nil {
		unix.Close(fd)
		return err
	}
	if u, ok := ln.(*net.UnixListener); ok {
		// Package net knows whether closing it is to remove the path.
		d.paths = append(d.paths, u)
	} else {
		ln.Close()
	}
	d.addListener(fd)
	return nil
}

// addListener gives the listener to the loop that is to accept from it.
func (d *Native) addListener(fd int) {
	l := d.loops[0]
	if !d.balance {
		for _, other := range d.loops {
			if len(other.listeners) < len(l.listeners) {
				l = other
			}
		}
	}
	l.listeners = append(l.listeners, fd)
}

// prepareListener sets what accepted sockets inherit.
func prepareListener(fd int, ln net.Listener) error {
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	if _, ok := ln.(*net.UnixListener); ok {
		return nil
	}
	setTCPOptions(fd)
	return nil
}

// Serve implements Driver.
func (d *Native) Serve(newHandler func(Loop) Handler) error {
	if d.serving.Swap(true) {
		return errServedBefore
	}
	for _, l := range d.loops {
		l.handler = newHandler(l)
	}
	var wg sync.WaitGroup
	for _, l := range d.loops {
		wg.Go(l.run)
	}
	wg.Wait()
	return nil
}

// StopAccepting implements Driver.
func (d *Native) StopAccepting() {
	d.refusing.Store(true)
	d.removePaths()
	d.wakeAll()
}

// Stop implements Driver. On a driver that never served it gives the
// listeners and the loops' kernel objects back.
func (d *Native) Stop() {
	d.stopped.Store(true)
	d.removePaths()
	if d.serving.Swap(true) {
		d.wakeAll()
		return
	}
	for _, l := range d.loops {
		l.closeListeners()
		for _, a := range l.refuse() {
			l.discard(a)
		}
		l.mechanism.close()
	}
}

// Stats are the driver's counters, all loops together.
func (d *Native) Stats() *Stats { return &d.stats }

func (d *Native) wakeAll() {
	for _, l := range d.loops {
		l.Wake()
	}
}

func (d *Native) removePaths() {
	d.once.Do(func() {
		for _, ln := range d.paths {
			ln.Close()
		}
	})
}

// leastLoaded picks the loop with the fewest connections, from on a tie.
func (d *Native) leastLoaded(from *loop) *loop {
	best, least := from, from.count.Load()
	for _, l := range d.loops {
		if n := l.count.Load(); n < least {
			best, least = l, n
		}
	}
	return best
}
