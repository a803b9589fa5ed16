package engine

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The rules, as scripts. A step is a time, an address and the verdict, or "release" and the
// number of an attempt, from 1.
func TestSources(t *testing.T) {
	for _, test := range []struct {
		name            string
		address, prefix SourceLimits
		steps           []string
	}{
		{"connections of an address", SourceLimits{Connections: 2}, SourceLimits{}, []string{
			"0s 192.0.2.1 admitted",
			"0s 192.0.2.1 admitted",
			"0s 192.0.2.1 too many connections",
			"9h 192.0.2.1 too many connections",
			"9h 192.0.2.2 admitted",
			"9h release 1",
			"9h 192.0.2.1 admitted",
			"9h 192.0.2.1 too many connections",
		}},
		{"release to zero", SourceLimits{Connections: 1}, SourceLimits{Connections: 1}, []string{
			"0s 192.0.2.1 admitted",
			"0s release 1",
			"0s 192.0.2.1 admitted",
			"0s 192.0.2.1 too many connections",
			"0s release 2",
			"0s 192.0.2.2 admitted",
		}},
		{"connections of a prefix", SourceLimits{}, SourceLimits{Connections: 2}, []string{
			"0s 192.0.2.1 admitted",
			"0s 192.0.2.255 admitted",
			"0s 192.0.2.3 too many connections",
			"0s 192.0.3.1 admitted",
			"0s release 2",
			"0s 192.0.2.3 admitted",
			"0s 192.0.2.1 too many connections",
		}},
		{"IPv4-mapped addresses", SourceLimits{Connections: 1}, SourceLimits{Connections: 2}, []string{
			"0s ::ffff:192.0.2.1 admitted",
			"0s 192.0.2.1 too many connections",
			"0s ::ffff:192.0.2.1%eth0 too many connections",
			"0s 192.0.2.2 admitted",
			"0s ::ffff:192.0.2.3 too many connections",
			"0s ::ffff:192.0.3.1 admitted",
			// Not mapped, though the upper half is zero as that of a mapped one.
			"0s ::192.0.2.1 admitted",
			"0s ::1 too many connections",
		}},
		{"an IPv6 /64", SourceLimits{Connections: 1}, SourceLimits{}, []string{
			"0s 2001:db8:1:2:: admitted",
			"0s 2001:db8:1:2:ffff:ffff:ffff:ffff too many connections",
			"0s 2001:db8:1:3:: admitted",
			"0s 2001:db8:1:3::1 too many connections",
		}},
		{"an IPv6 /48", SourceLimits{}, SourceLimits{Connections: 1}, []string{
			"0s 2001:db8:1:: admitted",
			"0s 2001:db8:1:ffff:ffff:ffff:ffff:ffff too many connections",
			"0s 2001:db8:2:: admitted",
		}},
		{"zones", SourceLimits{Connections: 1}, SourceLimits{}, []string{
			"0s fe80::1%eth0 admitted",
			"0s fe80::1%eth1 too many connections",
			"0s fe80::1 too many connections",
		}},
		// The addresses of either have the same bits, and so have the prefixes.
		{"IPv4 and IPv6 are apart", SourceLimits{Connections: 1}, SourceLimits{Connections: 1}, []string{
			"0s 192.0.0.0 admitted",
			"0s 0:0:0:c000::1 admitted",
			"0s 0:0:c000:: admitted",
			"0s 192.0.0.0 too many connections",
		}},
		{"no address", SourceLimits{Connections: 1}, SourceLimits{Connections: 1}, []string{
			"0s - admitted",
			"0s - admitted",
			"0s release 1",
			"0s 192.0.2.1 admitted",
			"0s - admitted",
		}},
		{"burst and refill", SourceLimits{Handshakes: Rate{PerSecond: 2, Burst: 3}}, SourceLimits{}, []string{
			"0s 192.0.2.1 admitted",
			"0s 192.0.2.1 admitted",
			"0s 192.0.2.1 admitted",
			"0s 192.0.2.1 too fast",
			"0s 192.0.2.2 admitted",
			"499999999ns 192.0.2.1 too fast",
			"500ms 192.0.2.1 admitted",
			"500ms 192.0.2.1 too fast",
			// No more than the burst comes together.
			"1h 192.0.2.1 admitted",
			"1h 192.0.2.1 admitted",
			"1h 192.0.2.1 admitted",
			"1h 192.0.2.1 too fast",
		}},
		{"the burst of a second", SourceLimits{}, SourceLimits{Handshakes: Rate{PerSecond: 2}}, []string{
			"0s 192.0.2.1 admitted",
			"0s 192.0.2.2 admitted",
			"0s 192.0.2.3 too fast",
			"1s 192.0.2.1 admitted",
			"1s 192.0.2.2 admitted",
			"1s 192.0.2.3 too fast",
		}},
		{"a rate below its burst", SourceLimits{Handshakes: Rate{PerSecond: 10, Burst: 1}}, SourceLimits{}, []string{
			"0s 192.0.2.1 admitted",
			"99ms 192.0.2.1 too fast",
			"100ms 192.0.2.1 admitted",
			"199ms 192.0.2.1 too fast",
			"201ms 192.0.2.1 admitted",
			"300ms 192.0.2.1 too fast",
			"301ms 192.0.2.1 admitted",
		}},
		{"an interval that is no whole number", SourceLimits{Handshakes: Rate{PerSecond: 3, Burst: 1}}, SourceLimits{}, []string{
			"0s 192.0.2.1 admitted",
			"333333333ns 192.0.2.1 too fast",
			"333333334ns 192.0.2.1 admitted",
		}},
		{"a release gives no handshake back", SourceLimits{Handshakes: Rate{PerSecond: 1}}, SourceLimits{}, []string{
			"0s 192.0.2.1 admitted",
			"0s release 1",
			"0s 192.0.2.1 too fast",
			"1s 192.0.2.1 admitted",
		}},
		{"a refusal consumes no handshake", SourceLimits{Connections: 1, Handshakes: Rate{PerSecond: 1, Burst: 2}}, SourceLimits{}, []string{
			"0s 192.0.2.1 admitted",
			"0s 192.0.2.1 too many connections",
			"0s 192.0.2.1 too many connections",
			"0s release 1",
			"0s 192.0.2.1 admitted",
			"0s release 4",
			"0s 192.0.2.1 too fast",
			"900ms 192.0.2.1 too fast",
			"1s 192.0.2.1 admitted",
		}},
		{
			"a refusal by the prefix consumes nothing of the address",
			SourceLimits{Connections: 2, Handshakes: Rate{PerSecond: 1, Burst: 2}},
			SourceLimits{Connections: 2},
			[]string{
				"0s 192.0.2.1 admitted",
				"0s 192.0.2.2 admitted",
				"0s 192.0.2.1 too many connections",
				"0s 192.0.2.1 too many connections",
				"0s release 2",
				"0s 192.0.2.1 admitted",
			},
		},
		{
			"a refusal by the address consumes nothing of the prefix",
			SourceLimits{Connections: 1},
			SourceLimits{Connections: 2, Handshakes: Rate{PerSecond: 1, Burst: 2}},
			[]string{
				"0s 192.0.2.1 admitted",
				"0s 192.0.2.1 too many connections",
				"0s 192.0.2.1 too many connections",
				"0s 192.0.2.2 admitted",
				"0s 192.0.2.3 too many connections",
				"0s release 1",
				"0s 192.0.2.3 too fast",
			},
		},
		{"a clock that jumps back", SourceLimits{Handshakes: Rate{PerSecond: 1, Burst: 2}}, SourceLimits{}, []string{
			"1000h 192.0.2.1 admitted",
			"1000h 192.0.2.1 admitted",
			"0s 192.0.2.1 too fast",
			"1s 192.0.2.1 admitted",
			"1s 192.0.2.1 too fast",
			"3s 192.0.2.1 admitted",
			"3s 192.0.2.1 admitted",
			"3s 192.0.2.1 too fast",
		}},
		{"clocks that differ", SourceLimits{Handshakes: Rate{PerSecond: 1000, Burst: 2}}, SourceLimits{}, []string{
			"100ms 192.0.2.1 admitted",
			"100ms 192.0.2.1 admitted",
			"95ms 192.0.2.1 too fast",
			"100ms 192.0.2.1 too fast",
			"95ms 192.0.2.1 too fast",
			"100ms 192.0.2.1 too fast",
			"101ms 192.0.2.1 admitted",
		}},
		{"clocks that differ, without a rate", SourceLimits{Connections: 2}, SourceLimits{}, []string{
			"100ms 192.0.2.1 admitted",
			"95ms 192.0.2.1 admitted",
		}},
		{"a clock that starts before zero", SourceLimits{Handshakes: Rate{PerSecond: 1}}, SourceLimits{}, []string{
			"-1000h 192.0.2.1 admitted",
			"-1000h 192.0.2.1 too fast",
			"-999h 192.0.2.1 admitted",
		}},
		{
			"numbers beyond any use",
			// The lower half of these bits is 1.
			SourceLimits{Connections: 1<<(strconv.IntSize-2) + 1, Handshakes: Rate{PerSecond: math.MaxInt, Burst: math.MaxInt}},
			SourceLimits{Handshakes: Rate{PerSecond: 1, Burst: math.MaxInt}},
			[]string{
				"0s 192.0.2.1 admitted",
				"0s 192.0.2.1 admitted",
				"200000h 192.0.2.1 admitted",
				"200000h 192.0.2.1 admitted",
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSources(test.address, test.prefix)
			var attempts []uint32
			for _, step := range test.steps {
				at, rest, _ := strings.Cut(step, " ")
				from, want, _ := strings.Cut(rest, " ")
				if from == "release" {
					n, err := strconv.Atoi(want)
					if err != nil {
						t.Fatal(err)
					}
					s.release(attempts[n-1])
					continue
				}
				now, err := time.ParseDuration(at)
				if err != nil {
					t.Fatal(err)
				}
				var addr netip.Addr
				if from != "-" {
					addr = netip.MustParseAddr(from)
				}
				index, verdict := s.admit(addr, now)
				if verdict.String() != want {
					t.Errorf("%q: %v", step, verdict)
				}
				if (index != 0) != (verdict == admitted && addr.IsValid()) {
					t.Errorf("%q: index %d", step, index)
				}
				attempts = append(attempts, index)
			}
		})
	}
}

