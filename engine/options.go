package engine

import (
	"fmt"
	"math"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/handshake"
)

// The limits and their defaults. Each is a field of Server; zero means the default,
// and a negative value is refused when the server starts.
//
//	field             default    beyond it
//	MaxMessageBytes   1 MiB      close 1009
//	MaxFragments      65,536     close 1008
//	MaxHeadBytes      16 KiB     HTTP 431, or 414 in the request line
//	MaxHeaderLine     8 KiB      HTTP 431, or 414 in the request line
//	MaxHeaders        100        HTTP 431
//	MaxBufferedBytes  4 MiB      Send returns ErrBufferFull
//	HandshakeTimeout  10 s       HTTP 408
//	CloseTimeout      5 s        the TCP connection is closed
//
// Fixed: a connection gets one read of 64 KiB and framesPerTurn frames per turn. What
// waits in a loop's outbox for the end of the turn, for all its connections, is
// at most maxOutboxBytes, or one message: then Send returns ErrBufferFull. Of
// the pings that come while a connection's output is at its limit, the latest is answered
// once there is room.
//
// There is no limit on the time that an open connection is idle, or that its peer takes
// to send a message or to read what was sent.
const (
	DefaultMaxMessageBytes  = 1 << 20
	DefaultMaxFragments     = 1 << 16
	DefaultMaxHeadBytes     = handshake.DefaultHeadBytes
	DefaultMaxHeaderLine    = handshake.DefaultLineBytes
	DefaultMaxHeaders       = handshake.DefaultHeaderCount
	DefaultMaxBufferedBytes = 4 << 20
	DefaultHandshakeTimeout = 10 * time.Second
	DefaultCloseTimeout     = 5 * time.Second
)

// longestTimeout is what the loops' clock can tell from the past; longer ones are cut to it.
const longestTimeout = 20 * 24 * time.Hour

// maxOutboxBytes bounds what callbacks and goroutines can send on one loop in one turn.
const maxOutboxBytes = 256 << 20

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
	maxBuffered      uint32
	maxOutbox        int
	handshakeTimeout time.Duration
	closeTimeout     time.Duration
}

// options resolves and checks the configuration.
func (s *Server) options() (*options, error) {
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
		{"HandshakeTimeout", int64(s.HandshakeTimeout)},
		{"CloseTimeout", int64(s.CloseTimeout)},
	} {
		if f.value < 0 {
			return nil, &ConfigError{f.name, "is negative"}
		}
	}
	if uint64(s.MaxFragments) > math.MaxUint32 {
		return nil, &ConfigError{"MaxFragments", "is over 4,294,967,295"}
	}
	if uint64(s.MaxBufferedBytes) > math.MaxInt32 {
		return nil, &ConfigError{"MaxBufferedBytes", "is over 2 GiB"}
	}
	if len(s.Subprotocols) > maxProtocols {
		return nil, &ConfigError{"Subprotocols", "are more than 255"}
	}
	if err := handshake.CheckSubprotocols(s.Subprotocols); err != nil {
		return nil, &ConfigError{"Subprotocols", err.Error()}
	}
	o := &options{
		codec: codec.Limits{
			MessageBytes: uint64(orDefault(s.MaxMessageBytes, DefaultMaxMessageBytes)),
			Fragments:    uint32(orDefault(s.MaxFragments, DefaultMaxFragments)),
		},
		head:             handshake.Limits{HeadBytes: s.MaxHeadBytes, LineBytes: s.MaxHeaderLine, HeaderCount: s.MaxHeaders},
		policy:           handshake.Policy{Subprotocols: s.Subprotocols},
		maxBuffered:      uint32(orDefault(s.MaxBufferedBytes, DefaultMaxBufferedBytes)),
		maxOutbox:        maxOutboxBytes,
		handshakeTimeout: min(orDefault(s.HandshakeTimeout, DefaultHandshakeTimeout), longestTimeout),
		closeTimeout:     min(orDefault(s.CloseTimeout, DefaultCloseTimeout), longestTimeout),
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

func orDefault[T int | int64 | time.Duration](value, otherwise T) T {
	if value == 0 {
		return otherwise
	}
	return value
}
