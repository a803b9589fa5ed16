package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/benchmarks/internal/contender"
	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

var errBroken = errors.New("broken")

// fakes measure nothing; others are what the rest of the machine uses in each measurement, 0 after the last.
type fakes struct {
	others  []float64
	fails   string // the server that does
	measure []string
	apart   []record.Sample
	err     error
	stop    func() // called before each measurement
}

func (f *fakes) next() (others float64) {
	if f.stop != nil {
		f.stop()
	}
	if len(f.others) > 0 {
		others, f.others = f.others[0], f.others[1:]
	}
	return others
}

func (f *fakes) Measure(_ context.Context, s contender.Server, c record.Cell) (Measurement, error) {
	f.measure = append(f.measure, s.Name)
	m := Measurement{Values: map[string]float64{record.CPU: 1}, OtherCPU: f.next(), Remarks: []string{"remarkable"}}
	if s.Name == f.fails {
		return m, errBroken
	}
	return m, nil
}

func (f *fakes) Apart(context.Context, record.Cell) ([]record.Sample, error) {
	others := f.next()
	samples := slices.Clone(f.apart)
	for i := range samples {
		samples[i].OtherCPU = others
	}
	return samples, f.err
}

// try runs a plan with three servers, and returns the samples as words and what was said.
func try(t *testing.T, f *fakes, rounds int, cells ...record.Cell) (samples []string, said string) {
	t.Helper()
	var out, words bytes.Buffer
	servers := []contender.Server{{Name: "a"}, {Name: "b", Err: errBroken}, {Name: contender.Ours}}
	about := make(map[string]record.Server)
	for _, s := range servers {
		about[s.Name] = record.Server{}
	}
	j, err := NewJournal(&out, record.Run{ID: "id", Servers: about})
	if err != nil {
		t.Fatal(err)
	}
	r := Runner{
		Plan: Plan{Cells: cells, Rounds: rounds}, Servers: servers, Measurer: f, Journal: j,
		Say: func(format string, args ...any) { fmt.Fprintf(&words, format+"\n", args...) },
	}
	if err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return summary(t, out.Bytes()), words.String()
}

// summary has round, server, attempt and marks of each sample.
func summary(t *testing.T, journal []byte) (samples []string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(string(journal)), "\n")
	if !strings.HasPrefix(lines[0], `{"kind":"run","schema":1,"id":"id"`) {
		t.Fatal(lines[0])
	}
	for _, line := range lines[1:] {
		var s record.Sample
		if err := json.Unmarshal([]byte(line), &s); err != nil || s.Kind != "sample" || s.Run != "id" {
			t.Fatalf("%v: %s", err, line)
		}
		text := fmt.Sprintf("%d%s%d", s.Round, s.Server, s.Attempt)
		for mark, set := range map[string]bool{"!": s.Error != ""} {
			if set {
				text += mark
			}
		}
		if s.Noisy {
			text += "~"
		}
		if !s.Kept {
			text += "-"
		}
		samples = append(samples, text)
	}
	return samples
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%q, expected %q", got, want)
	}
}

// Servers take turns within each round. One that could not be built is written once.
func TestTurns(t *testing.T) {
	f := &fakes{}
	samples, said := try(t, f, 2, echoCell(1, 1, 125))
	same(t, samples, "1a1", "1b1!", "1wsloop1", "2a1", "2wsloop1")
	same(t, f.measure, "a", "wsloop", "a", "wsloop")
	if !strings.Contains(said, "b failed: broken") || !strings.Contains(said, "remarkable") {
		t.Error(said)
	}
}

// What others disturb is measured again, twice at most, and everything is written.
func TestNoise(t *testing.T) {
	samples, _ := try(t, &fakes{others: []float64{0.06, 0.05, 1, 1, 1, 1}}, 1, echoCell(1, 1, 125))
	same(t, samples, "1a1~-", "1a2", "1b1!", "1wsloop1~-", "1wsloop2~-", "1wsloop3~")
}

// Memory is what it is. Three rounds of it are enough.
func TestIdleTakesNoNotice(t *testing.T) {
	samples, _ := try(t, &fakes{others: []float64{1, 1}}, 9, record.Cell{Scenario: record.Idle, Connections: 1})
	same(t, samples, "1a1", "1b1!", "1wsloop1", "2a1", "2wsloop1", "3a1", "3wsloop1")
	if disturbs(record.Cell{Scenario: record.DeflateIdle}, 1) || !disturbs(deflateCell(64, false), 1) {
		t.Error("wrong about what others disturb in cells of compression")
	}
}

// A failure is a sample; the others go on.
func TestFailure(t *testing.T) {
	samples, said := try(t, &fakes{fails: "a"}, 1, churnCell())
	same(t, samples, "1a1!", "1b1!", "1wsloop1")
	if !strings.Contains(said, "churn/100/1/125: a failed: broken") {
		t.Error(said)
	}
}