// Without limits there is nothing to keep, and the nil admits.
func TestSourcesUnlimited(t *testing.T) {
	s := newSources(SourceLimits{}, SourceLimits{Handshakes: Rate{Burst: 5}})
	if s != nil {
		t.Fatal("sources without a limit")
	}
	index, verdict := s.admit(address(1), 0)
	if index != 0 || verdict != admitted {
		t.Errorf("admit: %d, %v", index, verdict)
	}
	s.release(index)
}

// A level without limits takes no room.
func TestSourcesLevels(t *testing.T) {
	limits := SourceLimits{Connections: 1}
	for _, test := range []struct {
		address, prefix SourceLimits
		entries         int
	}{
		{limits, SourceLimits{}, 10},
		{SourceLimits{}, SourceLimits{Connections: 10}, 1},
		{limits, SourceLimits{Connections: 10}, 11},
	} {
		s := newSources(test.address, test.prefix)
		for i := range 10 {
			if _, verdict := s.admit(address(i), 0); verdict != admitted {
				t.Errorf("%v, %v: %v", test.address, test.prefix, verdict)
			}
		}
		if n := len(s.index); n != test.entries {
			t.Errorf("%v, %v: %d entries, want %d", test.address, test.prefix, n, test.entries)
		}
	}
}

// An entry goes when it has no connections and its bucket is full, and not before.
func TestSourcesForget(t *testing.T) {
	s := newSources(SourceLimits{Handshakes: Rate{PerSecond: 1}}, SourceLimits{Connections: 9})
	held, _ := s.admit(address(0), 0)
	released, _ := s.admit(address(1), 0)
	s.release(released)
	for _, step := range []struct {
		now    time.Duration
		forget []uint32
		want   []int // the addresses that are left
	}{
		{time.Second - 1, nil, []int{0, 1}},
		{time.Second, nil, []int{0}},
		{time.Hour, []uint32{held}, nil},
	} {
		for _, index := range step.forget {
			s.release(index)
		}
		s.reclaim(&[sourceLevels]sourceKey{}, step.now)
		var left []int
		for i := range 2 {
			if s.index[keysOf(address(i))[addressLevel]] != 0 {
				left = append(left, i)
			}
		}
		if !slices.Equal(left, step.want) {
			t.Errorf("at %v addresses %v are left, want %v", step.now, left, step.want)
		}
		prefix := s.index[keysOf(address(0))[prefixLevel]]
		if (prefix != 0) != (len(step.want) > 0) {
			t.Errorf("at %v the prefix has the entry %d", step.now, prefix)
		}
	}
}

