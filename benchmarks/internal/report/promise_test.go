package report

import (
	"strings"
	"testing"

	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// promised returns the promise whose text begins so.
func promised(t *testing.T, r *Report, prefix string) *Promise {
	t.Helper()
	var found *Promise
	promises := r.Promises()
	for i := range promises {
		if strings.HasPrefix(promises[i].What, prefix) {
			if found != nil && len(found.What) <= len(promises[i].What) {
				continue
			}
			found = &promises[i]
		}
	}
	if found == nil {
		t.Fatalf("no promise %q", prefix)
	}
	return found
}

// finding returns what was found about a promise in a cell.
func (p *Promise) finding(t *testing.T, c record.Cell) *Finding {
	t.Helper()
	for i := range p.Findings {
		if p.Findings[i].Cell == c {
			return &p.Findings[i]
		}
	}
	t.Fatalf("%s says nothing about %s", p.What, c)
	return nil
}

// promiseCase is a promise that is put to the test in one cell.
type promiseCase struct {
	what   string
	cell   record.Cell
	name   string // of the value
	other  string // the server that ours is compared with, which has 1000; none for ""
	bound  float64
	strict bool // the bound itself is not enough
	more   bool
}

var promiseCases = []promiseCase{
	{"CPU per echoed message, up to 1 KiB, one", cellOf(1, 1, 125), record.CPU, "c", 1050, false, false},
	{"CPU per echoed message, up to 1 KiB, one", cellOf(10_000, 1, 1024), record.CPU, "c", 1050, false, false},
	{"CPU per echoed message, up to 1 KiB, sixteen", cellOf(1000, 16, 125), record.CPU, "c", 1150, false, false},
	{"CPU per echoed message of 16 KiB", cellOf(100, 1, 16384), record.CPU, "c", 1200, false, false},
	{"CPU per echoed message of 1 MiB", cellOf(10, 1, 1<<20), record.CPU, "c", 1300, false, false},
	{"CPU per echoed message of 1 MiB, beside", cellOf(10, 1, 1<<20), record.CPU, "bun", 1000, true, false},
	{"CPU per echoed message of 1 MiB, beside", cellOf(10, 1, 1<<20), record.CPU, "gws", 1000, true, false},
	{"throughput at 1 MiB", cellOf(10, 1, 1<<20), record.PerSecond, "gws", 1000, true, true},
	{"throughput, beside the best rival in Go", cellOf(1000, 1, 125), record.PerSecond, "gws", 1200, false, true},
	{"throughput, beside Bun", cellOf(1000, 1, 125), record.PerSecond, "bun", 1000, true, true},
	{"p99 at half", record.Cell{Scenario: record.Latency, Connections: 1000, Bytes: 125}, record.P99, "bun", 1000, false, false},
	{"p99.9 at half", record.Cell{Scenario: record.Latency, Connections: 1000, Bytes: 125}, record.P999, "gorilla", 1000, false, false},
	{"resident memory per idle connection", record.Cell{Scenario: record.Idle, Connections: 18_000}, record.Opened, "", 128, false, false},
	{"resident memory per idle connection, after", record.Cell{Scenario: record.Idle, Connections: 18_000}, record.Echoed, "", 128, false, false},
	{"a GC cycle", record.Cell{Scenario: record.Collect, Connections: 1_000_000}, record.CycleTime, "", 20e6, false, false},
	{"CPU per connection that comes", record.Cell{Scenario: record.Churn, Connections: 100}, record.CPU, "c", 1300, false, false},
	{"CPU per connection that comes, echoes and goes, beside", record.Cell{Scenario: record.Churn, Connections: 100}, record.CPU, "gws", 1000, true, false},
	{"CPU per compressed message", record.Cell{Scenario: record.Deflate, Connections: 100, Outstanding: 1, Bytes: 512}, record.CPU, "bun", 1000, true, false},
	{"CPU per compressed message", record.Cell{Scenario: record.Deflate, Connections: 100, Outstanding: 1, Bytes: 64 << 10}, record.CPU, "gws", 1000, true, false},
	{"CPU per message over TLS, beside Bun", record.Cell{Scenario: record.TLS, Connections: 100, Outstanding: 1, Bytes: 125}, record.CPU, "bun", 1200, false, false},
	{"CPU per message over TLS, beside the best rival in Go", record.Cell{Scenario: record.TLS, Connections: 100, Outstanding: 1, Bytes: 16 << 10}, record.CPU, "gws", 1000, true, false},
	{"broadcast deliveries per second, beside the best", record.Cell{Scenario: record.Broadcast, Connections: 15_000, Outstanding: 16, Bytes: 125}, record.PerSecond, "gws", 1500, false, true},
	{"broadcast deliveries per second, beside Bun", record.Cell{Scenario: record.Broadcast, Connections: 15_000, Outstanding: 16, Bytes: 125}, record.PerSecond, "bun", 1000, true, true},
	{"mask, from 4 KiB up", record.Cell{Scenario: record.Mask, Bytes: 4096}, record.BytesPerS, "memmove", 900, false, true},
	{"mask, beside", record.Cell{Scenario: record.Mask, Bytes: 128}, record.BytesPerS, "gorilla", 1000, true, true},
}

// TestBounds tries each promise at its bound, and at both sides of it.
func TestBounds(t *testing.T) {
	tried := make(map[string]bool)
	for _, c := range promiseCases {
		for _, v := range []float64{c.bound * 0.999, c.bound, c.bound * 1.001} {
			f := newFile(t)
			f.add(c.cell, "wsloop", c.name, v)
			if c.other != "" {
				f.add(c.cell, c.other, c.name, 1000)
			}
			want := Broken
			if v == c.bound && !c.strict || v > c.bound && c.more || v < c.bound && !c.more {
				want = Holds
			}
			r := f.read()
			p := promised(t, r, c.what)
			if got := p.finding(t, c.cell); got.Status != want {
				t.Errorf("%s, %v of %v: %s", p.What, v, c.bound, got.Status)
			}
			tried[p.What] = true
			if v == c.bound && c.other != "" {
				// Without the other there is nothing to say.
				f := newFile(t)
				f.add(c.cell, "wsloop", c.name, v)
				if got := promised(t, f.read(), c.what).finding(t, c.cell); got.Status != NotMeasured || got.Note != "nothing to compare with" {
					t.Errorf("%s without %s: %+v", p.What, c.other, got)
				}
			}
		}
	}
	for _, other := range []string{"growth", "allocations", "GC cycles"} {
		tried[promised(t, &Report{}, other).What] = true
	}
	if len(tried) != len(targets) {
		t.Errorf("%d promises of %d were tried", len(tried), len(targets))
	}
}

func TestAboutOtherCells(t *testing.T) {
	f := newFile(t)
	for _, c := range []record.Cell{
		{Scenario: record.Idle, Connections: 17_999},
		{Scenario: record.Collect, Connections: 1000},
		{Scenario: record.Mask, Bytes: 64},
		{Scenario: record.Deflate, Connections: 100, Outstanding: 1, Bytes: 512, Takeover: true},
	} {
		f.add(c, "wsloop", record.Opened, 1)
	}
	for _, p := range f.read().Promises() {
		if p.Status != NotMeasured {
			t.Errorf("%s: %s", p.What, p.Status)
		}
		for _, f := range p.Findings {
			if f.Cell.Connections == 17_999 || f.Cell.Connections == 1000 && f.Cell.Scenario == record.Collect || f.Cell.Scenario == record.Mask && f.Cell.Bytes == 64 || f.Cell.Takeover {
				t.Errorf("%s is about %s", p.What, f.Cell)
			}
		}
	}
}

// TestNoRoom has a client that is the limit: C itself is only 1.1 times as fast as the best in Go.
func TestNoRoom(t *testing.T) {
	for _, c := range []struct {
		ours, limit float64
		want        Status
		note        string
	}{
		{1050, 1100, NoRoom, "gws, best of 2; c itself has 1.10"},
		{1250, 1100, Holds, "gws, best of 2"},
		{1150, 1200, Broken, "gws, best of 2"},
		{1150, 0, Broken, "gws, best of 2"},
	} {
		f := newFile(t)
		f.add(small, "gws", record.PerSecond, 1000)
		f.add(small, "gorilla", record.PerSecond, 990)
		f.add(small, "wsloop", record.PerSecond, c.ours)
		if c.limit > 0 {
			f.add(small, "c", record.PerSecond, c.limit)
		}
		p := promised(t, f.read(), "throughput, beside the best rival in Go")
		if where := p.Where(); (where == "0 of 11, 11 not measured, no room in 1") != (c.want == NoRoom) {
			t.Error(where)
		}
		if got := p.finding(t, small); got.Status != c.want || got.Note != c.note {
			t.Errorf("%+v: %+v", c, got)
		}
	}
}

// TestAside has C broadcast faster than all, and slower than ours. It is no rival, and what it reaches decides nothing.
func TestAside(t *testing.T) {
	cell := record.Cell{Scenario: record.Broadcast, Connections: 1000, Outstanding: 16, Bytes: 125, Cores: 1}
	for _, c := range []struct {
		ours, limit float64
		want        Status
		note        string
	}{
		{1400, 1450, Broken, "gws, best of 2; c itself has 1.45"},
		{1400, 1300, Broken, "gws, best of 2; c itself has 1.30"},
		{1600, 3000, Holds, "gws, best of 2; c itself has 3.00"},
		{1600, 0, Holds, "gws, best of 2"},
		{0, 3000, NotMeasured, "nothing to compare with"},
	} {
		f := newFile(t)
		f.add(cell, "gorilla", record.PerSecond, 900)
		f.add(cell, "gws", record.PerSecond, 1000)
		if c.ours > 0 {
			f.add(cell, "wsloop", record.PerSecond, c.ours)
		}
		if c.limit > 0 {
			f.add(cell, "c", record.PerSecond, c.limit)
		}
		if got := promised(t, f.read(), "broadcast deliveries per second, beside the best").finding(t, cell); got.Status != c.want || got.Note != c.note {
			t.Errorf("%+v: %+v", c, got)
		}
	}
}

func TestGrowth(t *testing.T) {
	grown := cellOf(10_000, 1, 125)
	f := newFile(t)
	f.add(cellOf(1000, 1, 125), "c", record.CPU, 100, 100, 100)
	f.add(cellOf(1000, 1, 125), "wsloop", record.CPU, 100, 110, 120)
	f.add(grown, "c", record.CPU, 200, 200, 200)
	f.add(grown, "wsloop", record.CPU, 220, 242, 264)
	p := promised(t, f.read(), "growth")
	got := p.finding(t, grown) // 1.21 at 10,000 over 1.1 at 1,000; 1.1 over 1.2, and 1.32 over 1
	if !near(got.Value.Median, 1.1) || !near(got.Value.Min, 1.1/1.2) || !near(got.Value.Max, 1.32) || p.Status != Holds || len(p.Findings) != 1 {
		t.Errorf("%+v", p)
	}
	f = newFile(t)
	f.add(grown, "c", record.CPU, 1)
	f.add(grown, "wsloop", record.CPU, 1)
	if got := promised(t, f.read(), "growth").finding(t, grown); got.Status != NotMeasured || got.Note != "1,000 connections were not measured" {
		t.Errorf("%+v", got)
	}
}

func TestAllocations(t *testing.T) {
	cell := record.Cell{Scenario: record.Allocs, Connections: 100, Outstanding: 16, Bytes: 125, Cores: 1}
	for _, c := range []struct {
		messages, mallocs, cycles float64
		allocs, collected         Status
		note                      string
	}{
		{10e6, 1000, 5, Holds, Holds, ""},
		{20e6, 2000, 10, Holds, Holds, ""},
		{10e6, 1001, 6, Broken, Broken, ""},
		{1e6, 0, 0, NotMeasured, NotMeasured, "only 1,000,000 messages"},
	} {
		f := newFile(t)
		f.sample(record.Sample{Cell: cell, Server: "wsloop", Round: 1, Kept: true, Values: map[string]float64{
			record.Messages: c.messages, record.Mallocs: c.mallocs, record.Cycles: c.cycles,
		}})
		r := f.read()
		allocs, collected := promised(t, r, "allocations"), promised(t, r, "GC cycles")
		if allocs.Status != c.allocs || collected.Status != c.collected || allocs.finding(t, cell).Note != c.note || len(allocs.Findings) != 1 {
			t.Errorf("%+v: %+v %+v", c, allocs, collected)
		}
	}
}

// TestStatus has a promise about three cells of which one, two and three are measured.
func TestStatus(t *testing.T) {
	sixteen, text, two := cellOf(1000, 16, 125), cellOf(1000, 16, 1024), cellOf(1000, 16, 125)
	two.Cores = 2 // 1024 bytes with sixteen in flight is not demanded, and counts nevertheless
	f := newFile(t)
	const what = "CPU per echoed message, up to 1 KiB, sixteen"
	if p := promised(t, &Report{}, what); p.Status != NotMeasured || p.Worst() != nil || p.Where() != "0 of 2, 2 not measured" {
		t.Errorf("%+v %s", p, p.Where())
	}
	check := func(status Status, where string, worst record.Cell) {
		t.Helper()
		p := promised(t, f.read(), what)
		if p.Status != status || p.Where() != where || p.Worst().Cell != worst {
			t.Errorf("%s, %s, worst %s", p.Status, p.Where(), p.Worst().Cell)
		}
	}
	add := func(c record.Cell, ours float64) {
		f.add(c, "c", record.CPU, 100)
		f.add(c, "wsloop", record.CPU, ours)
	}
	add(sixteen, 103)
	check(Partly, "1 of 2, 1 not measured", sixteen)
	add(two, 105)
	check(Holds, "2 of 2", two)
	add(text, 120)
	check(Broken, "2 of 3", text)
	if rows := brokenTable(f.read().Promises()).Rows; len(rows) != 1 || rows[0][2] != "1.20" || rows[0][3] != "1,000 connections, 16 in flight, 1 KiB" {
		t.Errorf("%q", rows)
	}
	if p := promised(t, f.read(), what); p.Bound != "at most 1.15 × the C echo" || p.Reason == "" {
		t.Errorf("%+v", p)
	}
	if got := status([]Finding{{Status: NoRoom}, {Status: NotMeasured}}); got != NoRoom {
		t.Error(got)
	}
	if got := status([]Finding{{Status: NoRoom}}); got != NoRoom {
		t.Error(got)
	}
}

// TestWorstOfMore has the least as the worst where more is better.
func TestWorstOfMore(t *testing.T) {
	f := newFile(t)
	for _, c := range []struct {
		cell record.Cell
		ours float64
	}{{cellOf(1, 1, 125), 150}, {small, 125}, {cellOf(1000, 1, 125), 170}} {
		f.add(c.cell, "gws", record.PerSecond, 100)
		f.add(c.cell, "wsloop", record.PerSecond, c.ours)
	}
	p := promised(t, f.read(), "throughput, beside the best rival in Go")
	if worst := p.Worst(); worst.Cell != small || p.Status != Partly {
		t.Errorf("%s: %+v", p.Status, worst)
	}
}

func TestNoisyFindings(t *testing.T) {
	f := newFile(t)
	for server, v := range map[string]float64{"c": 100, "gws": 50, "wsloop": 99} {
		for round := 1; round <= 3; round++ {
			f.sample(record.Sample{Cell: small, Server: server, Round: round, Kept: true, Noisy: round > 1 && server == "gws", Values: map[string]float64{
				record.CPU: v, record.PerSecond: v,
			}})
		}
	}
	f.add(cellOf(1, 1, 125), "c", record.CPU, 1)
	r := f.read()
	for what, want := range map[string]string{
		"CPU per echoed message, up to 1 KiB, one": "2 of 3 rounds noisy",
		"throughput, beside the best rival in Go":  "gws, best of 1; 2 of 3 rounds noisy",
	} {
		if got := promised(t, r, what).finding(t, small); got.Note != want || got.Status != Holds {
			t.Errorf("%+v", got)
		}
	}
	if got := r.noise(); got != "2 of 4 rounds noisy: what others ran is in these figures" {
		t.Error(got)
	}
	if got := twoServers(t).read().noise(); got != "no round was noisy" {
		t.Error(got)
	}
}

func TestFailureOfOurs(t *testing.T) {
	f := newFile(t)
	f.add(small, "c", record.CPU, 1)
	f.sample(record.Sample{Cell: small, Server: "gws", Round: 1, Kept: true, Error: "theirs"})
	f.sample(record.Sample{Cell: small, Server: "wsloop", Round: 1, Kept: true, Error: "it ended"})
	p := promised(t, f.read(), "CPU per echoed message, up to 1 KiB, one")
	if got := p.finding(t, small); got.Status != NotMeasured || got.Note != "wsloop: it ended" {
		t.Errorf("%+v", got)
	}
}

func TestCovers(t *testing.T) {
	demand := record.Cell{Scenario: record.Churn, Connections: 100}
	for _, c := range []struct {
		demand, measured record.Cell
		want             bool
	}{
		{demand, record.Cell{Scenario: record.Churn, Connections: 100, Outstanding: 1, Bytes: 125, Cores: 1}, true},
		{demand, record.Cell{Scenario: record.Churn, Connections: 10}, false},
		{demand, record.Cell{Scenario: record.Churn, Connections: 100, Cores: 2}, false},
		{demand, record.Cell{Scenario: record.Idle, Connections: 100}, false},
		{small, small, true},
		{small, record.Cell{Scenario: record.Echo, Connections: 100, Outstanding: 1, Bytes: 125}, true},
		{small, record.Cell{Scenario: record.Echo, Connections: 100, Outstanding: 1, Bytes: 125, Text: true}, false},
		{cellOf(100, 1, 0), small, false},
		{record.Cell{Scenario: record.Deflate}, record.Cell{Scenario: record.Deflate, Bytes: 512, Cores: 1}, true},
		{record.Cell{Scenario: record.Deflate}, record.Cell{Scenario: record.Deflate, Bytes: 512, Takeover: true}, false},
	} {
		if covers(c.demand, c.measured) != c.want {
			t.Errorf("%v, %v", c.demand, c.measured)
		}
	}
}
