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

// Native is not available on this system.
type Native struct{ ListenerDriver }

// NewNative returns ErrUnsupported.
func NewNative(Options) (*Native, error) { return nil, ErrUnsupported }

var _ Dialer = (*Native)(nil)

// Dial returns ErrUnsupported.
func (*Native) Dial(*Dial) error { return ErrUnsupported }

// Listen returns ErrUnsupported.
func Listen(context.Context, string, string, int) ([]net.Listener, error) {
	return nil, ErrUnsupported
}

// Stats are the driver's counters, all of them zero.
func (*Native) Stats() *Stats { return new(Stats) }