// A source that comes again finds its entries, though they could go as those of others do.
func TestSourcesComeAgain(t *testing.T) {
	s := newSources(SourceLimits{Connections: 1}, SourceLimits{Connections: 1})
	for _, index := range []uint32{mustAdmit(t, s, distant(0), 0), mustAdmit(t, s, address(0), 0)} {
		s.release(index)
	}
	before := maps.Clone(s.index)
	mustAdmit(t, s, address(0), time.Hour)
	if len(s.index) != sourceLevels {
		t.Errorf("%d entries are left", len(s.index))
	}
	for _, key := range keysOf(address(0)) {
		if s.index[key] != before[key] {
			t.Errorf("level %d moved from entry %d to %d", key.level, before[key], s.index[key])
		}
	}
}

// A clock that jumped back does not keep entries for as long as it jumped.
func TestSourcesForgetAfterJump(t *testing.T) {
	s := newSources(SourceLimits{Handshakes: Rate{PerSecond: 1, Burst: 5}}, SourceLimits{})
	index, _ := s.admit(address(0), 1000*time.Hour)
	s.release(index)
	for _, now := range []time.Duration{time.Second, 6 * time.Second} {
		s.reclaim(&[sourceLevels]sourceKey{}, now)
	}
	if n := len(s.index); n != 0 {
		t.Errorf("%d entries are left", n)
	}
}

