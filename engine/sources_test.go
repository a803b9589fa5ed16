package engine

import (
	"math"
	"math/rand/v2"
	"net/netip"
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
