package suite

import (
	"testing"
	"time"

	"github.com/wsloop/wsloop/contrib/internal/bridge"
	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
	"github.com/wsloop/wsloop/engine"
)

// Kind is one kind of bridge, and the broker it needs.
type Kind struct {
	// Start runs a broker until the end of the test. It takes messages of so many bytes at least, whatever it does by itself if 0.
	Start func(t *testing.T, messageBytes int) Broker
	// New makes a bridge that is not open. It waits for the broker for bridgetest.Patience if there is no Heartbeat: a busy machine is
	// no outage. MaxBackoff and CloseTimeout are Backoff and CloseTimeout if 0.
	New func(t *testing.T, o Options) Bridge

	Away, Closed, TooLong error    // of Bridge.Publish
	Globs                 bool     // a subscription takes in more than its pattern, such as x.y for *
	Echoes                bool     // the broker sends messages also to who published them
	OddNames              []string // that no topic can have, but that the broker carries
}

// Broker is one that runs. Errors fail the test.
type Broker interface {
	URL() string     // for Options
	Address() string // for bridgetest.Faults
	Stop()           // at once; what is connected is cut off
	// Subscriptions are how many it has of a bridge, by its name.
	Subscriptions(t *testing.T, name string) int
	// Publish injects a message, as somebody who is no bridge. What it injects stays in order.
	Publish(t *testing.T, name, data string)
}

// Bridge is one that is tested.
type Bridge interface {
	engine.Bridge
	Ready() bool
	Stats() bridge.Stats
	Origin() uint64 // see bridge.Bridge
}

// Options are those of all bridges that the suite needs. URL may be a host and port alone.
type Options struct {
	URL, Name                                  string
	MaxMessageBytes, MaxQueued, MaxQueuedBytes int
	Heartbeat, MaxBackoff, CloseTimeout        time.Duration
}

const (
	// Beat is the heartbeat of bridges in tests in which the broker goes silent.
	Beat = 100 * time.Millisecond
	// Backoff and CloseTimeout are those of bridges in tests that do not say.
	Backoff      = 200 * time.Millisecond
	CloseTimeout = 100 * time.Millisecond
)

// open makes a bridge and opens it, and closes it at the end of the test.
func (k Kind) open(t *testing.T, name string, o Options, patterns ...string) (Bridge, *bridgetest.Recorder) {
	t.Helper()
	o.Name = name
	b := k.New(t, o)
	return b, bridgetest.Open(t, b, patterns...)
}

// Await waits until a broker has as many subscriptions of a bridge, by its name.
func Await(t *testing.T, s Broker, name string, want int) {
	t.Helper()
	bridgetest.Eventually(t, "subscriptions of "+name, func() bool { return s.Subscriptions(t, name) == want })
}

// Sum is how many messages that were published here are counted.
func Sum(b Bridge) uint64 {
	s := b.Stats()
	return s.Carried + s.Unconfirmed + s.Missed + s.Dropped + s.TooLong + s.Unsendable
}

// checkArrived waits until b has everything that a alone has published and counts as carried, and checks that it has nothing else but what a
// counts as unconfirmed.
func checkArrived(t *testing.T, a, b Bridge) {
	t.Helper()
	bridgetest.Eventually(t, "what is carried has arrived", func() bool { return b.Stats().Received >= a.Stats().Carried })
	if st, sb := a.Stats(), b.Stats(); sb.Received > st.Carried+st.Unconfirmed {
		t.Errorf("%+v arrived: %+v", sb, st)
	}
}
