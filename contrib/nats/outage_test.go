package nats

import (
	"fmt"
	"testing"

	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
	"github.com/wsloop/wsloop/contrib/internal/bridgetest/suite"
)

// TestSwizzle stalls servers one by one and lets them go in another order, again and again (W110): all come back with all subscriptions.
func TestSwizzle(t *testing.T) {
	s := start(t, nil)
	const nodes = 5
	var gates []*bridgetest.Gate
	var bridges []suite.Bridge
	var recorders []*bridgetest.Recorder
	for i := range nodes {
		g := bridgetest.NewGate(t, s.Address())
		b, r := opened(t, fmt.Sprint(i), Options{URL: "nats://" + g.Address(), Heartbeat: suite.Beat}, "x", fmt.Sprintf("to.%d.*", i))
		gates, bridges, recorders = append(gates, g), append(bridges, b), append(recorders, r)
	}
	for range 3 {
		for i, g := range gates {
			g.Set(bridgetest.Faults{Target: s.Address(), Up: bridgetest.Way{Stalled: i%3 != 0}, Down: bridgetest.Way{Stalled: i%3 != 1}})
			bridgetest.Publish(bridges[(i+1)%nodes], "x", 0, 100)
		}
		for _, b := range bridges {
			bridgetest.Eventually(t, "away", func() bool { return !b.Ready() })
		}
		for _, i := range []int{3, 0, 4, 2, 1} {
			gates[i].Set(bridgetest.Faults{Target: s.Address()})
			bridgetest.Publish(bridges[i], "x", 0, 100)
		}
		for i, b := range bridges {
			bridgetest.Eventually(t, "ready", b.Ready)
			suite.Await(t, s, fmt.Sprint(i), 2)
		}
	}
	for i := range nodes {
		bridgetest.Eventually(t, "the end", func() bool {
			bridgetest.Publish(bridges[(i+1)%nodes], fmt.Sprintf("to.%d.end", i), 0, 1)
			return recorders[i].Last() == fmt.Sprintf("to.%d.end 0", i)
		})
	}
}
