package engine

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/codec/deflate"
	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
)

// The limits and their defaults. Each is a field of Server; zero means the default,
// and a negative value is refused when the server starts. A timeout of Never switches a deadline off, and
// Unlimited a number.
//
//	field               default      beyond it
//	MaxMessageBytes     1 MiB        close 1009
//	MaxFragments        65,536       close 1008
//	MaxHeadBytes        16 KiB       HTTP 431, or 414 in the request line
//	MaxHeaderLine       8 KiB        HTTP 431, or 414 in the request line
//	MaxHeaders          100          HTTP 431
//	MaxBufferedBytes    4 MiB        Server.Overflow: close 1013
//	MaxMemoryBytes      1 GiB        connections that hold the most are closed with 1013
//	MaxConnections      descriptors  HTTP 503
//	PerAddress          none         HTTP 503, 429 for the rate
//	PerPrefix           none         HTTP 503, 429 for the rate
//	MessageRate         none         Server.OnRate: close 1008
//	ByteRate            none         Server.OnRate: close 1008
//	ControlRate         1,000/s      Server.OnRate: close 1008
//	Deflate.MaxRatio    none         close 1009
//	MaxInFlight         16           the connection is not read, if MaxInFlightBytes is exceeded too
//	MaxInFlightBytes    64 KiB       the connection is not read, if MaxInFlight is exceeded too, or this sixteen times
//	MaxSubscriptions    256          ErrSubscriptions
//	MaxWildcardTokens   8            *TopicError
//	MaxRetainedBytes    64 MiB       the message is sent and not retained
//	MaxTLSHandshakes    16,384       the oldest that waits for its peer is ended
//	HandshakeTimeout    10 s         HTTP 408; with TLS or a PROXY header, the TCP connection is closed
//	IdleTimeout         none         close 1001
//	PingInterval        1 min        a ping
//	PongTimeout         20 s         the TCP connection is closed
//	WriteTimeout        30 s         the TCP connection is closed
//	MaxLifetime         none         close 1001
//	CloseTimeout        5 s          the TCP connection is closed
//	SlowCallback        1 s          a line in the log
//	Deflate.MaxRatio    none         close 1009
//	Deflate.MaxWindowBytes           no context takeover is agreed; an eighth of MaxMemoryBytes
//
// MaxMemoryBytes is half of the runtime's memory limit (GOMEMLIMIT) if that is less. MaxConnections is
// what the limit on descriptors leaves: all but a sixteenth, and all but 32 at least. Beyond Deflate.MaxWindowBytes, an eighth of
// MaxMemoryBytes unless set, no context takeover is agreed. MaxRetainedBytes is a quarter of MaxMemoryBytes if that is less than 64 MiB; more
// than half of it is refused. Subscriptions take a quarter of MaxMemoryBytes at most, and with MaxRetainedBytes no more than five eighths: beyond,
// ErrMemory.
//
// Fixed: a connection gets one read of 64 KiB, or of maxReadBytes inside a long message, framesPerTurn frames and about
// inflatedPerTurn inflated bytes per turn. What
// waits in a loop's outbox for the end of the turn, for all its connections, is
// at most maxOutboxBytes or its part of an eighth of the memory budget, or one message, and what full sockets left of those that
// goroutines were just writing; what is sent beyond waits in backlogs. What pools keep for reuse is at most an eighth of the budget too.
// Of the pings that come while a connection's output is at its limit, the latest is answered
// once there is room.
const (
	DefaultMaxMessageBytes  = 1 << 20
	DefaultMaxFragments     = 1 << 16
	DefaultMaxHeadBytes     = handshake.DefaultHeadBytes
	DefaultMaxHeaderLine    = handshake.DefaultLineBytes
	DefaultMaxHeaders       = handshake.DefaultHeaderCount
	DefaultMaxBufferedBytes = 4 << 20
	DefaultMaxMemoryBytes   = 1 << 30
	DefaultControlRate      = 1000
	DefaultMaxInFlight      = 16
	DefaultMaxInFlightBytes = 64 << 10
	DefaultHandshakeTimeout = 10 * time.Second
	DefaultPingInterval     = time.Minute
	DefaultPongTimeout      = 20 * time.Second
	DefaultWriteTimeout     = 30 * time.Second
	DefaultCloseTimeout     = 5 * time.Second
	DefaultSlowCallback     = time.Second
	DefaultMaxSubscriptions = 256
	DefaultMaxRetainedBytes = 64 << 20 // or a quarter of MaxMemoryBytes
	DefaultDrainRate        = 5000

	DefaultMaxWildcardTokens = 8
)

// Unlimited, as a limit, is none.
const Unlimited = math.MaxInt

// longestTimeout is what ticks can tell from the past; longer ones are cut to it.
const longestTimeout = 365 * 24 * time.Hour

// maxOutboxBytes bounds what callbacks and goroutines can send on one loop in one turn.
const maxOutboxBytes = 256 << 20

// Each loop has the pool of the driver, that of messages and heads in pieces, and that of backlogs and
// inboxes. Each keeps so much for reuse at most.
const (
	poolsPerLoop = 3
	maxKeepBytes = 16 << 20
)

