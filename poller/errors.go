package poller

import "errors"

var (
	// ErrClosed reports an operation on a connection that is gone or whose
	// sending side was closed.
	ErrClosed = errors.New("poller: connection is closed")
	// ErrStopped is the reason of connections closed by Driver.Stop.
	ErrStopped = errors.New("poller: driver stopped")
	// ErrDetached is the reason of a connection that Detacher.Detach took from its loop.
	ErrDetached = errors.New("poller: connection was detached")
	// ErrBusy reports that a connection cannot be detached because bytes of it wait.
	ErrBusy = errors.New("poller: bytes wait")
	// ErrUnsupported reports that a driver cannot serve here: no native driver
	// for the operating system, or a listener without a descriptor.
	ErrUnsupported = errors.New("poller: not supported")
)
