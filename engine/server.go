package engine

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/proxydriver"
)

// A Server accepts WebSocket connections and runs their event loops. Its exported fields are
// the configuration; the zero value is a server that accepts everything from its own
// origin and says nothing. They must not change once it serves. A Server serves once.
type Server struct {
	// Addr is the TCP address for ListenAndServe; ":http" if empty.
	Addr string
	// Events are the callbacks.
	Events Events
	// HTTP, if set, serves all requests that ask for no WebSocket, with an http.Server of its own, and sees them from their
	// first byte; Events.Plain must not be set then. Opening handshakes that come later on a connection of HTTP come
	// back to the loops.
	HTTP http.Handler
	// Routes, if there are any, say which paths are served, and by which callbacks: an opening handshake that matches none is
	// answered with 404. Events.Plain is that of the server. A connection that came by Upgrade was routed by net/http.
	Routes []Route
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

	// TLSConfig is that of connections served by ServeTLS and ListenAndServeTLS. Its GetCertificate may be that of
	// tlsdriver.Certificates, which reads files again.
	TLSConfig *tls.Config
	// ClientTLS, if set, lets connections be dialed by wss URLs. The server's name is that of the URL unless it has one.
	ClientTLS *tls.Config
	// AdoptTLS lets Upgrade take connections with TLS over where nothing else here is TLS. It makes each call on a plain one look first.
	AdoptTLS bool
	// MaxTLSHandshakes is how many TLS handshakes may be in progress, 16384 unless set. Beyond it the oldest is given up.
	MaxTLSHandshakes int
	// Proxy says from whom a header of the PROXY protocol is expected ahead of everything else; by default from nobody. What it
	// tells is the connection's RemoteAddr.
	Proxy handshake.ProxyPolicy
	// Forwarding says which proxies are believed about the client, and in which field of the request they name it; by default none.
	// What they tell is the connection's Remote, and the RemoteAddr of requests that HTTP serves.
	Forwarding handshake.Forwarding

	// Limits. Zero means the default; the table is in options.go, and docs/operations.md says how to choose.
	MaxMessageBytes  int64
	MaxFragments     int
	MaxHeadBytes     int
	MaxHeaderLine    int
	MaxHeaders       int
	MaxBufferedBytes int
	MaxMemoryBytes   int64
	MaxConnections   int
	HandshakeTimeout time.Duration
	IdleTimeout      time.Duration
	PingInterval     time.Duration
	PongTimeout      time.Duration
	WriteTimeout     time.Duration
	MaxLifetime      time.Duration
	CloseTimeout     time.Duration

	// Overflow is what becomes of messages for peers that do not keep up.
	Overflow Overflow
	// PerAddress and PerPrefix limit what comes from one IPv4 address or IPv6 /64, and from
	// one IPv4 /24 or IPv6 /48. Behind a proxy they need Proxy or Forwarding, which tell clients apart.
	PerAddress, PerPrefix SourceLimits
	// MessageRate, ByteRate and ControlRate limit what one connection sends: messages, bytes of
	// frames, and pings and pongs.
	MessageRate, ByteRate, ControlRate Rate
	// OnRate is what becomes of a connection that exceeds one of them.
	OnRate RatePolicy

	// Workers, if set, is how many goroutines run callbacks at once. A callback may then block: it stalls
	// its connection only. Those of one connection still come one at a time and in order. Upgrade and Plain run on the
	// loop all the same.
	Workers int
	// MaxInFlight and MaxInFlightBytes are what may wait for a worker, or for Conn.Resume, before the
	// connection is not read any more.
	MaxInFlight, MaxInFlightBytes int
	// SlowCallback is how long a callback may hold up its loop before that is counted and
	// logged with its stack.
	SlowCallback time.Duration
	// Drain is how Shutdown closes connections.
	Drain Drain
	// Topics say what holds for messages to some topics.
	Topics []Topic
	// MaxSubscriptions is how many subscriptions a connection may have, and MaxWildcardTokens how many tokens a pattern with
	// wildcards that it subscribes to: each "*" may double what is looked at for a message, while its loop waits.
	MaxSubscriptions, MaxWildcardTokens int
	// MaxRetainedBytes is what retained messages may take: unless set, 64 MiB, or a quarter of MaxMemoryBytes if that is less. More than
	// half of MaxMemoryBytes is refused.
	MaxRetainedBytes int64
	// Bridge, if set, joins the topics of this server with those of others. BridgeGap is called, on any goroutine, when messages
	// from these may have been missed.
	Bridge    Bridge
	BridgeGap func()
	// Deflate, if not nil, agrees to permessage-deflate (RFC 7692) where a client offers it.
	Deflate *Deflate

	// Logger is told of panics; slog.Default if nil.
	Logger *slog.Logger

	mu           sync.Mutex
	driver       poller.Driver
	stack        *stack              // of which driver is the top; nil with ServeDriver
	relay        *proxydriver.Driver // of driver, or below it; nil if nobody reads PROXY headers
	began        chan struct{}       // closed when there are loops
	done         chan struct{}       // closed when Serve returns
	closed       bool                // Shutdown or Close was called
	settings     *options
	tune         func(*options) // by which tests reach what has no field
	loops        []*loop
	running      atomic.Pointer[[]*loop] // the same, for those who do not hold mu
	topics       *topics
	workers      *workers // nil if callbacks run on the loops
	sources      *sources // nil if they are not limited
	web          *web     // nil without HTTP
	budget       budget
	shuttingDown atomic.Bool
	drainTicks   atomic.Uint32 // the window of the drain
	windowBytes  atomic.Int64  // promised to connections that take context over
	live         atomic.Int64  // connections, handshakes included
	idle         chan struct{} // closed when shutting down and live has come to 0
	idleOnce     sync.Once
	protocols    atomic.Pointer[[]string]   // agreed subprotocols; sessions hold the index
	overflows    atomic.Pointer[[]Overflow] // policies of connections; sessions hold the index
	events       atomic.Pointer[[]*Events]  // Events, and those of dialed connections; sessions hold the index
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
	driver, err := s.start(listeners, nil)
	if err != nil {
		closeAll(listeners)
		return err
	}
	return s.run(driver)
}

