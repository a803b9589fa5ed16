package tlsdriver

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"github.com/wsloop/wsloop/poller"
)

// Driver is a driver whose connections may be TLS.
type Driver struct {
	inner   poller.Driver
	options Options
	config  atomic.Pointer[tls.Config] // of accepted connections; prepared
	stats   Stats
	turns   chan struct{} // one element for each handshake that computes
	running sync.WaitGroup

	mu       sync.Mutex // guards what follows
	layers   []*layer   // by the index of the loop
	stopping bool
	over     bool // the inner driver serves no more
	saying   int  // layers that have not said goodbye to their connections yet
}

var (
	_ poller.ListenerDriver = (*Driver)(nil)
	_ poller.Dialer         = (*Driver)(nil)
)

// Wrap makes a driver over inner, which has not served yet and is this driver's from here on.
func Wrap(inner poller.Driver, o Options) (*Driver, error) {
	if inner == nil {
		return nil, errors.New("tlsdriver: no driver to wrap")
	}
	if o.Handshakes < 0 || o.MaxHandshakes < 0 || o.HandshakeTimeout < 0 {
		return nil, errors.New("tlsdriver: an option is negative")
	}
	o.setDefaults()
	d := &Driver{inner: inner, options: o, turns: make(chan struct{}, o.Handshakes)}
	d.SetConfig(o.Config)
	return d, nil
}

// SetConfig has the handshakes that begin from now on use another config; Options.Config says how. Session tickets that were issued with the config
// before are not accepted any more, unless both were given the same keys. Any goroutine.
func (d *Driver) SetConfig(config *tls.Config) { d.config.Store(prepare(config)) }

// SetMeter sets Options.Meter and Keep, and those of the inner driver if it has a method of this name. It is called before Serve.
func (d *Driver) SetMeter(meter *atomic.Int64, keep int) {
	d.options.Meter, d.options.Keep = meter, keep
	if m, ok := d.inner.(interface{ SetMeter(*atomic.Int64, int) }); ok {
		m.SetMeter(meter, keep)
	}
}

// AddListener implements poller.ListenerDriver if the inner driver does.
func (d *Driver) AddListener(ln net.Listener) error {
	inner, ok := d.inner.(poller.ListenerDriver)
	if !ok {
		return fmt.Errorf("%w: a driver of type %T takes no listeners", poller.ErrUnsupported, d.inner)
	}
	return inner.AddListener(ln)
}

// Dial implements poller.Dialer if the inner driver does. Options.Client decides whether the connection is to be TLS; its handshake comes
// between Dialing and Connected, and if it fails, Closed tells why.
func (d *Driver) Dial(order *poller.Dial) error {
	inner, ok := d.inner.(poller.Dialer)
	if !ok {
		return fmt.Errorf("%w: a driver of type %T opens no connections", poller.ErrUnsupported, d.inner)
	}
	d.mu.Lock()
	stopping := d.stopping
	d.mu.Unlock()
	if stopping {
		return poller.ErrStopped
	}
	return inner.Dial(order)
}

// Serve implements poller.Driver. It returns when the handshakes that were in progress have ended, too.
func (d *Driver) Serve(newHandler func(poller.Loop) poller.Handler) error {
	err := d.inner.Serve(func(inner poller.Loop) poller.Handler {
		l := newLayer(d, inner)
		l.upper = newHandler(l)
		d.add(l)
		return l
	})
	d.running.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = true
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

// StopAccepting implements poller.Driver.
func (d *Driver) StopAccepting() { d.inner.StopAccepting() }

// Stop implements poller.Driver. Each loop sends close_notify on its connections before they are closed, and listeners are closed when
// all loops did, so that a callback that does not return delays it.
func (d *Driver) Stop() {
	d.mu.Lock()
	if d.stopping {
		d.mu.Unlock()
		return
	}
	d.stopping = true
	var layers []*layer
	for _, l := range d.layers {
		if l != nil {
			layers = append(layers, l)
		}
	}
	d.saying = len(layers)
	alone := d.over || len(layers) == 0
	d.mu.Unlock()
	if alone {
		d.inner.Stop()
	}
	for _, l := range layers {
		l.stopping.Store(true)
		l.inner.Wake()
	}
}

// saidGoodbye is called by each layer once. The last one stops the inner driver.
func (d *Driver) saidGoodbye() {
	d.mu.Lock()
	d.saying--
	last := d.saying == 0
	d.mu.Unlock()
	if last {
		d.inner.Stop()
	}
}

// Unwrap is the inner driver.
func (d *Driver) Unwrap() poller.Driver { return d.inner }

// Stats are the driver's counters, all loops together.
func (d *Driver) Stats() *Stats { return &d.stats }

// ConnectionState tells of the handshake of a connection: version, ALPN, server name, certificates. It is false for one that is
// plain, gone or not finished with its handshake. Any goroutine.
func (d *Driver) ConnectionState(loop int, t poller.Token) (state tls.ConnectionState, ok bool) {
	d.mu.Lock()
	var l *layer
	if 0 <= loop && loop < len(d.layers) {
		l = d.layers[loop]
	}
	d.mu.Unlock()
	if l == nil {
		return state, false
	}
	c := l.find(t)
	if c == nil {
		return state, false
	}
	secured := c.secured.Load()
	if secured == nil {
		return state, false
	}
	return secured.ConnectionState(), true
}
