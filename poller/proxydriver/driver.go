package proxydriver

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
)

// Options configure a Driver. With the zero value no connection has a header.
type Options struct {
	// Policy says by the address of the socket which accepted connections begin with a header, and which are closed
	// at once. The peer of a Unix socket has no address, and so is trusted by no policy.
	Policy handshake.ProxyPolicy
	// Timeout is how long a header may take from accept on; 0 means 10 s. It is looked at on Tick.
	Timeout time.Duration
	// Header, if not nil, is told of each header that was read, on the loop and before Open: its TLVs, what the proxy knows
	// of TLS, the address that the client connected to. h and its views are valid until Header returns.
	Header func(loop int, t poller.Token, h *handshake.ProxyHeader)
}

// Driver is a driver whose accepted connections may begin with a header of the PROXY protocol. Those that it dials have none.
type Driver struct {
	inner   poller.Driver
	options Options
	stats   Stats
	meter   *atomic.Int64
	keep    int

	mu     sync.Mutex // guards what follows
	layers []*layer   // by the index of the loop
}

var (
	_ poller.ListenerDriver = (*Driver)(nil)
	_ poller.Dialer         = (*Driver)(nil)
)

// Wrap makes a driver over inner, which has not served yet and is this driver's from here on. An error says what of the options
// cannot be meant.
func Wrap(inner poller.Driver, o Options) (*Driver, error) {
	if inner == nil {
		return nil, errors.New("proxydriver: no driver to wrap")
	}
	if err := o.Policy.Check(); err != nil {
		return nil, fmt.Errorf("proxydriver: %w", err)
	}
	if o.Timeout < 0 {
		return nil, errors.New("proxydriver: the timeout is negative")
	}
	o.Timeout = cmp.Or(o.Timeout, 10*time.Second)
	o.Policy.HeaderBytes = cmp.Or(o.Policy.HeaderBytes, handshake.DefaultProxyBytes)
	return &Driver{inner: inner, options: o}, nil
}

// SetMeter has the bytes of waiting headers counted as poller.Options.Meter and Keep say, and passes both on to the inner driver if it
// has a method of this name. It is called before Serve.
func (d *Driver) SetMeter(meter *atomic.Int64, keep int) {
	d.meter, d.keep = meter, keep
	if m, ok := d.inner.(interface{ SetMeter(*atomic.Int64, int) }); ok {
		m.SetMeter(meter, keep)
	}
}

// AddListener implements poller.ListenerDriver if the inner driver does. Otherwise it returns poller.ErrUnsupported.
func (d *Driver) AddListener(ln net.Listener) error {
	inner, ok := d.inner.(poller.ListenerDriver)
	if !ok {
		return fmt.Errorf("%w: a driver of type %T takes no listeners", poller.ErrUnsupported, d.inner)
	}
	return inner.AddListener(ln)
}

// Dial implements poller.Dialer if the inner driver does. Otherwise it returns poller.ErrUnsupported.
func (d *Driver) Dial(order *poller.Dial) error {
	inner, ok := d.inner.(poller.Dialer)
	if !ok {
		return fmt.Errorf("%w: a driver of type %T opens no connections", poller.ErrUnsupported, d.inner)
	}
	return inner.Dial(order)
}

// Serve implements poller.Driver.
func (d *Driver) Serve(newHandler func(poller.Loop) poller.Handler) error {
	err := d.inner.Serve(func(inner poller.Loop) poller.Handler {
		l := newLayer(d, inner)
		l.upper = newHandler(l)
		d.add(l)
		return l
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range d.layers {
		if l != nil {
			l.buffers.Empty()
		}
	}
	return err
}

func (d *Driver) add(l *layer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.layers) <= l.Index() {
		d.layers = append(d.layers, nil)
	}
	d.layers[l.Index()] = l
}

// StopAccepting implements poller.Driver. Connections that wait for their header go on.
func (d *Driver) StopAccepting() { d.inner.StopAccepting() }

// Stop implements poller.Driver.
func (d *Driver) Stop() { d.inner.Stop() }

// Stats are the driver's counters, all loops together.
func (d *Driver) Stats() *Stats { return &d.stats }

// Kind is what the header of a connection told. It is false for a connection that had no header, or is gone. Where it is neither
// ProxyTCP4 nor ProxyTCP6, the address of the connection is the proxy's own. Any goroutine.
func (d *Driver) Kind(loop int, t poller.Token) (kind handshake.ProxyKind, ok bool) {
	d.mu.Lock()
	var l *layer
	if 0 <= loop && loop < len(d.layers) {
		l = d.layers[loop]
	}
	d.mu.Unlock()
	if l == nil {
		return handshake.ProxyIncomplete, false
	}
	_, m := l.find(t)
	return m.kind(), m.state() == stateTold
}