// framesPerTurn bounds what a flood of tiny frames can take of a turn.
const framesPerTurn = 1024

// ConfigError reports a field of Server that cannot be used.
type ConfigError struct {
	Field  string
	Reason string
}

// Error names the field.
func (e *ConfigError) Error() string { return fmt.Sprintf("engine: Server.%s: %s", e.Field, e.Reason) }

// options are the settings in force, the same for all loops and only read.
type options struct {
	codec            codec.Limits
	head             handshake.Limits
	policy           handshake.Policy
	forwarding       *handshake.Forwarding // nil if nobody is trusted
	maxBuffered      int
	commitBytes      int
	deflate          *deflation // nil unless messages are compressed
	routes           *routes    // nil without Server.Routes
	topics           *topics
	maxOutbox        int
	directBytes      int
	fanOutChunk      int
	maxMemory        int64
	keepBytes        int // by each pool
	maxConnections   int64
	maxInFlight      int
	maxInFlightBytes int
	rates            rates
	deadlines        deadlineTicks
	slowCallback     time.Duration // 0 for no watchdog
	httpIdle         time.Duration
	seed             uint64
	simulated        bool // by a driver that gave the seed
}

// options resolves and checks the configuration.
func (s *Server) options() (*options, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	o := &options{
		codec: codec.Limits{
			MessageBytes: uint64(orDefault(s.MaxMessageBytes, DefaultMaxMessageBytes)),
			Fragments:    uint32(orDefault(s.MaxFragments, DefaultMaxFragments)),
		},
		head:             handshake.Limits{HeadBytes: s.MaxHeadBytes, LineBytes: s.MaxHeaderLine, HeaderCount: s.MaxHeaders},
		policy:           handshake.Policy{Subprotocols: s.Subprotocols},
		maxBuffered:      orDefault(s.MaxBufferedBytes, DefaultMaxBufferedBytes),
		maxMemory:        orDefault(s.MaxMemoryBytes, defaultMemory()),
		maxConnections:   min(int64(orDefault(s.MaxConnections, DefaultMaxConnections())), math.MaxInt64/2),
		maxInFlight:      orDefault(s.MaxInFlight, DefaultMaxInFlight),
		maxInFlightBytes: orDefault(s.MaxInFlightBytes, DefaultMaxInFlightBytes),
		rates: rates{
			messages: newBucket(s.MessageRate, messageUnits),
			bytes:    newBucket(s.ByteRate, 1),
			controls: newBucket(Rate{orDefault(s.ControlRate.PerSecond, DefaultControlRate), s.ControlRate.Burst}, messageUnits),
			policy:   s.OnRate,
		},
		deadlines: deadlineTicks{
			handshake: timeoutTicks(s.HandshakeTimeout, DefaultHandshakeTimeout),
			idle:      timeoutTicks(s.IdleTimeout, Never),
			ping:      timeoutTicks(s.PingInterval, DefaultPingInterval),
			pong:      timeoutTicks(s.PongTimeout, DefaultPongTimeout),
			write:     timeoutTicks(s.WriteTimeout, DefaultWriteTimeout),
			lifetime:  timeoutTicks(s.MaxLifetime, Never),
			close:     timeoutTicks(s.CloseTimeout, DefaultCloseTimeout),
		},
		slowCallback: orDefault(s.SlowCallback, DefaultSlowCallback),
		seed:         rand.Uint64(),
	}
	loops := int64(poller.LoopCount(s.Loops))
	o.directBytes, o.fanOutChunk = directBytes, fanOutChunk
	o.httpIdle = httpIdleTimeout
	o.commitBytes = min(commitBytes, o.maxBuffered/2)
	if s.Deflate != nil {
		d, err := newDeflation(s.Deflate, int64(o.codec.MessageBytes), o.maxMemory)
		if err != nil {
			return nil, err
		}
		o.deflate, o.codec.CompressedBytes = d, deflate.MaxCompressed(o.codec.MessageBytes)
	}
	if len(s.Routes) > 0 {
		routes, err := newRoutes(s.Routes)
		if err != nil {
			return nil, err
		}
		o.routes = routes
	}
	topics, err := s.newTopics()
	if err != nil {
		return nil, err
	}
	o.topics = topics
	if !s.Forwarding.Trusted.IsEmpty() {
		o.forwarding = &s.Forwarding
	}
	o.maxOutbox = int(min(maxOutboxBytes, o.maxMemory/8/loops))
	o.keepBytes = int(min(maxKeepBytes, o.maxMemory/8/loops/poolsPerLoop))
	if o.slowCallback == Never {
		o.slowCallback = 0
	}
	if len(s.Origins) > 0 {
		origins, err := handshake.ParseOrigins(s.Origins...)
		if err != nil {
			return nil, &ConfigError{"Origins", err.Error()}
		}
		o.policy.Origins = origins
	}
	return o, nil
}

