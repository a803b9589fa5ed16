package runner

import (
	"slices"
	"testing"

	"github.com/wsloop/wsloop/benchmarks/internal/contender"
	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

func TestSuites(t *testing.T) {
	for _, name := range Suites {
		p, err := Suite(name)
		if err != nil || p.Suite != name || p.Rounds < 1 || p.Seconds <= 0 || len(p.Cells) == 0 {
			t.Errorf("%+v, %v", p, err)
		}
		for i, c := range p.Cells {
			if slices.Index(p.Cells, c) != i {
				t.Errorf("%s: %v is measured twice", name, c)
			}
		}
		for _, server := range p.Servers {
			if !slices.Contains(contender.Names(), server) {
				t.Errorf("%s: there is no server %s", name, server)
			}
		}
	}
	if _, err := Suite("none"); err == nil {
		t.Error("a suite that is not there")
	}
}

// The pace of the latency cells comes from a cell that was measured before.
func TestCeilingComesFirst(t *testing.T) {
	p, _ := Suite("full")
	latency := slices.IndexFunc(p.Cells, func(c record.Cell) bool { return c.Scenario == record.Latency })
	c := p.Cells[latency]
	c.Scenario = record.Echo
	if echo := slices.Index(p.Cells, c); echo < 0 || echo > latency {
		t.Errorf("%v is cell %d, its latency cell %d", c, echo, latency)
	}
}

func TestChoose(t *testing.T) {
	p, _ := Suite("short")
	if err := p.Choose([]string{"echo/1000/1/125/2", "idle", "echo/1000/1/125"}); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range p.Cells {
		names = append(names, c.String())
	}
	want := []string{"echo/1000/1/125/2cores", "idle/18000/0/125", "echo/1000/1/125"}
	if !slices.Equal(names, want) || p.Suite != "custom" {
		t.Errorf("%s: %v", p.Suite, names)
	}
	p, _ = Suite("short")
	p.Cells = append(p.Cells, echoCell(7, 7, 7))
	if err := p.Choose([]string{"echo/7/"}); err != nil || len(p.Cells) != 1 {
		t.Error(p.Cells, err)
	}
	if err := p.Choose([]string{"echo", "nonsense"}); err == nil {
		t.Error("a cell that is not there")
	}
}

func TestShrink(t *testing.T) {
	for descriptors, want := range map[uint64]int{20_000: 18_000, 18_256: 18_000, 18_255: 17_999, 1024: 768, 10: 1} {
		p := Plan{Cells: []record.Cell{echoCell(30_000, 1, 1), {Scenario: record.Idle, Connections: 18_000}}}
		shrunk := p.Shrink(descriptors)
		if got := p.Cells[1].Connections; got != want || (got < 18_000) != (shrunk == got) {
			t.Errorf("%d descriptors: %d connections, %d", descriptors, got, shrunk)
		}
		if p.Cells[0].Connections != 30_000 {
			t.Error("only idle connections are fewer")
		}
	}
}

func TestEffort(t *testing.T) {
	p := Plan{Rounds: 5, Seconds: 1}
	for _, c := range []struct {
		cell    record.Cell
		rounds  int
		seconds float64
	}{
		{echoCell(100, 1, 125), 5, 1},
		{echoCell(10_000, 1, 125), 3, 1},
		{broadcastCell(10_000, 16), 3, 1},
		{record.Cell{Scenario: record.Idle}, 3, 1},
		{record.Cell{Scenario: record.Latency, Connections: 1000}, 7, 2},
		{record.Cell{Scenario: record.Allocs}, 1, 1},
	} {
		if rounds, seconds := p.rounds(c.cell), p.seconds(c.cell); rounds != c.rounds || seconds != c.seconds {
			t.Errorf("%s: %d rounds of %g s, expected %d of %g s", c.cell, rounds, seconds, c.rounds, c.seconds)
		}
	}
	p.Rounds = 2
	if n := p.rounds(echoCell(10_000, 1, 125)); n != 2 {
		t.Errorf("%d rounds of many connections, expected 2", n)
	}
}
