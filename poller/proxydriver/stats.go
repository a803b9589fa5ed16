package proxydriver

import (
	"errors"
	"sync/atomic"

	"github.com/wsloop/wsloop/handshake"
)

// Stats count what a driver did.
type Stats struct {
	// Waiting is the number of connections whose header has not come.
	Waiting atomic.Int64
	// Headers were read, and their connections handed up.
	Headers atomic.Uint64
	// NotAdmitted connections came from addresses that may not connect.
	NotAdmitted atomic.Uint64
	// TimedOut connections waited for Options.Timeout.
	TimedOut atomic.Uint64
	// Gone connections ended before their header was complete, by their peer or by Driver.Stop.
	Gone atomic.Uint64
	// Missing, Malformed, Unsupported and TooLarge headers were refused, as the errors of package handshake have it.
	Missing     atomic.Uint64
	Malformed   atomic.Uint64
	Unsupported atomic.Uint64
	TooLarge    atomic.Uint64

	last atomic.Pointer[handshake.ProxyError]
}

// LastRefused says why the last header was refused; nil if none was.
func (s *Stats) LastRefused() *handshake.ProxyError { return s.last.Load() }

// refused notes why a header is refused, and finds its counter.
func (s *Stats) refused(err error) *atomic.Uint64 {
	var fault *handshake.ProxyError
	if errors.As(err, &fault) {
		s.last.Store(fault)
	}
	switch {
	case errors.Is(err, handshake.ErrProxyMissing):
		return &s.Missing
	case errors.Is(err, handshake.ErrProxyUnsupported):
		return &s.Unsupported
	case errors.Is(err, handshake.ErrProxyTooLarge):
		return &s.TooLarge
	default:
		return &s.Malformed
	}
}