// check refuses what cannot be used.
func (s *Server) check() error {
	if s.HTTP != nil && s.Events.Plain != nil {
		return &ConfigError{"HTTP", "and Events.Plain both answer what asks for no WebSocket"}
	}
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"Loops", int64(s.Loops)},
		{"MaxMessageBytes", s.MaxMessageBytes},
		{"MaxFragments", int64(s.MaxFragments)},
		{"MaxHeadBytes", int64(s.MaxHeadBytes)},
		{"MaxHeaderLine", int64(s.MaxHeaderLine)},
		{"MaxHeaders", int64(s.MaxHeaders)},
		{"MaxBufferedBytes", int64(s.MaxBufferedBytes)},
		{"MaxMemoryBytes", s.MaxMemoryBytes},
		{"MaxConnections", int64(s.MaxConnections)},
		{"PerAddress.Connections", int64(s.PerAddress.Connections)},
		{"PerAddress.Handshakes.PerSecond", int64(s.PerAddress.Handshakes.PerSecond)},
		{"PerAddress.Handshakes.Burst", int64(s.PerAddress.Handshakes.Burst)},
		{"PerPrefix.Connections", int64(s.PerPrefix.Connections)},
		{"PerPrefix.Handshakes.PerSecond", int64(s.PerPrefix.Handshakes.PerSecond)},
		{"PerPrefix.Handshakes.Burst", int64(s.PerPrefix.Handshakes.Burst)},
		{"MessageRate.PerSecond", int64(s.MessageRate.PerSecond)},
		{"MessageRate.Burst", int64(s.MessageRate.Burst)},
		{"ByteRate.PerSecond", int64(s.ByteRate.PerSecond)},
		{"ByteRate.Burst", int64(s.ByteRate.Burst)},
		{"ControlRate.PerSecond", int64(s.ControlRate.PerSecond)},
		{"ControlRate.Burst", int64(s.ControlRate.Burst)},
		{"Workers", int64(s.Workers)},
		{"MaxInFlight", int64(s.MaxInFlight)},
		{"MaxInFlightBytes", int64(s.MaxInFlightBytes)},
		{"HandshakeTimeout", int64(s.HandshakeTimeout)},
		{"IdleTimeout", int64(s.IdleTimeout)},
		{"PingInterval", int64(s.PingInterval)},
		{"PongTimeout", int64(s.PongTimeout)},
		{"WriteTimeout", int64(s.WriteTimeout)},
		{"MaxLifetime", int64(s.MaxLifetime)},
		{"CloseTimeout", int64(s.CloseTimeout)},
		{"SlowCallback", int64(s.SlowCallback)},
		{"MaxSubscriptions", int64(s.MaxSubscriptions)},
		{"MaxWildcardTokens", int64(s.MaxWildcardTokens)},
		{"MaxRetainedBytes", s.MaxRetainedBytes},
		{"Drain.Rate", int64(s.Drain.Rate)},
		{"Drain.Window", int64(s.Drain.Window)},
	} {
		if f.value < 0 {
			return &ConfigError{f.name, "is negative"}
		}
	}
	switch {
	case uint64(s.MaxFragments) > math.MaxUint32:
		return &ConfigError{"MaxFragments", "is over 4,294,967,295"}
	case uint64(s.MaxBufferedBytes) > math.MaxInt32:
		return &ConfigError{"MaxBufferedBytes", "is over 2 GiB"}
	case s.MaxMemoryBytes > 0 && s.MaxMemoryBytes < minMemoryBytes:
		return &ConfigError{"MaxMemoryBytes", "is under 1 MiB"}
	case s.OnRate > RatePause:
		return &ConfigError{"OnRate", "is none of the policies"}
	case s.SlowCallback > 0 && s.SlowCallback < minSlowCallback:
		return &ConfigError{"SlowCallback", "is under half a second"}
	case s.Drain.Code != 0 && s.Drain.Code != codec.StatusGoingAway && s.Drain.Code != codec.StatusServiceRestart:
		return &ConfigError{"Drain.Code", "is neither 1001 nor 1012"}
	case len(s.Subprotocols) > maxProtocols:
		return &ConfigError{"Subprotocols", "are more than 255"}
	case s.Forwarding.Field != "" && s.Forwarding.Trusted.IsEmpty():
		return &ConfigError{"Forwarding", "names a field, and nobody who is trusted to write it"}
	}
	if err := s.Forwarding.Check(); err != nil {
		return &ConfigError{"Forwarding", err.Error()}
	}
	if err := handshake.CheckSubprotocols(s.Subprotocols); err != nil {
		return &ConfigError{"Subprotocols", err.Error()}
	}
	return s.Overflow.check()
}

// minMemoryBytes is what a server cannot do without.
const minMemoryBytes = 1 << 20

// timeoutTicks is a timeout in ticks, 0 for none.
func timeoutTicks(timeout, otherwise time.Duration) uint32 {
	timeout = orDefault(timeout, otherwise)
	if timeout == Never {
		return 0
	}
	return ticksOf(min(timeout, longestTimeout))
}

func orDefault[T int | int64 | time.Duration](value, otherwise T) T {
	if value == 0 {
		return otherwise
	}
	return value
}
