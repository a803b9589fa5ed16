package engine

import (
	"context"
	"math"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller"
)

// Drain says how Shutdown closes connections, so that their peers do not all come back in one
// second.
type Drain struct {
	// Code is that of the Close frames: StatusGoingAway (1001) unless it is StatusServiceRestart (1012).
	Code codec.StatusCode
	// Rate is how many connections are closed in a second, about: 5,000 unless set. If the context of Shutdown does not
	// leave the time for that, it is exceeded.
	Rate int
	// Window, if set, is the time over which the closes are spread, instead of Rate.
	Window time.Duration
	// Progress, if set, is called about every second, and once at the end, with the number of connections that
	// are left, which never rises. It is called on the goroutine of Shutdown.
	Progress func(left int)
}

// Shutdown stops accepting, sends every connection a Close frame behind what
// was sent before, each at a random moment of the window that Server.Drain gives, and waits until all are closed.
// When ctx is done first, what is left is cut off and the error of ctx returned, without
// waiting for Serve. It must not be called in a callback, for whose
// connection it would wait: start a goroutine for it.
func (s *Server) Shutdown(ctx context.Context) error {
	driver := s.stopAccepting(ctx)
	if driver == nil {
		return nil
	}
	if s.web != nil {
		go s.web.shutdown(ctx)
	}
	progress := s.progress()
	err := s.awaitDrain(ctx, progress)
	progress()
	driver.Stop()
	if err != nil {
		// A callback may block its loop, so there is no waiting for Serve.
		return err
	}
	<-s.done
	return nil
}

// awaitDrain waits until no connection is left.
func (s *Server) awaitDrain(ctx context.Context, progress func()) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-s.idle:
			return nil
		case <-s.done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			progress()
		}
	}
}

// progress returns what tells Drain.Progress. Connections that came too late and are being refused
// do not count.
func (s *Server) progress() func() {
	if s.Drain.Progress == nil {
		return func() {}
	}
	left := int64(math.MaxInt64)
	return func() {
		left = min(left, s.live.Load())
		s.Drain.Progress(int(left))
	}
}

// stopAccepting turns the server towards its end, and returns its driver if it has one.
func (s *Server) stopAccepting(ctx context.Context) poller.Driver {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.driver == nil {
		return nil
	}
	if !s.shuttingDown.Load() {
		s.drainTicks.Store(s.drainWindow(ctx))
		s.shuttingDown.Store(true)
	}
	if s.live.Load() == 0 {
		s.becomeIdle()
	}
	s.driver.StopAccepting()
	return s.driver
}

// drainWindow is the time over which to spread the closes, in ticks: at most three quarters of what
// ctx leaves, so that the closing handshakes have the rest.
func (s *Server) drainWindow(ctx context.Context) uint32 {
	window := s.Drain.Window
	if window == 0 {
		rate := orDefault(s.Drain.Rate, DefaultDrainRate)
		window = time.Duration(float64(s.live.Load()) / float64(rate) * float64(time.Second))
	}
	if deadline, ok := ctx.Deadline(); ok {
		window = min(window, time.Until(deadline)/4*3)
	}
	return uint32(min(max(window, 0), longestTimeout) / tick)
}

// drainCode is the code of the Close frames of the drain.
func (s *Server) drainCode() codec.StatusCode {
	if s.Drain.Code == 0 {
		return codec.StatusGoingAway
	}
	return s.Drain.Code
}
