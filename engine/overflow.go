package engine

import (
	"slices"
	"time"

	"github.com/wsloop/wsloop/codec"
)

// Overflow says what becomes of messages for a peer that does not read as fast as they are
// sent, once more than Server.MaxBufferedBytes would wait.
type Overflow struct {
	// Policy is what gives way.
	Policy OverflowPolicy
	// Code is that of the Close frame under OverflowClose: StatusTryAgainLater (1013) unless set.
	Code codec.StatusCode
	// TTL is how long a message may wait for its peer before it is dropped; 0 means for ever.
	// Its precision is a quarter of a second.
	TTL time.Duration
}

// OverflowPolicy is what gives way when a connection's buffer is full.
type OverflowPolicy uint8

const (
	// OverflowClose closes the connection: what waits is dropped, and Send returns ErrTooSlow.
	OverflowClose OverflowPolicy = iota
	// OverflowDropNewest refuses the new message: Send returns ErrBufferFull.
	OverflowDropNewest
	// OverflowDropOldest drops the messages that wait longest until the new one fits: of those that are under this policy or
	// OverflowKeepLatest themselves. If that is not enough, the new one is refused: ErrBufferFull.
	OverflowDropOldest
	// OverflowKeepLatest is OverflowDropOldest, and a message with a Delivery.Key takes the place of
	// the one with the same key that waits, whether the buffer is full or not.
	OverflowKeepLatest
)

// String names the policy.
func (p OverflowPolicy) String() string {
	switch p {
	case OverflowClose:
		return "close"
	case OverflowDropNewest:
		return "drop-newest"
	case OverflowDropOldest:
		return "drop-oldest"
	case OverflowKeepLatest:
		return "keep-latest"
	}
	return "unknown"
}

func (o *Overflow) check() error {
	switch {
	case o.Policy > OverflowKeepLatest:
		return &ConfigError{"Overflow.Policy", "is none of the policies"}
	case o.TTL < 0:
		return &ConfigError{"Overflow.TTL", "is negative"}
	}
	if _, err := codec.AppendClose(nil, o.code(), ""); err != nil {
		return &ConfigError{"Overflow.Code", err.Error()}
	}
	return nil
}

// drops says whether messages under this policy give way to later ones, whatever the policy of these.
func (o *Overflow) drops() bool { return o.Policy >= OverflowDropOldest }

func (o *Overflow) code() codec.StatusCode {
	if o.Code == 0 {
		return codec.StatusTryAgainLater
	}
	return o.Code
}

// maxOverflows is what one byte per session can tell apart.
const maxOverflows = 256

// overflow returns the policy with a number. 0 is the server's own.
func (s *Server) overflow(number uint8) *Overflow {
	if number == 0 {
		return &s.Overflow
	}
	return &(*s.overflows.Load())[number-1]
}

// internOverflow returns the number of a policy.
func (s *Server) internOverflow(o Overflow) (number uint8, ok bool) {
	if o == s.Overflow {
		return 0, true
	}
	for {
		known := s.overflows.Load()
		var all []Overflow
		if known != nil {
			all = *known
		}
		if i := slices.Index(all, o); i >= 0 {
			return uint8(i + 1), true
		}
		if len(all) == maxOverflows-1 {
			return 0, false
		}
		grown := append(slices.Clone(all), o)
		if s.overflows.CompareAndSwap(known, &grown) {
			return uint8(len(grown)), true
		}
	}
}
