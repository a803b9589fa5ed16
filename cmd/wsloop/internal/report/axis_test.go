package report

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// checkAxis checks that the ticks ascend, that one can be read off, and that labels neither overlap nor leave the drawing.
func checkAxis(t *testing.T, a axis, horizontal bool) {
	t.Helper()
	if len(a.ticks) < 2 && !horizontal || len(a.ticks) == 0 || len(a.ticks) > 14 {
		t.Fatalf("%d ticks: %+v", len(a.ticks), a)
	}
	end := math.Inf(-1)
	for i, m := range a.ticks {
		if i > 0 && (m.at <= a.ticks[i-1].at || m.label == a.ticks[i-1].label) {
			t.Fatalf("ticks do not ascend: %+v", a)
		}
		if p := a.place(m.at); m.at < a.low*0.999 || m.at > a.high*1.001 || p < 0 || p > 1 {
			t.Fatalf("a tick beyond the axis: %+v", a)
		}
		width := labelWidth(m.label)
		from, to := a.place(m.at)*(plotWidth-left-right)-width/2, a.place(m.at)*(plotWidth-left-right)+width/2
		if !horizontal {
			if width > left-6 {
				t.Fatalf("the label %q is too long", m.label)
			}
			from = a.place(m.at)*(plotHeight-top-bottom) - 6
			to = from + 12
		}
		if from < end+2 {
			t.Fatalf("%q overlaps the label before it: %+v", m.label, a)
		}
		if end = to; horizontal && to > plotWidth-left {
			t.Fatalf("%q leaves the drawing: %+v", m.label, a)
		}
	}
}

func TestAxes(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for range 20000 {
		least := math.Floor(math.Pow(10, r.Float64()*9)) + 1
		most := math.Min(math.Floor(least*math.Pow(10, r.Float64()*8)), 1e13)
		u := []unit{nanos, count, rate}[r.IntN(3)]
		a := valueAxis(least, max(most, least), u, u == nanos)
		checkAxis(t, a, false)
		if most > a.high*1.0001 || least < a.low*0.9999 {
			t.Fatalf("%v to %v is not within %+v", least, most, a)
		}
		first := math.Floor(r.Float64() * 10)
		checkAxis(t, secondsAxis(first, first+math.Floor(math.Pow(10, r.Float64()*6))), true)
	}
	for n := uint64(1); n < 1e12; n = n*3/2 + 1 {
		checkAxis(t, percentileAxis(n), true)
	}
}

func TestTicks(t *testing.T) {
	labels := func(a axis) (all []string) {
		for _, m := range a.ticks {
			all = append(all, m.label)
		}
		return all
	}
	for name, c := range map[string]struct {
		got  axis
		want []string
	}{
		"nothing":           {valueAxis(math.Inf(1), 0, count, false), []string{"0", "1"}},
		"few":               {valueAxis(1, 3, count, false), []string{"0", "1", "2", "3"}},
		"thousands":         {valueAxis(1, 9000, rate, false), []string{"0", "2 k", "4 k", "6 k", "8 k", "10 k"}},
		"near":              {valueAxis(2e5, 1e6, nanos, true), []string{"0", "200 µs", "400 µs", "600 µs", "800 µs", "1 ms"}},
		"a decade":          {valueAxis(3e4, 8e5, nanos, true), []string{"20 µs", "50 µs", "100 µs", "200 µs", "500 µs", "1 ms"}},
		"two decades":       {valueAxis(1e4, 1e6, nanos, true), []string{"10 µs", "20 µs", "50 µs", "100 µs", "200 µs", "500 µs", "1 ms"}},
		"many decades":      {valueAxis(1e3, 1e7, nanos, true), []string{"1 µs", "10 µs", "100 µs", "1 ms", "10 ms"}},
		"a second":          {secondsAxis(0, 0), []string{"0", "1 s"}},
		"half a minute":     {secondsAxis(0, 30), []string{"0", "10 s", "20 s", "30 s"}},
		"ten minutes":       {secondsAxis(0, 600), []string{"0", "2 min", "4 min", "6 min", "8 min", "10 min"}},
		"a day":             {secondsAxis(0, 86400), []string{"0", "5 h", "10 h", "15 h", "20 h"}},
		"one message":       {percentileAxis(1), []string{"50%", "90%"}},
		"a thousand":        {percentileAxis(1000), []string{"50%", "90%", "99%", "99.9%"}},
		"a million":         {percentileAxis(1e6), []string{"50%", "90%", "99%", "99.9%", "99.99%", "99.9999%"}},
		"a hundred million": {percentileAxis(1e8), []string{"90%", "99%", "99.99%", "99.9999%"}},
	} {
		if got := labels(c.got); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestPathsAreInterrupted(t *testing.T) {
	p := &plot{x: axis{high: 4}, y: axis{high: 1}}
	none := math.NaN()
	got := p.path([]point{{0, 0}, {1, none}, {2, 1}, {3, 0}, {4, none}})
	if want := "M60.0 220.0h0M214.0 10.0L291.0 220.0"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
