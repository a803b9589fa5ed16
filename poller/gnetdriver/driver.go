package gnetdriver

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"

	"github.com/panjf2000/gnet/v2"

	"github.com/wsloop/wsloop/poller"
)

// maxLoops is how many loops gnet can number.
const maxLoops = 256

var (
	errServedBefore = errors.New("gnetdriver: Serve called twice, or after Stop")
	errLoopEnded    = errors.New("gnetdriver: gnet ended a loop")
)

// Options configure a Driver. The zero value is useful.
type Options struct {
	// Loops is the number of loops; 0 means one for each processor that Go uses.
	Loops int
	// Logger is told what gnet reports as errors; nil means nobody is.
	Logger *slog.Logger
}

// Driver runs loops of gnet.
type Driver struct {
	loops     []*loop
	client    client
	listeners []net.Listener
	stats     poller.Stats

	serving  atomic.Bool
	refuse   sync.Once
	refusing chan struct{} // closed by StopAccepting
	halt     sync.Once
	stopped  chan struct{} // closed by Stop
	crash    sync.Once
	broken   chan struct{} // closed when gnet gave up

	acceptors sync.WaitGroup
	enrolling sync.WaitGroup // goroutines that put connections back
}

var _ poller.ListenerDriver = (*Driver)(nil)

// client is what the driver needs of gnet.Client, which is gnet's name for loops without listeners.
type client interface {
	Start() error
	Stop() error
	EnrollContext(c net.Conn, ctx any) (gnet.Conn, error)
}

// New makes a driver. gnet starts with Serve.
func New(o Options) (*Driver, error) {
	n := poller.LoopCount(o.Loops)
	if n > maxLoops {
		return nil, fmt.Errorf("gnetdriver: %d loops, where gnet has at most %d", n, maxLoops)
	}
	d := &Driver{refusing: make(chan struct{}), stopped: make(chan struct{}), broken: make(chan struct{})}
	for i := range n {
		d.loops = append(d.loops, newLoop(d, i))
	}
	var err error
	d.client, err = newClient(&events{driver: d}, n, gnet.WithTicker(true), gnet.WithReadBufferCap(readBytes),
		gnet.WithLogger(logger{o.Logger}))
	return d, err
}

// SetMeter has meter count the bytes of output queues and of input that was not consumed, and bounds what each loop
// keeps for later: see poller.Buffers. It is called before Serve.
func (d *Driver) SetMeter(meter *atomic.Int64, keep int) {
	for _, l := range d.loops {
		l.buffers.Meter, l.buffers.Keep = meter, keep
	}
}

// AddListener implements poller.ListenerDriver.
func (d *Driver) AddListener(ln net.Listener) error {
	d.listeners = append(d.listeners, ln)
	return nil
}

// Serve implements poller.Driver.
func (d *Driver) Serve(newHandler func(poller.Loop) poller.Handler) error {
	if d.serving.Swap(true) {
		return errServedBefore
	}
	for _, l := range d.loops {
		l.handler = newHandler(l)
	}
	err := d.client.Start()
	if err == nil {
		err = d.openLoops()
		if err == nil {
			d.accept()
			err = d.wait()
		}
		d.shut()
	}
	d.StopAccepting()
	return err
}

// openLoops learns which loops gnet has. It shows them to none but the connections on them, so each gets one that does
// nothing: gnet gives a connection to the loop that has the fewest.
func (d *Driver) openLoops() error {
	for _, l := range d.loops {
		anchor, err := net.Dial("udp", "127.0.0.1:9") // sends nothing
		if err != nil {
			return err
		}
		c, err := d.client.EnrollContext(anchor, l)
		if err != nil {
			anchor.Close()
			return err
		}
		l.open(c.EventLoop())
	}
	return nil
}

// wait returns when the driver is to stop.
func (d *Driver) wait() error {
	select {
	case <-d.stopped:
		return nil
	case <-d.broken:
		return errLoopEnded
	}
}

// shut closes everything. gnet's loops run until nothing is on its way to them: who hands them a connection
// waits for an answer.
func (d *Driver) shut() {
	d.StopAccepting()
	d.acceptors.Wait()
	for _, l := range d.loops {
		if !l.post(l.shut) {
			continue
		}
		select {
		case <-l.done:
		case <-d.broken:
		}
	}
	d.enrolling.Wait()
	for _, l := range d.loops {
		l.refuse()
	}
	// It reports why a loop ended, which is known, and has been logged.
	_ = d.client.Stop()
	for _, l := range d.loops {
		l.shut() // of a loop that ended by itself
	}
}

// StopAccepting implements poller.Driver.
func (d *Driver) StopAccepting() {
	d.refuse.Do(func() {
		close(d.refusing)
		for _, ln := range d.listeners {
			ln.Close()
		}
	})
}

// Stop implements poller.Driver.
func (d *Driver) Stop() {
	d.serving.Store(true)
	d.StopAccepting()
	d.halt.Do(func() { close(d.stopped) })
}

// giveUp ends Serve with an error, because a loop of gnet ended.
func (d *Driver) giveUp() { d.crash.Do(func() { close(d.broken) }) }

// Stats are the driver's counters.
func (d *Driver) Stats() *poller.Stats { return &d.stats }

// leastLoaded picks the loop with the fewest connections.
func (d *Driver) leastLoaded() *loop {
	best := d.loops[0]
	for _, l := range d.loops[1:] {
		if l.count.Load() < best.count.Load() {
			best = l
		}
	}
	return best
}