// A full table has room for what is in it, and to the last entry for what is not.
func TestSourcesFull(t *testing.T) {
	for _, test := range []struct {
		name            string
		address, prefix SourceLimits
		limit           int
	}{
		{"with the prefix", SourceLimits{Connections: 2}, SourceLimits{Connections: 9}, 4},
		{"addresses only", SourceLimits{Connections: 2}, SourceLimits{}, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSources(test.address, test.prefix)
			s.limit = test.limit
			for range 2 {
				for i := range 3 {
					mustAdmit(t, s, address(i), 0)
				}
			}
			if _, verdict := s.admit(address(0), 0); verdict != tooManyConnections {
				t.Errorf("a source at its limit: %v", verdict)
			}
			if index, verdict := s.admit(address(3), 0); verdict != tableFull || index != 0 {
				t.Errorf("an unknown source: %d, %v", index, verdict)
			}
		})
	}
}

// A flood of distinct sources fills the table and no more. Those in it are served on, and what can go
// makes room for others within one look at the whole table.
func TestSourcesFlood(t *testing.T) {
	const limit, holders = 1000, 200
	rate := Rate{PerSecond: 1, Burst: limit}
	s := newSources(SourceLimits{Handshakes: rate}, SourceLimits{Handshakes: rate})
	if s.limit != maxSources {
		t.Errorf("the limit in force is %d", s.limit)
	}
	s.limit = limit
	var held []uint32
	for i := range holders {
		held = append(held, mustAdmit(t, s, address(i), 0))
	}
	full := 0
	flood := func(from, to int, now time.Duration) {
		t.Helper()
		for i := from; i < to; i++ {
			index, verdict := s.admit(distant(i), now)
			switch verdict {
			case admitted:
				s.release(index)
			case tableFull:
				full++
			default:
				t.Fatal(verdict)
			}
			if len(s.index) > limit || s.made > limit {
				t.Fatalf("%d entries of %d made", len(s.index), s.made)
			}
		}
	}
	flood(0, limit, 0)
	if want := limit - (limit-holders-1)/2; full != want {
		t.Errorf("%d refused, want %d", full, want)
	}
	s.release(mustAdmit(t, s, address(1), 0))
	if _, verdict := s.admit(distant(limit), 0); verdict != tableFull {
		t.Errorf("an unknown source: %v", verdict)
	}
	// Of what came at 0 all but the holders can go.
	const second = time.Second
	for range limit / sourcesPerAdmit {
		s.release(mustAdmit(t, s, address(0), second))
	}
	if n := len(s.index); n != holders+1 {
		t.Errorf("%d entries are left, want the holders and their prefix, %d", n, holders+1)
	}
	// From then on a source may come at any time, as long as each goes: the look is ahead of them.
	full = 0
	for i := range 10 * limit {
		flood(i, i+1, 2*second+time.Duration(i)*second/100)
	}
	if full != 0 {
		t.Errorf("%d refused of those that come and go", full)
	}
	for _, index := range held {
		s.release(index)
	}
}

func mustAdmit(t *testing.T, s *sources, addr netip.Addr, now time.Duration) uint32 {
	t.Helper()
	index, verdict := s.admit(addr, now)
	if verdict != admitted {
		t.Fatalf("%v: %v", addr, verdict)
	}
	return index
}

