package suite

import (
	"fmt"
	"slices"
	"testing"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
)

// Overrun has more come than is delivered: the broker sees no slow client, and the rest is in order.
func (k Kind) Overrun(t *testing.T) {
	s := k.Start(t, 0)
	a, _ := k.open(t, "a", Options{URL: s.URL()})
	b, got := k.open(t, "b", Options{URL: s.URL(), MaxQueued: 100}, "x", "*")
	release := got.Hold()
	defer release()
	Await(t, s, "b", 2)
	const n = 50000
	bridgetest.Publish(a, "x", 0, n)
	bridgetest.Eventually(t, "all has come", func() bool { return b.Stats().Duplicates == n })
	release()
	bridgetest.Eventually(t, "the last", func() bool { return got.Last() == fmt.Sprintf("x %d", n-1) })
	bridgetest.Eventually(t, "all is counted", func() bool { return b.Stats().Received+b.Stats().Overrun == n })
	st := b.Stats()
	if st.Overrun == 0 || st.Gaps == 0 || st.Outages != 0 || st.Errors != 0 {
		t.Errorf("%+v", st)
	}
	all := got.All()
	at := slices.Index(all, "gap")
	if tail := all[len(all)-100:]; at < 0 || at > len(all)-100 || !slices.Equal(tail, bridgetest.Numbers("x", n-100, n)) {
		t.Errorf("gap at %d of %d, then %q", at, len(all), tail)
	}
}

// SlowBroker reads 1 KiB a second: what waits stays within its limits, and nobody who publishes waits.
func (k Kind) SlowBroker(t *testing.T) {
	s := k.Start(t, 0)
	g := bridgetest.NewGate(t, s.Address())
	const most = 1 << 20
	a, _ := k.open(t, "a", Options{URL: g.Address(), Heartbeat: Beat, MaxQueuedBytes: most})
	bridgetest.Eventually(t, "a is ready", a.Ready)
	g.Set(bridgetest.Faults{Target: s.Address(), Up: bridgetest.Way{Rate: 1 << 10}})
	payload := make([]byte, 64<<10)
	published := 0
	bridgetest.Eventually(t, "messages are dropped or missed", func() bool {
		for range 100 {
			a.Publish("x", codec.OpcodeBinary, payload)
			published++
		}
		st := a.Stats()
		if st.QueuedBytes > most {
			t.Fatalf("%+v", st)
		}
		return st.Dropped > 100 && st.Missed > 0
	})
	g.Set(bridgetest.Faults{Target: s.Address()})
	bridgetest.Eventually(t, "all is confirmed", func() bool { return a.Ready() && a.Stats().Queued == 0 })
	bridgetest.Eventually(t, "all is counted", func() bool { return Sum(a) == uint64(published) })
}