func TestTakesPart(t *testing.T) {
	raw := contender.Server{Raw: true}
	for scenario, want := range map[record.Scenario]bool{
		record.Echo: true, record.Idle: true, record.Churn: true, record.Latency: false, record.Broadcast: false,
		record.Deflate: false, record.DeflateIdle: false, record.TLS: false,
	} {
		if takesPart(raw, record.Cell{Scenario: scenario}) != want {
			t.Errorf("%s: %t", scenario, !want)
		}
	}
	if !takesPart(contender.Server{}, record.Cell{Scenario: record.Latency}) {
		t.Error("latency is measured of all that speak WebSocket")
	}
}

func TestApart(t *testing.T) {
	f := &fakes{apart: []record.Sample{{Server: "a", Values: map[string]float64{}}, {Server: contender.Ours}}, others: []float64{1}}
	samples, _ := try(t, f, 2, record.Cell{Scenario: record.Mask})
	same(t, samples, "1a1~-", "1wsloop1~-", "1a2", "1wsloop2", "2a1", "2wsloop1")
	f = &fakes{apart: []record.Sample{{Server: contender.Ours}}, others: []float64{1}}
	samples, _ = try(t, f, 2, record.Cell{Scenario: record.Allocs})
	same(t, samples, "1wsloop1")
	samples, said := try(t, &fakes{err: errBroken}, 1, record.Cell{Scenario: record.Collect, Connections: 5})
	same(t, samples, "1wsloop1!")
	if !strings.Contains(said, "collect/5/0/0 failed: broken") {
		t.Error(said)
	}
}

// What is interrupted says nothing about a server.
func TestInterruption(t *testing.T) {
	for _, scenario := range []record.Scenario{record.Echo, record.Mask} {
		var out bytes.Buffer
		j, err := NewJournal(&out, record.Run{ID: "id"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		r := Runner{
			Plan:    Plan{Cells: []record.Cell{{Scenario: scenario}}, Rounds: 1},
			Servers: []contender.Server{{Name: "a"}}, Measurer: &fakes{stop: cancel}, Journal: j, Say: func(string, ...any) {},
		}
		if err := r.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if got := summary(t, out.Bytes()); len(got) > 0 {
			t.Error(got)
		}
	}
}

// full takes some lines, and no more.
type full struct{ lines int }

func (f *full) Write(b []byte) (int, error) {
	if f.lines--; f.lines < 0 {
		return 0, errBroken
	}
	return len(b), nil
}

func TestJournalFull(t *testing.T) {
	if _, err := NewJournal(&full{}, record.Run{}); !errors.Is(err, errBroken) {
		t.Error(err)
	}
	for _, scenario := range []record.Scenario{record.Echo, record.Mask} {
		j, err := NewJournal(&full{lines: 1}, record.Run{Servers: map[string]record.Server{"a": {}}})
		if err != nil {
			t.Fatal(err)
		}
		r := Runner{
			Plan: Plan{Cells: []record.Cell{{Scenario: scenario}}, Rounds: 1}, Servers: []contender.Server{{Name: "a"}},
			Measurer: &fakes{apart: []record.Sample{{Server: "a"}}}, Journal: j, Say: func(string, ...any) {},
		}
		if err := r.Run(t.Context()); !errors.Is(err, errBroken) {
			t.Error(err)
		}
	}
}

func TestJournal(t *testing.T) {
	j, err := NewJournal(new(bytes.Buffer), record.Run{Servers: map[string]record.Server{"a": {}}})
	if err != nil {
		t.Fatal(err)
	}
	cell := echoCell(1, 1, 125)
	add := func(v float64, kept bool, failure string) {
		t.Helper()
		s := record.Sample{Cell: cell, Server: "a", Kept: kept, Error: failure, Values: map[string]float64{"v": v}}
		if err := j.Add(s); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []float64{5, 7, 8} {
		add([]float64{5, 9, 8}[i], true, "")
		add(1000, false, "")
		add(2000, true, "broken")
		if got, found := j.Median(cell, "a", "v"); !found || got != want {
			t.Errorf("%v, %t; expected %v", got, found, want)
		}
	}
	if _, found := j.Median(cell, "a", "w"); found {
		t.Error("a value that is not there")
	}
	if _, found := j.Median(churnCell(), "a", "v"); found {
		t.Error("a value of another cell")
	}
	if err := j.Add(record.Sample{Server: "b"}); err == nil {
		t.Error("a server that the run does not name")
	}
	if !reflect.DeepEqual(slices.Collect(maps.Keys(j.run.Servers)), []string{"a"}) {
		t.Error(j.run)
	}
}
