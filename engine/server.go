package engine

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsloop/wsloop/poller"
)

// A Server accepts WebSocket connections and runs their event loops. Its exported fields are
// the configuration; the zero value is a server that accepts everything from its own
// origin and says nothing. They must not change once it serves. A Server serves once.
type Server struct {
	// Addr is the TCP address for ListenAndServe; ":http" if empty.
	Addr string
	// Events are the callbacks.
	Events Events
	// Subprotocols are those the server speaks, in order of preference.
	Subprotocols []string
	// Origins that browsers' pages may have, as patterns: see handshake.ParseOrigins. "*"
	// allows all. If empty, only the server's own host is allowed. A request
	// without an Origin comes from no browser and is allowed.
	Origins []string
	// Loops is the number of event loops; by default one for each processor that Go uses.
	Loops int
	// ReusePort makes ListenAndServe open one listener per loop by SO_REUSEPORT, for very high
	// rates of new connections. By default one loop accepts, and hands each
	// connection to the loop that has the fewest.
	ReusePort bool

	// Limits. Zero means the default; the table is in options.go.
	MaxMessageBytes  int64
	MaxFragments     int
	MaxHeadBytes     int
	MaxHeaderLine    int
	MaxHeaders       int
	MaxBufferedBytes int
	HandshakeTimeout time.Duration
	CloseTimeout     time.Duration

	// Logger is told of panics; slog.Default if nil.
	Logger *slog.Logger

	mu           sync.Mutex
	driver       poller.ListenerDriver
	done         chan struct{} // closed when Serve returns
	closed       bool          // Shutdown or Close was called
	settings     *options
	shuttingDown atomic.Bool
	live         atomic.Int64  // connections, handshakes included
	idle         chan struct{} // closed when shutting down and live has come to 0
	idleOnce     sync.Once
	protocols    atomic.Pointer[[]string] // agreed subprotocols; sessions hold the index
	counters     counters
}

// ListenAndServe listens on Addr and serves until Shutdown or Close. It always returns an
// error, ErrServerClosed after those.
func (s *Server) ListenAndServe() error {
	address := s.Addr
	if address == "" {
		address = ":http"
	}
	listeners, err := s.Listen("tcp", address)
	if err != nil {
		return err
	}
	return s.Serve(listeners...)
}

// Listen opens the listeners that suit the server's configuration: one, or with
// ReusePort and TCP one per loop. A configuration that Serve would refuse is refused here.
func (s *Server) Listen(network, address string) ([]net.Listener, error) {
	if _, err := s.options(); err != nil {
		return nil, err
	}
	n := 1
	if s.ReusePort && network != "unix" {
		n = poller.LoopCount(s.Loops)
	}
	return poller.Listen(context.Background(), network, address, n)
}

// Serve accepts connections from TCP or Unix listeners, which it takes over, and runs the loops
// until Shutdown or Close. It always returns an error, ErrServerClosed after
// those.
func (s *Server) Serve(listeners ...net.Listener) error {
	driver, err := s.start(listeners)
	if err != nil {
		for _, ln := range listeners {
			ln.Close()
		}
		return err
	}
	return s.run(driver)
}

// run serves until the driver was stopped.
func (s *Server) run(driver poller.ListenerDriver) error {
	err := driver.Serve(func(l poller.Loop) poller.Handler { return newLoop(s, l) })
	close(s.done)
	if err != nil && !s.isClosed() {
		return err
	}
	// A driver that was stopped before it ran reports an error of its own.
	return ErrServerClosed
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// start checks the configuration and makes the driver.
func (s *Server) start(listeners []net.Listener) (poller.ListenerDriver, error) {
	settings, err := s.options()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, ErrServerClosed
	case s.driver != nil:
		return nil, errors.New("engine: Server serves once")
	}
	driver, err := poller.NewNative(poller.Options{Loops: s.Loops, ReusePort: s.ReusePort && len(listeners) >= poller.LoopCount(s.Loops)})
	if err != nil {
		return nil, err
	}
	for _, ln := range listeners {
		if err := driver.AddListener(ln); err != nil {
			driver.Stop()
			return nil, err
		}
	}
	s.settings, s.driver = settings, driver
	s.done, s.idle = make(chan struct{}), make(chan struct{})
	return driver, nil
}

// Shutdown stops accepting, sends every connection a Close frame with 1001 behind what
// was sent before, and waits until all are closed. When ctx is done first, what is left is
// cut off and the error of ctx returned, without waiting for Serve. It must not be called in a callback: start a
// goroutine for it.
func (s *Server) Shutdown(ctx context.Context) error {
	driver := s.stopAccepting()
	if driver == nil {
		return nil
	}
	select {
	case <-s.idle:
	case <-s.done:
	case <-ctx.Done():
		// A callback may block its loop, so there is no waiting for Serve.
		driver.Stop()
		return ctx.Err()
	}
	driver.Stop()
	<-s.done
	return nil
}

// stopAccepting turns the server towards its end, and returns its driver if it has one.
func (s *Server) stopAccepting() poller.ListenerDriver {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.driver == nil {
		return nil
	}
	s.shuttingDown.Store(true)
	if s.live.Load() == 0 {
		s.becomeIdle()
	}
	s.driver.StopAccepting()
	return s.driver
}

// Close stops the server at once: no Close frame is sent. It does not wait for Serve to
// return, and may be called in a callback.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.driver != nil {
		s.driver.Stop()
	}
	return nil
}

// connectionGone counts a connection out.
func (s *Server) connectionGone() {
	if s.live.Add(-1) == 0 && s.shuttingDown.Load() {
		s.becomeIdle()
	}
}

func (s *Server) becomeIdle() { s.idleOnce.Do(func() { close(s.idle) }) }

func (s *Server) logger() *slog.Logger {
	if s.Logger != nil {
		return s.Logger
	}
	return slog.Default()
}

// internProtocol returns the number of an agreed subprotocol, 0 for none. It knows 255:
// those of the configuration, and what hooks chose besides.
func (s *Server) internProtocol(name string) (number uint8, ok bool) {
	if name == "" {
		return 0, true
	}
	for {
		known := s.protocols.Load()
		if known == nil {
			configured := slices.Clone(s.Subprotocols)
			s.protocols.CompareAndSwap(nil, &configured)
			continue
		}
		if i := slices.Index(*known, name); i >= 0 {
			return uint8(i + 1), true
		}
		if len(*known) == maxProtocols {
			return 0, false
		}
		grown := append(slices.Clone(*known), name)
		if s.protocols.CompareAndSwap(known, &grown) {
			return uint8(len(grown)), true
		}
	}
}

// maxProtocols is what one byte per session can tell apart.
const maxProtocols = 255

// protocol undoes internProtocol.
func (s *Server) protocol(number uint8) string {
	if number == 0 {
		return ""
	}
	return (*s.protocols.Load())[number-1]
}
