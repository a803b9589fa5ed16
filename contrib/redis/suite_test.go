package redis

import (
	"cmp"
	"log/slog"
	"testing"

	client "github.com/redis/rueidis"

	"github.com/wsloop/wsloop/contrib/internal/bridge"
	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
	"github.com/wsloop/wsloop/contrib/internal/bridgetest/suite"
)

var kind = suite.Kind{
	Start: startFor, New: newTested, Away: ErrAway, Closed: ErrClosed, TooLong: ErrTooLong,
	Globs: true, Echoes: true, OddNames: []string{"a..b", "a\r\nb.\xff"}, // an empty token, no UTF-8
}

// TestInterest asks Redis, too, to whom it sends.
func TestInterest(t *testing.T) {
	s := kind.Interest(t).(*server)
	for channel, want := range map[string]int64{"wsloop.other": 0, "wsloop.news.today": 0, "wsloop.talk.a": 1, "wsloop.end": 1} {
		if n := s.publish(t, channel, "x"); n != want {
			t.Errorf("Redis sent %s to %d", channel, n)
		}
	}
}

func TestNodes(t *testing.T)         { kind.Nodes(t) }
func TestOverlap(t *testing.T)       { kind.Overlap(t) }
func TestManyPatterns(t *testing.T)  { kind.ManyPatterns(t) }
func TestOrder(t *testing.T)         { kind.Order(t) }
func TestLate(t *testing.T)          { kind.Late(t) }
func TestOverrun(t *testing.T)       { kind.Overrun(t) }
func TestSlowRedis(t *testing.T)     { kind.SlowBroker(t) }
func TestRefused(t *testing.T)       { kind.Refused(t) }
func TestAccounts(t *testing.T)      { kind.Accounts(t) }
func TestRedisDies(t *testing.T)     { kind.BrokerDies(t) }
func TestStartsWithout(t *testing.T) { kind.StartsWithout(t) }
func TestStalled(t *testing.T)       { kind.Stalled(t) }
func TestStalledIdle(t *testing.T)   { kind.StalledIdle(t) }
func TestStalledWrite(t *testing.T)  { kind.StalledWrite(t) }
func TestCloseSends(t *testing.T)    { kind.CloseSends(t) }
func TestCloseDelivers(t *testing.T) { kind.CloseDelivers(t) }
func TestCloseAway(t *testing.T)     { kind.CloseAway(t) }
func TestNodesAlone(t *testing.T)    { kind.NodesAlone(t) }
func TestNodesForeign(t *testing.T)  { kind.NodesForeign(t) }

// made makes a bridge as suite.Kind wants it.
func made(t *testing.T, o Options) *Bridge {
	t.Helper()
	if o.Heartbeat == 0 {
		o.Heartbeat = bridgetest.Patience
		under := o.Client
		o.Client = func(c *client.ClientOption) {
			c.Dialer.Timeout = bridgetest.Patience
			if under != nil {
				under(c)
			}
		}
	}
	o.MaxBackoff, o.CloseTimeout = cmp.Or(o.MaxBackoff, suite.Backoff), cmp.Or(o.CloseTimeout, suite.CloseTimeout)
	o.Logger = slog.New(slog.DiscardHandler)
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// tested is a Bridge as the suite sees it.
type tested struct{ *Bridge }

func (b tested) Stats() bridge.Stats { return bridge.Stats(b.Bridge.Stats()) }

func (b tested) Origin() uint64 { return b.common.Origin() }

func newTested(t *testing.T, o suite.Options) suite.Bridge {
	t.Helper()
	return tested{made(t, Options{
		URL: o.URL, Name: o.Name, MaxMessageBytes: o.MaxMessageBytes, MaxQueued: o.MaxQueued, MaxQueuedBytes: o.MaxQueuedBytes,
		Heartbeat: o.Heartbeat, MaxBackoff: o.MaxBackoff, CloseTimeout: o.CloseTimeout,
	})}
}

// opened makes a bridge and opens it, and closes it at the end of the test.
func opened(t *testing.T, name string, o Options, patterns ...string) (suite.Bridge, *bridgetest.Recorder) {
	t.Helper()
	o.Name = name
	b := made(t, o)
	return tested{b}, bridgetest.Open(t, b, patterns...)
}
