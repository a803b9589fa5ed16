package suite

import (
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/contrib/internal/bridge"
	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
)

// Stalled has the way to the broker, or back, or both, swallow everything without a word.
func (k Kind) Stalled(t *testing.T) {
	for _, test := range []struct {
		name     string
		up, down bool
	}{
		{"up", true, false},
		{"down", false, true},
		{"both", true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := k.Start(t, 0)
			g := bridgetest.NewGate(t, s.Address())
			a, gaps := k.open(t, "a", Options{URL: g.Address(), Heartbeat: Beat, MaxQueued: 1000})
			b, got := k.open(t, "b", Options{URL: s.URL()}, "x", "*")
			Await(t, s, "b", 2)
			bridgetest.Eventually(t, "a is ready", a.Ready)
			g.Set(bridgetest.Faults{Target: s.Address(), Up: bridgetest.Way{Stalled: test.up}, Down: bridgetest.Way{Stalled: test.down}})
			began, published := time.Now(), 0
			bridgetest.Eventually(t, "it is noticed", func() bool {
				bridgetest.Publish(a, "x", published, published+100)
				published += 100
				return !a.Ready()
			})
			bridgetest.Eventually(t, "nothing is kept for later", func() bool { return a.Stats().Queued == 0 })
			t.Logf("noticed after %.1f heartbeats", float64(time.Since(began))/float64(Beat))
			g.Set(bridgetest.Faults{Target: s.Address()})
			bridgetest.Eventually(t, "the gap is told", func() bool { return gaps.Count() > 0 })
			healed := published
			bridgetest.Eventually(t, "what is published arrives again", func() bool {
				bridgetest.Publish(a, "x", published, published+1)
				published++
				return bridgetest.Number(got.Last()) >= healed
			})
			bridgetest.Eventually(t, "all is counted", func() bool { return Sum(a) == uint64(published) })
			checkArrived(t, a, b)
			bridgetest.CheckAscending(t, got.All())
		})
	}
}

// StalledIdle has nothing to send: the heartbeat notices.
func (k Kind) StalledIdle(t *testing.T) {
	s := k.Start(t, 0)
	g := bridgetest.NewGate(t, s.Address())
	b, got := k.open(t, "b", Options{URL: g.Address(), Heartbeat: Beat}, "x")
	bridgetest.Eventually(t, "ready", b.Ready)
	g.Set(bridgetest.Faults{Target: s.Address(), Down: bridgetest.Way{Stalled: true}})
	bridgetest.Eventually(t, "it is noticed", func() bool { return !b.Ready() })
	g.Set(bridgetest.Faults{Target: s.Address()})
	bridgetest.Eventually(t, "the gap is told", func() bool { return got.Last() == "gap" })
}

// StalledWrite has a message be longer than what sockets take: a client library may wait amid it, with its lock held.
func (k Kind) StalledWrite(t *testing.T) {
	const long = 32 << 20
	s := k.Start(t, long+bridge.EnvelopeBytes)
	g := bridgetest.NewGate(t, s.Address())
	b, got := k.open(t, "b", Options{URL: g.Address(), Heartbeat: Beat, MaxMessageBytes: long})
	bridgetest.Eventually(t, "ready", b.Ready)
	g.Set(bridgetest.Faults{Target: s.Address(), Up: bridgetest.Way{Stalled: true}})
	b.Publish("x", codec.OpcodeBinary, make([]byte, long))
	bridgetest.Eventually(t, "it is noticed", func() bool { return !b.Ready() })
	g.Set(bridgetest.Faults{Target: s.Address()})
	bridgetest.Eventually(t, "the gap is told", func() bool { return got.Last() == "gap" })
	if err := b.Publish("x", codec.OpcodeBinary, make([]byte, long+1)); err != k.TooLong {
		t.Error(err)
	}
	bridgetest.Eventually(t, "both are counted", func() bool { return Sum(b) == 2 })
	if st := b.Stats(); st.Carried != 0 || st.TooLong != 1 {
		t.Errorf("%+v", st)
	}
}
