package engine

import (
	"errors"
	"sync/atomic"

	"github.com/wsloop/wsloop/poller"
)

// simulated is a driver that has time and chance of its own, such as sim.World.
type simulated interface {
	Seed() uint64
	// Go has f run at a later step, in place of a goroutine.
	Go(f func())
}

// metered is a driver whose buffers can count against the memory budget.
type metered interface {
	SetMeter(meter *atomic.Int64, keep int)
}

// ServeDriver serves over a driver of the caller's, which does the accepting, until Shutdown or Close, or until
// the driver ends. It always returns an error, ErrServerClosed unless the driver failed. Addr, Loops and
// ReusePort are not heeded, and neither is SlowCallback if the driver's time is simulated.
func (s *Server) ServeDriver(driver poller.Driver) error {
	settings, err := s.options()
	if err != nil {
		return err
	}
	s.mu.Lock()
	if err := s.ready(); err != nil {
		s.mu.Unlock()
		return err
	}
	s.configure(settings)
	if d, ok := driver.(metered); ok {
		d.SetMeter(&s.budget.held, settings.keepBytes)
	}
	if d, ok := driver.(simulated); ok {
		settings.seed, settings.simulated, settings.slowCallback = d.Seed(), true, 0
		if s.workers != nil {
			s.workers.start = d.Go
		}
	}
	err = s.serveWith(driver)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.run(driver)
}

// ready says whether the server can begin to serve. Server.mu is held.
func (s *Server) ready() error {
	switch {
	case s.closed:
		return ErrServerClosed
	case s.driver != nil:
		return errors.New("engine: Server serves once")
	}
	return nil
}

// serveWith takes the driver on. Server.mu is held.
func (s *Server) serveWith(driver poller.Driver) error {
	if err := s.openBridge(); err != nil {
		return err
	}
	s.driver, s.relay = driver, findRelay(driver)
	s.began, s.done, s.idle = make(chan struct{}), make(chan struct{}), make(chan struct{})
	return nil
}
