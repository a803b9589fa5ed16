package nats

import (
	"slices"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
	"github.com/wsloop/wsloop/contrib/internal/bridgetest/suite"
)

func TestTooLong(t *testing.T) {
	s := start(t, func(o *server.Options) { o.MaxPayload = 1000 })
	a, _ := opened(t, "a", Options{URL: s.ClientURL()})
	_, got := opened(t, "b", Options{URL: s.ClientURL()}, "x")
	suite.Await(t, s, "b", 1)
	bridgetest.Eventually(t, "a is ready", a.Ready)
	if err := a.Publish("x", codec.OpcodeText, make([]byte, 1000-EnvelopeBytes+1)); err != ErrTooLong {
		t.Error(err)
	}
	if err := a.Publish("x", codec.OpcodeText, make([]byte, 1000-EnvelopeBytes)); err != nil {
		t.Error(err)
	}
	if err := a.Publish("bad name\r\nPUB", codec.OpcodeText, nil); err != nil {
		t.Error(err)
	}
	bridgetest.Eventually(t, "the one that is not", func() bool { return got.Count() == 1 })
	bridgetest.Eventually(t, "all are counted", func() bool { return a.Stats().Carried == 1 && a.Stats().Unsendable == 1 })
	if n := suite.Sum(a); n != 3 {
		t.Errorf("counted %d", n)
	}
}

// TestForbidden has NATS refuse a subscription, and the library another: both are told, and the rest goes on.
func TestForbidden(t *testing.T) {
	s := start(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "u", Password: "p", Permissions: &server.Permissions{
			Subscribe: &server.SubjectPermission{Allow: []string{"wsloop.open"}},
		}}}
	})
	url := "nats://u:p@" + s.Address()
	a, _ := opened(t, "a", Options{URL: url})
	b, got := opened(t, "b", Options{URL: url}, "secret", "open", "a b")
	bridgetest.Eventually(t, "both are told", func() bool { return b.Stats().Errors == 2 })
	bridgetest.Eventually(t, "a is ready", a.Ready)
	suite.Await(t, s, "b", 1)
	bridgetest.Publish(a, "secret", 0, 1)
	bridgetest.Publish(a, "open", 0, 1)
	bridgetest.Eventually(t, "the open one", func() bool { return got.Last() == "open 0" })
	if got.Count() != 1 {
		t.Errorf("%q", got.All())
	}
	wrong, _ := opened(t, "c", Options{URL: "nats://u:wrong@" + s.Address()})
	bridgetest.Eventually(t, "it goes on trying", func() bool { return wrong.Stats().Failures > 3 })
	if wrong.Ready() {
		t.Error("ready without a password")
	}
}

// TestMoves has a bridge find another server of a NATS cluster, of which the first one told.
func TestMoves(t *testing.T) {
	first := start(t, clustered())
	second := start(t, clustered(first))
	bridgetest.Eventually(t, "a cluster", func() bool { return first.NumRoutes() > 0 && second.NumRoutes() > 0 })
	a, _ := opened(t, "a", Options{URL: second.ClientURL()})
	b, got := opened(t, "b", Options{URL: first.ClientURL()}, "x", "*")
	suite.Await(t, first, "b", 2)
	// Interest spreads among the servers of NATS on its own time.
	bridgetest.Eventually(t, "over a route", func() bool {
		bridgetest.Publish(a, "x", 0, 1)
		return got.Count() > 0
	})
	first.Stop()
	suite.Await(t, second, "b", 2)
	bridgetest.Eventually(t, "the gap is told", func() bool { return slices.Contains(got.All(), "gap") })
	bridgetest.Publish(a, "x", 1, 2)
	bridgetest.Eventually(t, "what comes over the other", func() bool { return got.Last() == "x 1" })
	if st := b.Stats(); st.Late != 0 || st.Outages != 1 || st.Gaps != 1 {
		t.Errorf("%+v", st)
	}
}
