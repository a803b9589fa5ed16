package report

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// file is a run that is put together in a test.
type file struct {
	t     *testing.T
	lines strings.Builder
	id    string
}

// servers are those of every run of the tests.
var servers = map[string]record.Server{
	"c":       {Role: record.Limit, Version: "C epoll echo"},
	"memmove": {Role: record.Limit, Version: "go"},
	"wsloop":  {Role: record.Ours, Version: "this"},
	"old":     {Role: record.Before, Version: "that"},
	"gws":     {Role: record.GoRival, Version: "gws v1.9.1"},
	"gorilla": {Role: record.GoRival, Version: "gorilla v1.5.3"},
	"bun":     {Role: record.Rival, Version: "bun 1.4.5"},
	"gnet":    {Role: record.Reference, Version: "gnet v2.10.0"},
}

func newFile(t *testing.T) *file {
	f := &file{t: t}
	f.run("r1")
	return f
}

func (f *file) write(v any) {
	f.t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		f.t.Fatal(err)
	}
	f.lines.Write(append(text, '\n'))
}

// run begins another run.
func (f *file) run(id string) {
	f.id = id
	f.write(record.Run{
		Kind: "run", Schema: record.Schema, ID: id, Began: time.Unix(1e9, 0), Suite: "full", Commit: "abc123" + id, Rounds: 3, Seconds: 1.5,
		Machine: record.Machine{CPU: "Example CPU", Cores: 2, MemoryBytes: 8 << 30, System: "linux/amd64", Kernel: "6.1.0", Go: "go1.26.8"},
		Servers: servers,
	})
}

// add writes what the server had in rounds 1, 2 and so on.
func (f *file) add(c record.Cell, server, name string, values ...float64) {
	f.t.Helper()
	for i, v := range values {
		f.sample(record.Sample{Cell: c, Server: server, Round: i + 1, Kept: true, Values: map[string]float64{name: v}})
	}
}

func (f *file) sample(s record.Sample) {
	f.t.Helper()
	s.Kind, s.Run, s.Attempt = "sample", f.id, max(s.Attempt, 1)
	f.write(s)
}

func (f *file) read() *Report {
	f.t.Helper()
	r, err := Read(strings.NewReader(f.lines.String()))
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// everything is a file with all cells and all servers, with values that are drawn.
func everything(t *testing.T) *Report {
	f := newFile(t)
	random := rand.New(rand.NewPCG(1, 2))
	cost := map[string]float64{"c": 1, "memmove": 1, "wsloop": 1.03, "old": 1.1, "gws": 1.6, "gorilla": 2.1, "bun": 1.4, "gnet": 1.3}
	cells := append(slices.Clone(demanded), record.Cell{Scenario: record.Deflate, Connections: 100, Outstanding: 1, Bytes: 512, Takeover: true})
	for _, takeover := range []bool{false, true} {
		cells = append(cells, record.Cell{Scenario: record.DeflateIdle, Connections: 2000, Bytes: 512, Takeover: takeover})
	}
	for _, c := range cells {
		for round := 1; round <= 5; round++ {
			for _, server := range slices.Sorted(maps.Keys(cost)) {
				if other := map[bool]string{true: "c", false: "memmove"}; server == other[c.Scenario == record.Mask] {
					continue
				}
				if only := c.Scenario == record.Allocs || c.Scenario == record.Collect; only && server != "wsloop" {
					continue
				}
				if speaks := c.Scenario == record.Deflate || c.Scenario == record.DeflateIdle || c.Scenario == record.TLS; speaks && (server == "c" || server == "gnet") {
					continue
				}
				k := cost[server] * (0.95 + 0.1*random.Float64())
				f.sample(record.Sample{Cell: c, Server: server, Round: round, Kept: true, Noisy: round == 5 && c.Bytes == 1<<20, Values: map[string]float64{
					record.CPU: 5000 * k, record.PerSecond: 150_000 / k, record.ServerBusy: 0.9, record.ClientBusy: 0.8,
					record.P50: 90_000 * k, record.P99: 400_000 * k, record.P999: 2_000_000 * k, record.Rate: 60_000,
					record.Opened: 120 * k * k * k * k * k * k, record.Echoed: 126 * k * k * k * k * k * k * k, record.BytesPerS: 40e9 / k,
					record.Messages: 10_000_100, record.Mallocs: 300, record.Cycles: 2, record.FirstMessages: 5_000_050, record.FirstMallocs: 290, record.FirstCycles: 2,
					record.CycleTime: 9e6 * k, record.Ratio: 0.5 * k, record.Filled: 40_000 * k, record.Records: 2,
				}})
			}
		}
	}
	f.sample(record.Sample{Cell: demanded[0], Server: "bun", Round: 6, Kept: true, Error: "it is not installed\nsecond line"})
	return f.read()
}

func written(t *testing.T, write func(w *strings.Builder) error) string {
	t.Helper()
	var b strings.Builder
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// near compares figures that were computed by hand.
func near(a, b float64) bool { return fmt.Sprintf("%.9g", a) == fmt.Sprintf("%.9g", b) }
