package redis

import (
	"sync"
	"testing"

	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
	"github.com/wsloop/wsloop/contrib/internal/bridgetest/suite"
)

// TestHalfGone has Redis end one of the two connections, each in turn.
func TestHalfGone(t *testing.T) {
	s := start(t)
	b, got := opened(t, "b", Options{URL: s.URL()}, "x")
	for round, kind := range []string{"normal", "pubsub", "normal"} {
		suite.Await(t, s, "b", 1)
		bridgetest.Eventually(t, "ready", b.Ready)
		s.do(t, "CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
		bridgetest.Eventually(t, "the gap is told of "+kind, func() bool { return b.Stats().Gaps == uint64(round+1) })
		bridgetest.Eventually(t, "a message", func() bool {
			s.publish(t, "wsloop.x", suite.Forge(uint64(round+1), 1, kind))
			return got.Last() == "x "+kind
		})
	}
}

// TestSilentListener has only the connection that listens go silent, while messages go out over the other one.
func TestSilentListener(t *testing.T) {
	s := start(t)
	first, second := bridgetest.NewGate(t, s.path), bridgetest.NewGate(t, s.path)
	dials := 0
	var mu sync.Mutex
	b, got := opened(t, "b", Options{URL: s.URL(), Heartbeat: suite.Beat, Client: through(func() string {
		mu.Lock()
		defer mu.Unlock()
		dials++
		if dials%2 == 1 {
			return first.Address()
		}
		return second.Address()
	})}, "x")
	bridgetest.Eventually(t, "ready", b.Ready)
	second.Set(bridgetest.Faults{Target: s.path, Up: bridgetest.Way{Stalled: true}, Down: bridgetest.Way{Stalled: true}})
	bridgetest.Eventually(t, "it is noticed", func() bool {
		bridgetest.Publish(b, "y", 0, 1)
		return !b.Ready()
	})
	second.Set(bridgetest.Faults{Target: s.path})
	bridgetest.Eventually(t, "the gap is told", func() bool { return got.Last() == "gap" })
}