// Start is Serve in the background: it returns once connections can come, or be opened. Without listeners
// the server only opens them. Shutdown or Close end it.
func (s *Server) Start(listeners ...net.Listener) error {
	driver, err := s.start(listeners, nil)
	if err != nil {
		closeAll(listeners)
		return err
	}
	go func() {
		if err := s.run(driver); err != ErrServerClosed {
			s.logger().Error("wsloop: the driver failed", slog.Any("error", err))
		}
	}()
	select {
	case <-s.began:
	case <-s.done: // it was closed at once
	}
	return nil
}

// run serves until the driver was stopped, and the last callback has returned.
func (s *Server) run(driver poller.Driver) error {
	defer close(s.done) // also for a driver that panics
	defer s.endTopics()
	if s.web != nil {
		go s.web.server.Serve(s.web)
		defer s.web.close()
	}
	unwatch := s.watch(s.settings.slowCallback)
	err := driver.Serve(s.addLoop)
	unwatch()
	if s.workers != nil {
		s.workers.wg.Wait()
	}
	if err != nil && !s.isClosed() {
		return err
	}
	// A driver that was stopped before it ran reports an error of its own.
	return ErrServerClosed
}

// addLoop makes the engine's side of a loop. The driver calls it for one after another, before
// any of them runs.
func (s *Server) addLoop(driver poller.Loop) poller.Handler {
	l := newLoop(s, driver)
	s.mu.Lock()
	s.loops = append(s.loops, l)
	running := slices.Clone(s.loops)
	s.running.Store(&running)
	if len(s.loops) == 1 {
		close(s.began)
	}
	s.mu.Unlock()
	return l
}

// allLoops are those that run; nil before the server has begun, and when it is over.
func (s *Server) allLoops() []*loop {
	if running := s.running.Load(); running != nil {
		return *running
	}
	return nil
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// start checks the configuration and makes the driver, with TLS if config is not nil.
func (s *Server) start(listeners []net.Listener, config *tls.Config) (poller.Driver, error) {
	settings, err := s.options()
	if err != nil {
		return nil, err
	}
	settings.policy.Secure = config != nil // a page that came without TLS is of another origin
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ready(); err != nil {
		return nil, err
	}
	s.configure(settings)
	s.stack, err = s.newStack(poller.Options{
		Loops:     s.Loops,
		ReusePort: s.ReusePort && len(listeners) >= poller.LoopCount(s.Loops),
		Meter:     &s.budget.held,
		Keep:      settings.keepBytes,
	}, config)
	if err != nil {
		return nil, err
	}
	driver := s.stack.top
	for _, ln := range listeners {
		if err := driver.AddListener(ln); err != nil {
			driver.Stop()
			return nil, err
		}
	}
	if err := s.serveWith(driver); err != nil {
		driver.Stop()
		return nil, err
	}
	return driver, nil
}

// configure makes what the loops share.
func (s *Server) configure(settings *options) {
	if s.tune != nil {
		s.tune(settings)
	}
	s.settings, s.topics = settings, settings.topics
	s.running.Store(&[]*loop{}) // what a bridge brings before the loops run can be retained
	s.events.Store(&[]*Events{&s.Events})
	if settings.routes != nil {
		s.routeEvents(settings.routes)
	}
	s.budget.most = settings.maxMemory
	s.sources = newSources(s.PerAddress, s.PerPrefix)
	if s.HTTP != nil {
		s.web = newWeb(s)
	}
	if s.Workers > 0 {
		s.workers = newWorkers(s.Workers)
	}
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
