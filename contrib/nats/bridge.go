package nats

import (
	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/contrib/internal/bridge"
	"github.com/wsloop/wsloop/engine"
)

// Errors of Publish. The message was dropped and counted.
var (
	ErrAway    = bridge.ErrAway
	ErrClosed  = bridge.ErrClosed
	ErrTooLong = bridge.ErrTooLong
)

// EnvelopeBytes is what stands before the payload of a message in NATS:
//
//	version (1 byte), opcode (1), origin (8), sequence (8), big endian
const EnvelopeBytes = bridge.EnvelopeBytes

// Bridge is an engine.Bridge over NATS. It may be opened once.
type Bridge struct {
	common *bridge.Bridge
}

var _ engine.Bridge = (*Bridge)(nil)

// New makes a bridge. It does not connect before Open. The error is one of the options.
func New(options Options) (*Bridge, error) {
	common, err := options.common()
	if err != nil {
		return nil, err
	}
	if _, err := options.connection(); err != nil {
		return nil, err
	}
	b := &broker{options: options, prefix: common.Prefix}
	b.bridge = bridge.New(common, b)
	return &Bridge{b.bridge}, nil
}

// Open implements engine.Bridge. NATS need not be there.
func (b *Bridge) Open(r engine.BridgeReceiver) error { return b.common.Open(r) }

// Ready says whether messages go both ways now: NATS is there, and has confirmed all subscriptions that were wanted when it came
// back. It is meant for a readiness probe: local traffic does not depend on it. Any goroutine; it never waits.
func (b *Bridge) Ready() bool { return b.common.Ready() }

// Interest implements engine.Bridge.
func (b *Bridge) Interest(pattern string, wanted bool) { b.common.Interest(pattern, wanted) }

// Publish implements engine.Bridge. The error is ErrAway, ErrTooLong or ErrClosed.
func (b *Bridge) Publish(name string, op codec.Opcode, payload []byte) error {
	return b.common.Publish(name, op, payload)
}

// Close implements engine.Bridge. It sends what is queued if NATS takes it within Options.CloseTimeout; the error says what was lost.
// It must not be called by the receiver's Deliver or Gap.
func (b *Bridge) Close() error { return b.common.Close() }

// Stats reads the counters. Any goroutine.
func (b *Bridge) Stats() Stats { return Stats(b.common.Stats()) }

// Stats count what a Bridge has done since it was opened.
type Stats struct {
	Ready       bool // see Bridge.Ready
	Wanted      int  // patterns that connections of this server want
	Subscribed  int  // patterns whose subscription NATS has confirmed
	Queued      int  // messages that wait to be sent
	QueuedBytes int  // their names, envelopes and payloads, and what it takes to queue them

	// What became of messages that were published here. Each is counted once.
	Carried     uint64 // NATS has confirmed them
	Unconfirmed uint64 // the connection broke before NATS confirmed them: they may have arrived
	Missed      uint64 // NATS was away, or the bridge was closed
	Dropped     uint64 // the oldest, because more were published than NATS took
	TooLong     uint64 // beyond Options.MaxMessageBytes or what NATS takes
	Unsendable  uint64 // refused by the client library

	// What became of messages that came. Each is counted once.
	Received   uint64 // delivered
	Unwanted   uint64 // not behind Options.Prefix
	Duplicates uint64 // several subscriptions matched
	Late       uint64 // came behind younger ones of their server
	Echoes     uint64 // our own
	Refused    uint64 // not a valid envelope, too long, or refused by the server they were brought to
	Overrun    uint64 // the oldest, because more came than could be delivered

	Outages  uint64 // times that NATS could not be reached any more, or not at first
	Gaps     uint64 // times that Gap was called
	Failures uint64 // attempts to connect that failed
	Errors   uint64 // that NATS told, such as a lack of permission to subscribe
}
