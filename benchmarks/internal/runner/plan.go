package runner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/wsloop/wsloop/benchmarks/internal/contender"
	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// idleConnections is how many idle connections are held, where descriptors do not run short.
const idleConnections = 18_000

// deflateConnections is how many of them agreed to compression: some servers need a megabyte for each.
const deflateConnections = 2000

// A Plan is what to measure.
type Plan struct {
	Suite   string
	Cells   []record.Cell
	Servers []string // names of contenders
	Rounds  int      // of most cells
	Seconds float64  // of most measurements
	Warmup  float64  // seconds, before each

	AllocMessages int // that are echoed while allocations are counted
}

// allocMessages is how many the promise is about.
const allocMessages = 10_000_000

// Suites are the names that Suite knows.
var Suites = []string{"short", "full", "compare"}

// Suite returns a plan of that name.
func Suite(name string) (Plan, error) {
	p, err := suite(name)
	p.AllocMessages = allocMessages
	return p, err
}

func suite(name string) (Plan, error) {
	switch name {
	case "short":
		return Plan{
			Suite: name, Cells: shortCells(), Rounds: 2, Seconds: 0.8, Warmup: 0.2,
			Servers: []string{contender.Limit, contender.Ours, "gws", "gobwas", contender.Ceiling, "bun"},
		}, nil
	case "full":
		return Plan{
			Suite: name, Cells: fullCells(), Rounds: 5, Seconds: 1, Warmup: 0.3,
			Servers: contender.Names(),
		}, nil
	case "compare":
		return Plan{
			Suite: name, Cells: compareCells(), Rounds: 7, Seconds: 1.5, Warmup: 0.3,
			Servers: []string{contender.Limit, contender.Ours},
		}, nil
	}
	return Plan{}, fmt.Errorf("runner: no suite %q; there are %s", name, strings.Join(Suites, ", "))
}

const (
	// longRounds is enough where a measurement takes long, most of it to open connections.
	longRounds      = 3
	manyConnections = 10_000
)

// rounds is how often a cell is measured.
func (p *Plan) rounds(c record.Cell) int {
	switch {
	case c.Scenario == record.Allocs:
		return 1 // it counts, and takes millions of messages for it
	case c.Scenario == record.Latency:
		return p.Rounds + p.Rounds/2 // one pause of the machine is all of p99.9
	case c.Connections >= manyConnections, c.Scenario == record.Idle, c.Scenario == record.DeflateIdle, c.Scenario == record.Collect:
		return min(p.Rounds, longRounds)
	}
	return p.Rounds
}

// seconds is how long each measurement of a cell takes.
func (p *Plan) seconds(c record.Cell) float64 {
	if c.Scenario == record.Latency {
		return 2 * p.Seconds
	}
	return p.Seconds
}

// echoCell is one of binary echo on one core.
func echoCell(connections, outstanding, bytes int) record.Cell {
	return record.Cell{Scenario: record.Echo, Connections: connections, Outstanding: outstanding, Bytes: bytes, Cores: 1}
}

func shortCells() []record.Cell {
	return []record.Cell{
		echoCell(100, 1, 125), echoCell(1000, 1, 125), echoCell(1000, 16, 125), echoCell(100, 1, 16<<10), churnCell(),
		deflateCell(512, false), tlsCell(100, 1, 125),
	}
}

func compareCells() []record.Cell {
	return []record.Cell{
		echoCell(1, 1, 125), echoCell(100, 1, 125), echoCell(1000, 1, 125), echoCell(1000, 16, 125),
		echoCell(100, 1, 16<<10), echoCell(10, 1, 1<<20), churnCell(), broadcastCell(1000, 16),
	}
}

func churnCell() record.Cell {
	return record.Cell{Scenario: record.Churn, Connections: 100, Outstanding: 1, Bytes: 125, Cores: 1}
}

func broadcastCell(connections, outstanding int) record.Cell {
	return record.Cell{Scenario: record.Broadcast, Connections: connections, Outstanding: outstanding, Bytes: 125, Cores: 1}
}

