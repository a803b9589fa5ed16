package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

var small = cellOf(100, 1, 125)

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   Spread
	}{
		{nil, Spread{}},
		{[]float64{3}, Spread{3, 3, 3, 1}},
		{[]float64{3, 1}, Spread{2, 1, 3, 2}},
		{[]float64{9, 1, 2}, Spread{2, 1, 9, 3}},
		{[]float64{4, 3, 1, 2}, Spread{2.5, 1, 4, 4}},
	} {
		if got := spreadOf(c.values); got != c.want {
			t.Errorf("%v: %+v", c.values, got)
		}
	}
	a, b := Spread{6, 4, 8, 3}, Spread{2, 1, 4, 5}
	if got := a.over(b); got != (Spread{3, 1, 8, 3}) {
		t.Errorf("%+v", got)
	}
	if a.over(Spread{}).N != 0 || (Spread{}).over(a).N != 0 || a.over(Spread{1, 0, 2, 3}).N != 0 {
		t.Error("a ratio to nothing")
	}
}

// TestRatiosWithinRounds has a machine that slows down from round to round. The median of the ratios is not the
// ratio of the medians.
func TestRatiosWithinRounds(t *testing.T) {
	f := newFile(t)
	f.add(small, "c", record.CPU, 100, 200, 400)
	f.add(small, "wsloop", record.CPU, 110, 300, 420)
	r := f.read().results[0]
	if s := r.ratio(record.CPU, "wsloop", "c"); !near(s.Median, 1.1) || !near(s.Min, 1.05) || !near(s.Max, 1.5) || s.N != 3 {
		t.Errorf("%+v", s) // the medians would give 1.5
	}
	if s := r.spread(record.CPU, "wsloop"); s != (Spread{300, 110, 420, 3}) {
		t.Errorf("%+v", s)
	}
	if s := r.ratio(record.CPU, "wsloop", "gws"); s.N != 0 {
		t.Errorf("%+v", s)
	}
}

func TestWhatCounts(t *testing.T) {
	f := newFile(t)
	values := func(v float64) map[string]float64 { return map[string]float64{record.CPU: v} }
	f.sample(record.Sample{Cell: small, Server: "c", Round: 1, Noisy: true, Values: values(999)}) // repeated
	f.sample(record.Sample{Cell: small, Server: "c", Round: 1, Attempt: 2, Kept: true, Values: values(10)})
	f.sample(record.Sample{Cell: small, Server: "c", Round: 2, Attempt: 3, Kept: true, Noisy: true, Values: values(30)})
	f.sample(record.Sample{Cell: small, Server: "gws", Round: 1, Kept: true, Error: "it ended", Values: values(1)})
	f.sample(record.Sample{Cell: small, Server: "gws", Round: 2, Kept: true, Error: "it ended"})
	f.sample(record.Sample{Cell: small, Server: "gws", Round: 2, Attempt: 2, Error: "no port"})
	f.add(small, "bun", record.CPU, 0) // nothing can be a multiple of that
	r := f.read().results[0]
	if s := r.spread(record.CPU, "c"); s != (Spread{20, 10, 30, 2}) {
		t.Errorf("%+v", s)
	}
	if s := r.ratio(record.CPU, "c", "bun"); s.N != 0 {
		t.Errorf("%+v", s)
	}
	if text := r.roundsText(); text != "2 rounds, 1 noisy" {
		t.Error(text)
	}
	if want := []failure{{"gws", "it ended", 2}, {"gws", "no port", 1}}; !slices.Equal(r.failures, want) {
		t.Errorf("%+v", r.failures)
	}
	if got := r.servers(); !slices.Equal(got, []string{"c", "bun"}) {
		t.Errorf("%q", got)
	}
}

func TestLastRunCounts(t *testing.T) {
	f := newFile(t)
	other := cellOf(1, 1, 125)
	f.add(small, "wsloop", record.CPU, 1)
	f.add(small, "gws", record.CPU, 2)
	f.add(other, "wsloop", record.CPU, 3)
	f.run("r2")
	f.add(small, "wsloop", record.CPU, 4)
	r := f.read()
	if len(r.results) != 2 || len(r.used()) != 2 {
		t.Fatalf("%d results of %d runs", len(r.results), len(r.used()))
	}
	again := r.results[1]
	if got := again.servers(); again.cell != small || !slices.Equal(got, []string{"wsloop"}) || again.spread(record.CPU, "wsloop").Median != 4 {
		t.Errorf("%v: %q", again.cell, got)
	}
	f.run("r3")
	f.add(small, "wsloop", record.CPU, 5)
	f.add(other, "wsloop", record.CPU, 6)
	if used := f.read().used(); len(used) != 1 || used[0].ID != "r3" {
		t.Errorf("%d runs", len(used))
	}
}

func TestBest(t *testing.T) {
	f := newFile(t)
	f.add(small, "gws", record.CPU, 20, 25, 900)
	f.add(small, "gorilla", record.CPU, 26, 26, 26)
	f.add(small, "bun", record.CPU, 30, 10, 10)
	f.add(small, "gnet", record.CPU, 1)
	f.add(small, "wsloop", record.PerSecond, 7)
	r := f.read().results[0]
	for _, c := range []struct {
		m     metric
		roles []record.Role
		want  string
		of    int
	}{
		{cpu, []record.Role{record.GoRival}, "gws", 2},
		{cpu, []record.Role{record.GoRival, record.Rival}, "bun", 3},
		{metric{record.CPU, nanos, true}, []record.Role{record.GoRival}, "gorilla", 2},
		{perSecond, []record.Role{record.GoRival}, "", 0},
		{cpu, []record.Role{record.Before}, "", 0},
	} {
		if got, of := r.best(c.m, c.roles...); got != c.want || of != c.of {
			t.Errorf("%+v: %q of %d", c, got, of)
		}
	}
}

func TestOrder(t *testing.T) {
	f := newFile(t)
	text, cores := small, small
	text.Text, cores.Cores = true, 2
	for _, c := range []record.Cell{
		{Scenario: record.TLS, Connections: 1},
		{Scenario: record.Collect, Connections: 1},
		cores, text, cellOf(1, 16, 125), cellOf(1, 1, 1024), small, cellOf(1, 1, 125),
		{Scenario: record.Latency, Connections: 1},
		{Scenario: record.Deflate, Bytes: 1, Takeover: true},
		{Scenario: record.Deflate, Bytes: 2},
	} {
		f.add(c, "gws", record.CPU, 1)
		f.add(c, "bun", record.CPU, 1)
		f.add(c, "gnet", record.CPU, 1)
		f.add(c, "gorilla", record.CPU, 1)
		f.add(c, "c", record.CPU, 1)
		f.add(c, "wsloop", record.CPU, 1)
	}
	r := f.read()
	var got []string
	for _, one := range r.results {
		got = append(got, one.cell.String())
	}
	want := "echo/1/1/125 echo/100/1/125 echo/1/16/125 echo/1/1/1024 echo/100/1/125/text echo/100/1/125/2cores latency/1/0/0 collect/1/0/0 deflate/0/0/2 deflate/0/0/1/takeover tls/1/0/0"
	if strings.Join(got, " ") != want {
		t.Errorf("%s", strings.Join(got, " "))
	}
	if got := strings.Join(r.results[0].servers(), " "); got != "c wsloop gorilla gws bun gnet" {
		t.Error(got)
	}
}
