package suite

import (
	"fmt"
	"slices"
	"testing"

	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
)

// Interest has messages go to who wants them, and to nobody else. The broker is returned for what only some can tell.
func (k Kind) Interest(t *testing.T) Broker {
	s := k.Start(t, 0)
	a, fromOthers := k.open(t, "a", Options{URL: s.URL()})
	b, got := k.open(t, "b", Options{URL: s.URL()}, "news.*")
	c, nothing := k.open(t, "c", Options{URL: s.URL()}, "talk.>", "news.tomorrow")
	Await(t, s, "b", 1)
	Await(t, s, "c", 2)
	bridgetest.Eventually(t, "a is ready", a.Ready)
	bridgetest.Publish(a, "news.today", 0, 1000)
	bridgetest.Publish(a, "other", 0, 1000)
	bridgetest.Eventually(t, "1000 messages", func() bool { return got.Count() >= 1000 })
	if all := got.All(); !slices.Equal(all, bridgetest.Numbers("news.today", 0, 1000)) {
		t.Errorf("%d messages, the last is %q", len(all), got.Last())
	}
	b.Interest("news.*", false)
	Await(t, s, "b", 0)
	bridgetest.Publish(a, "news.today", 1000, 2000)
	b.Interest("news.*", true)
	b.Interest("news.*", false)
	b.Interest("end", true)
	Await(t, s, "b", 1)
	bridgetest.Publish(a, "end", 0, 1)
	bridgetest.Eventually(t, "the end", func() bool { return got.Last() == "end 0" })
	bridgetest.Eventually(t, "all is counted", func() bool { return a.Stats().Carried == 3001 && b.Stats().Received == 1001 })
	if n := fromOthers.Count() + nothing.Count(); n != 0 || got.Count() != 1001 {
		t.Errorf("%d messages that nobody wanted, %d that were", n, got.Count())
	}
	if n := Sum(a); n != 3001 {
		t.Errorf("counted %d", n)
	}
	if st := b.Stats(); st.Received != 1001 || st.Gaps != 0 || st.Outages != 0 || st.Wanted != 1 || st.Subscribed != 1 {
		t.Errorf("%+v", st)
	}
	if st := c.Stats(); st.Received+st.Unwanted+st.Refused != 0 {
		t.Errorf("the broker sent what nobody there wants: %+v", st)
	}
	return s
}

// Overlap has many patterns match: the broker sends a message once for each, and it is delivered once.
func (k Kind) Overlap(t *testing.T) {
	s := k.Start(t, 0)
	a, _ := k.open(t, "a", Options{URL: s.URL()})
	b, got := k.open(t, "b", Options{URL: s.URL()}, "x.y", "x.*", "*.y", "*.*", "x.>", ">", "*")
	Await(t, s, "b", 7)
	const n = 20000
	bridgetest.Publish(a, "x.y", 0, n)
	bridgetest.Eventually(t, "all", func() bool { return b.Stats().Received >= n })
	unwanted := uint64(0)
	if k.Globs {
		unwanted = n // for the pattern *
	}
	bridgetest.Eventually(t, "the last copy", func() bool { return b.Stats().Duplicates == 5*n && b.Stats().Unwanted == unwanted })
	if !slices.Equal(got.All(), bridgetest.Numbers("x.y", 0, n)) {
		t.Error("not each once and in order")
	}
	if st := b.Stats(); st.Received != n || st.Late != 0 || st.Overrun != 0 {
		t.Errorf("%+v", st)
	}
}

// ManyPatterns subscribes to more than fit into a round, which is 1024, and again after an outage.
func (k Kind) ManyPatterns(t *testing.T) {
	s := k.Start(t, 0)
	g := bridgetest.NewGate(t, s.Address())
	b, got := k.open(t, "b", Options{URL: g.Address()})
	const n = 2560
	for i := range n {
		b.Interest(fmt.Sprintf("p.%d.*", i), true)
	}
	Await(t, s, "b", n)
	bridgetest.Eventually(t, "confirmed", b.Ready)
	g.Set(bridgetest.Faults{})
	bridgetest.Eventually(t, "away", func() bool { return !b.Ready() })
	b.Interest("p.0.*", false)
	b.Interest("q", true)
	g.Set(bridgetest.Faults{Target: s.Address()})
	bridgetest.Eventually(t, "ready", b.Ready)
	if subs := s.Subscriptions(t, "b"); subs != n { // at once: it is not ready before
		t.Errorf("%d subscriptions", subs)
	}
	bridgetest.Eventually(t, "the gap is told", func() bool { return got.Last() == "gap" })
	a, _ := k.open(t, "a", Options{URL: s.URL()})
	bridgetest.Publish(a, "p.0.x", 0, 1)
	bridgetest.Publish(a, fmt.Sprintf("p.%d.x", n-1), 0, 1)
	bridgetest.Publish(a, "q", 0, 1)
	bridgetest.Eventually(t, "the last", func() bool { return got.Last() == "q 0" })
	if got.Count() != 3 {
		t.Errorf("%q", got.All())
	}
}
