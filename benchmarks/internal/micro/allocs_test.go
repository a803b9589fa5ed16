package micro

import (
	"context"
	"errors"
	"maps"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// A pretender echoes so many messages each time that it is loaded.
type pretender struct {
	echoes      uint64
	counted     counts
	loads       []time.Duration
	counts      int
	loadsUntil  int // then loading fails; 0 for never
	countsUntil int // and counting
	silentFrom  int // this load on no message comes; 0 for never
}

var (
	errLoad  = errors.New("load failed")
	errCount = errors.New("count failed")
)

func (p *pretender) load(_ context.Context, d time.Duration) error {
	p.loads = append(p.loads, d)
	if len(p.loads) == p.loadsUntil {
		return errLoad
	}
	if p.silentFrom == 0 || len(p.loads) < p.silentFrom {
		p.counted.Messages += p.echoes
	}
	p.counted.Mallocs += 3
	p.counted.Cycles++
	return nil
}

func (p *pretender) count() (counts, error) {
	if p.counts++; p.counts == p.countsUntil {
		return counts{}, errCount
	}
	return p.counted, nil
}

func TestHalves(t *testing.T) {
	p := &pretender{echoes: 100, counted: counts{5000, 70, 9}}
	// 5,100 messages in 200 ms at first, or so it seems, and 100 a time from there on: a half takes three loads.
	got, err := halves(t.Context(), p, p.load, 499)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{
		record.Messages: 600, record.Mallocs: 18, record.Cycles: 6,
		record.FirstMessages: 300, record.FirstMallocs: 9, record.FirstCycles: 3,
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, d := range p.loads {
		if d != leastLoad {
			t.Errorf("load for %v", d)
		}
	}
}

// One load of the right length is enough for a half.
func TestLoadIsMeasured(t *testing.T) {
	p := &pretender{echoes: 1000}
	if _, err := halves(t.Context(), p, p.load, 10_000); err != nil {
		t.Fatal(err)
	}
	// 1,000 in 0.2 s are 5,000 in 1 s, and 1.1 times as long.
	if got, want := p.loads[1], 1100*time.Millisecond; got.Round(time.Millisecond) != want {
		t.Errorf("load for %v, want %v", got, want)
	}
}

func TestHalvesFail(t *testing.T) {
	for name, c := range map[string]struct {
		p    pretender
		want string
	}{
		"first load":       {pretender{loadsUntil: 1}, errLoad.Error()},
		"load of a half":   {pretender{loadsUntil: 2}, errLoad.Error()},
		"load of another":  {pretender{loadsUntil: 3}, errLoad.Error()},
		"first count":      {pretender{countsUntil: 1}, errCount.Error()},
		"count of a half":  {pretender{countsUntil: 2}, errCount.Error()},
		"count of another": {pretender{countsUntil: 3}, errCount.Error()},
		"silence":          {pretender{silentFrom: 2}, errNoMessage.Error()},
		"nothing at all":   {pretender{silentFrom: 1}, errNoMessage.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			c.p.echoes = 10
			_, err := halves(t.Context(), &c.p, c.p.load, 20)
			expect(t, err, c.want)
		})
	}
}

// The engine allocates for connections, and for nothing else.
func TestAllocs(t *testing.T) {
	const messages = 100_000
	samples, err := Allocs(t.Context(), module, buildLoad(t), messages)
	if err != nil {
		t.Fatal(err)
	}
	if len(samples) != 1 {
		t.Fatalf("%d samples", len(samples))
	}
	s := samples[0]
	if s.Cell.String() != "allocs/100/16/125" || s.Server != "wsloop" || s.Round != 1 || s.Attempt != 1 || !s.Kept {
		t.Errorf("%+v", s)
	}
	first, all := s.Values[record.FirstMessages], s.Values[record.Messages]
	if first < messages/2 || all < first+messages/2 {
		t.Errorf("%v messages in the first half, %v in all", first, all)
	}
	if s.Values[record.Mallocs] > all/100 {
		t.Errorf("%v objects were allocated for %v messages", s.Values[record.Mallocs], all)
	}
}

func TestAllocsFail(t *testing.T) {
	_, err := Allocs(t.Context(), t.TempDir(), "load", 1)
	expect(t, err, "go build")
	_, err = Allocs(t.Context(), module, filepath.Join(t.TempDir(), "load"), 1)
	expect(t, err, "no such file")
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "missing"))
	_, err = Allocs(t.Context(), module, "load", 1)
	expect(t, err, "missing")
}

// buildLoad builds the load generator.
func buildLoad(t *testing.T) string {
	t.Helper()
	compiler, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler")
	}
	sources, err := filepath.Glob("../../../scripts/bench/load/*.c")
	if err != nil || len(sources) == 0 {
		t.Fatalf("no sources: %v", err)
	}
	program := filepath.Join(t.TempDir(), "load")
	if out, err := exec.Command(compiler, append([]string{"-O2", "-o", program}, sources...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}
