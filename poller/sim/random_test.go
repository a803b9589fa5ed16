//go:build linux || darwin || freebsd

package sim

import (
	"flag"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"testing"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "run this seed of TestPromises alone, and print its trace with -v")
	seedsFlag = flag.Uint64("seeds", 2000, "number of seeds that TestPromises runs")
)

// randomOptions are the circumstances of a seed.
func randomOptions(seed uint64) Options {
	r := rand.New(rand.NewPCG(seed, 1))
	size := func() int { return 1 << r.IntN(18) }
	return Options{
		Seed: seed, Loops: 1 + r.IntN(3), ReusePort: r.IntN(2) == 0,
		Faults: RandomFaults(r), SendBuffer: size(), ReceiveBuffer: size(), Keep: size(),
		Descriptors: []int{0, 8}[r.IntN(2)],
	}
}

// TestPromises holds the promises of package poller under random scripts and faults.
func TestPromises(t *testing.T) {
	if *seedFlag != 0 {
		r := &trial{TB: t}
		o := randomOptions(*seedFlag)
		o.Trace = func(line string) { t.Log(line) }
		r.run(o, 150)
		return
	}
	seeds := *seedsFlag
	if testing.Short() {
		seeds /= 6
	}
	opened, healthy, dialed, tried, taken := 0, 0, 0, 0, 0
	seed := uint64(1)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("repeat it with: go test ./poller/sim -run 'TestPromises$' -seed %d -v", seed)
		}
	})
	for ; seed <= seeds; seed++ {
		r := &trial{TB: t}
		r.run(randomOptions(seed), 150)
		opened += r.opened
		tried += r.tried
		taken += r.taken
		for _, c := range r.clients {
			if c.conn != nil && c.healthy && c.got > 0 {
				healthy++
				if _, ok := r.w.dials[c.id]; ok {
					dialed++
				}
			}
		}
	}
	t.Logf("%d connections, %d of them echoed all, %d of those were dialed; %d calls of TryWrite took %d bytes", opened, healthy, dialed, tried, taken)
	if opened < int(seeds) || healthy < int(seeds) || dialed < int(seeds)/4 || taken < tried || tried < int(seeds) {
		t.Errorf("%d connections in %d runs, %d of them healthy and %d of those dialed: the scripts are of no use", opened, seeds, healthy, dialed)
	}
}

// TestSeedsRepeat runs seeds twice and compares all that happened.
func TestSeedsRepeat(t *testing.T) {
	hash := func(seed uint64) (sum uint64, lines int) {
		h := fnv.New64a()
		o := randomOptions(seed)
		o.Trace = func(line string) {
			io.WriteString(h, line)
			h.Write([]byte{'\n'})
			lines++
		}
		r := &trial{TB: t}
		r.run(o, 2000)
		return h.Sum64(), lines
	}
	seen := map[uint64]bool{}
	for seed := uint64(1); seed <= 5; seed++ {
		first, lines := hash(seed)
		if again, _ := hash(seed); again != first {
			t.Errorf("two runs of seed %d differ", seed)
		}
		if lines < 1000 || seen[first] {
			t.Errorf("seed %d: %d lines, as those of another seed: %v", seed, lines, seen[first])
		}
		seen[first] = true
	}
}