// address is one of 250 in a prefix.
func address(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{192, 0, 2 + byte(i/250), byte(i % 250)})
}

// distant is an address with a prefix to itself.
func distant(i int) netip.Addr {
	return netip.AddrFrom16([16]byte{0x20, 1, 2: byte(i >> 24), 3: byte(i >> 16), 4: byte(i >> 8), 5: byte(i)})
}

// sourcesModel is what sources should do, slowly: it forgets nothing.
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

// Many goroutines admit and release. No limit is exceeded at any moment, and in the end nothing is held.
func TestSourcesConcurrently(t *testing.T) {
	const perAddress, perPrefix, addresses, goroutines = 3, 5, 4, 8
	s := newSources(
		SourceLimits{Connections: perAddress, Handshakes: Rate{PerSecond: 1_000_000}},
		SourceLimits{Connections: perPrefix})
	var held [addresses]atomic.Int32
	var total, refused atomic.Int32
	var all sync.WaitGroup
	for g := range goroutines {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 1))
			var mine [4]struct {
				index uint32
				of    int
			}
			for i := range 20_000 {
				c := &mine[r.IntN(len(mine))]
				if c.index != 0 {
					held[c.of].Add(-1)
					total.Add(-1)
					s.release(c.index)
					c.index = 0
				}
				of := r.IntN(addresses)
				index, verdict := s.admit(address(of), time.Duration(i)*time.Microsecond)
				if verdict != admitted {
					refused.Add(1)
					continue
				}
				c.index, c.of = index, of
				if n := held[of].Add(1); n > perAddress {
					t.Errorf("an address holds %d", n)
				}
				if n := total.Add(1); n > perPrefix {
					t.Errorf("the prefix holds %d", n)
				}
			}
			for _, c := range mine {
				if c.index != 0 {
					held[c.of].Add(-1)
					total.Add(-1)
					s.release(c.index)
				}
			}
		})
	}
	all.Wait()
	if refused.Load() == 0 {
		t.Error("nothing was refused")
	}
	expectForgotten(t, s, time.Hour)
}

// A known source costs no allocation, whatever the verdict.
func TestSourcesAllocations(t *testing.T) {
	for _, addr := range []netip.Addr{address(0), netip.MustParseAddr("::ffff:192.0.2.1"), distant(1)} {
		s := newSources(
			SourceLimits{Connections: 2, Handshakes: Rate{PerSecond: 1000}},
			SourceLimits{Connections: 9, Handshakes: Rate{PerSecond: 1000}})
		now := time.Duration(0)
		held := mustAdmit(t, s, addr, now)
		n := testing.AllocsPerRun(1000, func() {
			now += time.Millisecond
			index, verdict := s.admit(addr, now)
			if verdict != admitted {
				t.Fatal(verdict)
			}
			if _, verdict := s.admit(addr, now); verdict != tooManyConnections {
				t.Fatal(verdict)
			}
			s.release(index)
		})
		if n != 0 {
			t.Errorf("%v: %v allocations", addr, n)
		}
		s.release(held)
	}
}

func TestAdmissionString(t *testing.T) {
	for a, want := range []string{"admitted", "too many connections", "too fast", "table full", "unknown"} {
		if got := admission(a).String(); got != want {
			t.Errorf("%d: %q, want %q", a, got, want)
		}
	}
}

// BenchmarkSources admits and releases one connection: of few addresses, and of ever new ones
// that find a table of a hundred thousand.
func BenchmarkSources(b *testing.B) {
	limits := SourceLimits{Connections: 1 << 20, Handshakes: Rate{PerSecond: 1 << 20}}
	round := func(b *testing.B, s *sources, addr func(i int) netip.Addr) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			index, verdict := s.admit(addr(i), time.Duration(i)*time.Microsecond)
			if verdict != admitted {
				b.Fatal(verdict)
			}
			s.release(index)
		}
	}
	b.Run("known", func(b *testing.B) {
		round(b, newSources(limits, limits), func(i int) netip.Addr { return address(i % 64) })
	})
	b.Run("new", func(b *testing.B) {
		s := newSources(limits, limits)
		for i := range 50_000 {
			if _, verdict := s.admit(distant(-1-i), 0); verdict != admitted {
				b.Fatal(verdict)
			}
		}
		round(b, s, distant)
	})
}