func deflateCell(bytes int, takeover bool) record.Cell {
	return record.Cell{Scenario: record.Deflate, Connections: 100, Outstanding: 1, Bytes: bytes, Takeover: takeover, Cores: 1}
}

// deflateCells are what compression costs, and what connections that agreed to it hold.
func deflateCells() (cells []record.Cell) {
	for _, takeover := range []bool{false, true} {
		for _, bytes := range []int{64, 512, 4 << 10, 64 << 10} {
			cells = append(cells, deflateCell(bytes, takeover))
		}
	}
	for _, takeover := range []bool{false, true} {
		cells = append(cells, record.Cell{Scenario: record.DeflateIdle, Connections: deflateConnections, Bytes: 512, Takeover: takeover, Cores: 1})
	}
	return cells
}

func tlsCell(connections, outstanding, bytes int) record.Cell {
	c := echoCell(connections, outstanding, bytes)
	c.Scenario = record.TLS
	return c
}

// tlsCells have the shapes of echo, but not ten thousand connections, which would take longer to open than to measure.
func tlsCells() []record.Cell {
	return []record.Cell{
		tlsCell(100, 1, 125), tlsCell(1000, 1, 125), tlsCell(1000, 16, 125), tlsCell(1000, 1, 1<<10), tlsCell(100, 1, 16<<10),
	}
}

func fullCells() []record.Cell {
	cells := []record.Cell{
		echoCell(1, 1, 125), echoCell(100, 1, 125), echoCell(1000, 1, 125), echoCell(1000, 16, 125),
		echoCell(10_000, 1, 125), echoCell(10_000, 1, 1<<10), echoCell(100, 1, 16<<10), echoCell(10, 1, 1<<20),
	}
	for _, bytes := range []int{125, 16 << 10} {
		text := echoCell(100, 1, bytes)
		text.Text = true
		cells = append(cells, text)
	}
	for _, outstanding := range []int{1, 16} {
		two := echoCell(1000, outstanding, 125)
		two.Cores = 2
		cells = append(cells, two)
	}
	latency := echoCell(1000, 1, 125)
	latency.Scenario = record.Latency
	cells = append(cells, latency,
		record.Cell{Scenario: record.Idle, Connections: idleConnections, Bytes: 125, Cores: 1},
		churnCell(),
		broadcastCell(1000, 1), broadcastCell(1000, 16), broadcastCell(15_000, 1), broadcastCell(15_000, 16),
		record.Cell{Scenario: record.Allocs}, record.Cell{Scenario: record.Mask}, record.Cell{Scenario: record.Collect})
	return slices.Concat(cells, deflateCells(), tlsCells())
}

// Choose keeps the cells, of all that there are, whose name begins with one of the prefixes.
func (p *Plan) Choose(prefixes []string) error {
	all := fullCells()
	for _, c := range p.Cells {
		if !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	p.Cells, p.Suite = nil, "custom"
	for _, prefix := range prefixes {
		found := false
		for _, c := range all {
			if !strings.HasPrefix(c.String(), prefix) {
				continue
			}
			found = true
			if !slices.Contains(p.Cells, c) {
				p.Cells = append(p.Cells, c)
			}
		}
		if !found {
			return fmt.Errorf("runner: no cell begins with %q; there are %v", prefix, all)
		}
	}
	return nil
}

// Has says whether a cell of the scenario is planned.
func (p *Plan) Has(s record.Scenario) bool {
	return slices.ContainsFunc(p.Cells, func(c record.Cell) bool { return c.Scenario == s })
}

// Shrink lowers the number of idle connections to what the limit on descriptors leaves, and returns how many those
// are, or 0 if nothing had to be lowered. The generator and the servers need some descriptors for themselves.
func (p *Plan) Shrink(descriptors uint64) int {
	const reserve = 256
	shrunk := 0
	for i, c := range p.Cells {
		idle := c.Scenario == record.Idle || c.Scenario == record.DeflateIdle
		if idle && uint64(c.Connections)+reserve > descriptors {
			shrunk = max(1, int(descriptors)-reserve) // of Linux, which has no 2^63 of them
			p.Cells[i].Connections = shrunk
		}
	}
	return shrunk
}
