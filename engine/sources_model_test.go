package engine

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

type sourcesModel struct {
	limits  [2]SourceLimits
	sources map[netip.Prefix]*modelSource
}

// modelSource holds a token bucket in billionths of a token.
type modelSource struct {
	connections int
	credit      int64
	since       time.Duration
}

func (m *sourcesModel) of(addr netip.Addr, now time.Duration) (both [2]*modelSource) {
	bits := [...]int{64, 48}
	if addr = addr.Unmap(); addr.Is4() {
		bits = [...]int{32, 24}
	}
	for level, n := range bits {
		prefix := netip.PrefixFrom(addr, n).Masked()
		rate := m.limits[level].Handshakes
		c := m.sources[prefix]
		full := int64(rate.Burst) * 1e9
		if c == nil {
			c = &modelSource{credit: full, since: now}
			m.sources[prefix] = c
		}
		c.credit = min(c.credit+int64(now-c.since)*int64(rate.PerSecond), full)
		c.since = now
		both[level] = c
	}
	return both
}

func (m *sourcesModel) admit(addr netip.Addr, now time.Duration) admission {
	both := m.of(addr, now)
	for level, c := range both {
		limits := m.limits[level]
		if limits.Connections > 0 && c.connections >= limits.Connections {
			return tooManyConnections
		}
		if limits.Handshakes.PerSecond > 0 && c.credit < 1e9 {
			return tooFast
		}
	}
	return admitted
}

func (m *sourcesModel) count(addr netip.Addr, now time.Duration, connections int, tokens int64) {
	for _, c := range m.of(addr, now) {
		c.connections += connections
		c.credit -= tokens * 1e9
	}
}

// Any sequence of attempts and ends, at any times, gives what the model says, also when entries come and
// go in between; only a full table may refuse what the model admits. Afterwards nothing is left.
func TestSourcesModel(t *testing.T) {
	for seed := range uint64(100) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			sourcesAgainstModel(t, rand.New(rand.NewPCG(seed, 0)))
		})
	}
}

func sourcesAgainstModel(t *testing.T, r *rand.Rand) {
	type connection struct {
		index uint32
		addr  netip.Addr
	}
	var limits [2]SourceLimits
	for i := range limits {
		limits[i].Connections = r.IntN(8)
		if r.IntN(4) > 0 {
			// A second is a multiple of the interval, so that the model is exact.
			limits[i].Handshakes = Rate{PerSecond: []int{1, 2, 5, 8, 1000}[r.IntN(5)], Burst: 1 + r.IntN(6)}
		}
	}
	limits[r.IntN(2)].Connections = 1 + r.IntN(8)
	s, m := newSources(limits[0], limits[1]), sourcesModel{limits, make(map[netip.Prefix]*modelSource)}
	if r.IntN(2) == 0 {
		s.limit = 2 + r.IntN(8)
	}
	var open []connection
	var now time.Duration
	for step := range 2000 {
		switch r.IntN(4) {
		case 0:
			now += time.Duration(r.Int64N(int64(time.Second)))
		case 1:
			if r.IntN(50) == 0 {
				now += time.Duration(r.Int64N(int64(time.Hour)))
			}
		}
		if n := len(open); n > 0 && r.IntN(5) < 2 {
			i := r.IntN(n)
			s.release(open[i].index)
			m.count(open[i].addr, now, -1, 0)
			open[i] = open[n-1]
			open = open[:n-1]
			continue
		}
		addr := randomAddr(r)
		want := m.admit(addr, now)
		index, got := s.admit(addr, now)
		switch {
		case want == admitted && got == tableFull:
			// An attempt needs two entries at most.
			if len(s.index) < s.limit-1 {
				t.Fatalf("step %d: table full with %d entries", step, len(s.index))
			}
		case got != want:
			t.Fatalf("step %d: %v at %v: %v, want %v", step, addr, now, got, want)
		case got == admitted:
			m.count(addr, now, 1, 1)
			open = append(open, connection{index, addr})
		}
		if len(s.index) > s.limit {
			t.Fatalf("step %d: %d entries, limit %d", step, len(s.index), s.limit)
		}
	}
	for _, c := range open {
		s.release(c.index)
	}
	expectForgotten(t, s, now+time.Hour)
}

// expectForgotten fails the test when a look at every entry leaves one.
func expectForgotten(t *testing.T, s *sources, now time.Duration) {
	t.Helper()
	for range s.made {
		s.reclaim(&[sourceLevels]sourceKey{}, now)
	}
	if n := len(s.index); n != 0 {
		t.Errorf("%d entries are left", n)
	}
}

// randomAddr is one of few, so that they share prefixes.
func randomAddr(r *rand.Rand) netip.Addr {
	a, b, c := byte(r.IntN(3)), byte(r.IntN(4)), byte(r.IntN(3))
	v4 := netip.AddrFrom4([4]byte{10, 0, a, b})
	switch r.IntN(4) {
	case 0:
		return v4
	case 1:
		return netip.AddrFrom16(v4.As16())
	}
	return netip.AddrFrom16([16]byte{0x20, 1, 5: a, 7: b, 15: c})
}
