package engine

import (
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"
)

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
