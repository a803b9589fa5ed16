//go:build !linux && !darwin && !freebsd

package poller

import (
	"context"
	"net"
	"sync/atomic"
)

// Options configure the native driver.
type Options struct {
	Loops     int
	ReusePort bool
	Meter     *atomic.Int64
	Keep      int
}

// Native is not available on this system. Package gnetdriver has a driver.
type Native struct{ ListenerDriver }

// NewNative returns ErrUnsupported.
func NewNative(Options) (*Native, error) { return nil, ErrUnsupported }

var _ Dialer = (*Native)(nil)

// Dial returns ErrUnsupported.
func (*Native) Dial(*Dial) error { return ErrUnsupported }

// Listen opens a listener. It returns ErrUnsupported for more than one: they cannot share a port here.
func Listen(ctx context.Context, network, address string, n int) ([]net.Listener, error) {
	if n > 1 {
		return nil, ErrUnsupported
	}
	ln, err := new(net.ListenConfig).Listen(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return []net.Listener{ln}, nil
}

// Stats are the driver's counters, all of them zero.
func (*Native) Stats() *Stats { return new(Stats) }
