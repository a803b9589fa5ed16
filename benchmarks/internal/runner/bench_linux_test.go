package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/benchmarks/internal/contender"
	"github.com/wsloop/wsloop/benchmarks/internal/program"
	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

func TestPlace(t *testing.T) {
	for _, c := range []struct {
		cpus           []int
		cores          int
		server, client string
	}{
		{[]int{0, 1}, 1, "[0]", "[1]"},
		{[]int{0, 1}, 0, "[0]", "[1]"},
		{[]int{0, 1}, 2, "[0 1]", "[0 1]"},
		{[]int{2, 5, 7}, 2, "[2 5]", "[7]"},
		{[]int{0}, 1, "", ""},
		{[]int{0, 1}, 3, "", ""},
	} {
		server, client, err := (&Bench{CPUs: c.cpus}).place(c.cores)
		if c.server == "" {
			if err == nil {
				t.Errorf("%d of %v: no error", c.cores, c.cpus)
			}
			continue
		}
		if err != nil || fmt.Sprint(server) != c.server || fmt.Sprint(client) != c.client {
			t.Errorf("%d of %v: %v and %v, %v", c.cores, c.cpus, server, client, err)
		}
	}
}

func TestLoop(t *testing.T) {
	p := Plan{Seconds: 2, Warmup: 0.5}
	raw, websocket := contender.Server{Raw: true}, contender.Server{}
	for _, c := range []struct {
		server contender.Server
		cell   record.Cell
		want   string
	}{
		{raw, echoCell(7, 3, 5), "raw 7 3"},
		{websocket, echoCell(7, 3, 5), "ws 7 3"},
		{raw, churnCell(), "connect-raw 100 0"},
		{websocket, churnCell(), "connect 100 0"},
		{raw, broadcastCell(10, 16), "broadcast-raw 10 16"},
		{websocket, broadcastCell(10, 16), "broadcast 10 16"},
		{websocket, tlsCell(7, 3, 5), " 7 3"},
	} {
		l := loop(c.server, c.cell, p)
		if got := fmt.Sprint(l.Mode, " ", l.Connections, " ", l.Outstanding); got != c.want || l.Seconds != 2 || l.Warmup != 0.5 {
			t.Errorf("%v: %+v", c.cell, l)
		}
	}
}

func TestMeasured(t *testing.T) {
	out := map[string]float64{"cpu_ns_per_msg": 5, "msgs_per_s": 7, "server_pct": 80, "client_pct": 50, "other_pct": 4}
	m, err := measured(out, 2)
	want := map[string]float64{record.CPU: 5, record.PerSecond: 7, record.ServerBusy: 0.4, record.ClientBusy: 0.5}
	if err != nil || fmt.Sprint(m.Values) != fmt.Sprint(want) || m.OtherCPU != 0.04 {
		t.Errorf("%+v, %v", m, err)
	}
	for key := range out {
		less := make(map[string]float64)
		for k, v := range out {
			if k != key {
				less[k] = v
			}
		}
		if m, err := measured(less, 1); err == nil {
			t.Errorf("without %s: %v", key, m)
		}
	}
}

func TestPaced(t *testing.T) {
	figures := map[string]float64{"p50": 1, "p99": 2, "p99.9": 3, "messages/s": 1e6, "cpu/message": 500, "generator.cpu/message": 250}
	values, err := paced(figures, 9, 2)
	want := map[string]float64{
		record.Rate: 9, record.PerSecond: 1e6, record.P50: 1, record.P99: 2, record.P999: 3,
		record.CPU: 500, record.ServerBusy: 0.25, record.ClientBusy: 0.25,
	}
	if err != nil || fmt.Sprint(values) != fmt.Sprint(want) {
		t.Errorf("%v, %v", values, err)
	}
	delete(figures, "p99.9")
	if values, err := paced(figures, 9, 2); err == nil {
		t.Error(values)
	}
}

func TestOthers(t *testing.T) {
	var a, b reading
	b.At = a.At.Add(2 * time.Second)
	a.Busy, b.Busy = time.Second, 4*time.Second
	a.counted, b.counted = time.Second, 2*time.Second
	if got := b.others(a, time.Second); got != 0.5 {
		t.Error(got)
	}
	if got := b.others(a, time.Minute); got != 0 {
		t.Error(got)
	}
	if _, err := take(-1); err == nil {
		t.Error("there is no process -1")
	}
}

func TestSettled(t *testing.T) {
	readings := []int64{1, 2, 2, 3, 3, 3, 9}
	m := memory{read: func() (int64, error) {
		now := readings[0]
		readings = readings[1:]
		return now, nil
	}}
	if got, err := m.settled(t.Context(), ""); got != 3 || err != nil || len(readings) != 1 || len(m.remarks) > 0 {
		t.Error(got, err, readings, m.remarks)
	}
	n := int64(0)
	m.read = func() (int64, error) { n++; return n, nil }
	if got, err := m.settled(t.Context(), "at all"); got != settleMost || err != nil || len(m.remarks) != 1 {
		t.Error(got, err, m.remarks)
	}
	m.read = func() (int64, error) { return 0, errBroken }
	if _, err := m.settled(t.Context(), ""); !errors.Is(err, errBroken) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m = memory{read: func() (int64, error) { return 1, nil }, interval: time.Hour}
	if _, err := m.settled(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestAnnounced(t *testing.T) {
	for text, want := range map[string]int{
		"echo starting; echo listening on 127.0.0.1:81; cat": 81,
		"echo 'server ready url=http://[::]:82/ x' >&2; cat": 82,
		"echo sorry":              0,
		"echo not 10.0.0.1:83; :": 0,
	} {
		p, err := program.Start(program.Spec{Command: []string{"sh", "-c", text}})
		if err != nil {
			t.Fatal(err)
		}
		defer p.End()
		if got, err := announced(t.Context(), p); got != want || (err == nil) != (want > 0) {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
}

func TestRoot(t *testing.T) {
	root, err := Root(".")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "scripts", "bench", "echo.c")); err != nil {
		t.Error(err)
	}
	if root, err := Root(t.TempDir()); err == nil {
		t.Error(root)
	}
}

// small measures what full does, for a moment each. The ceiling is not among its servers.
func small() Plan {
	cells := []record.Cell{
		echoCell(10, 2, 125), churnCell(), broadcastCell(10, 2),
		{Scenario: record.Idle, Connections: 20, Bytes: 125},
		{Scenario: record.Allocs},
	}
	cells[1].Connections = 5
	text := echoCell(2, 1, 2000)
	text.Text, text.Cores = true, 2
	latency := echoCell(10, 1, 125)
	latency.Scenario = record.Latency
	shrunk, over := deflateCell(4<<10, false), deflateCell(512, true)
	shrunk.Connections, over.Connections = 5, 5
	idle := over
	idle.Scenario = record.DeflateIdle
	return Plan{
		Suite: "custom", Cells: append(cells, text, latency, shrunk, over, idle, tlsCell(10, 2, 125)), Servers: []string{contender.Limit, contender.Ours},
		Rounds: 1, Seconds: 0.5, Warmup: 0.05, AllocMessages: 1000,
	}
}

// needMachine skips a test where nothing can be measured.
func needMachine(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and measures for half a minute")
	}
	for _, name := range []string{"cc", "go", "git"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed", name)
		}
	}
	if cpus, err := program.CPUs(); err != nil || len(cpus) < 2 {
		t.Skipf("it takes two processors: %v, %v", cpus, err)
	}
}

// A real run measures everything that it is asked for.
func TestSession(t *testing.T) {
	needMachine(t)
	root, err := Root(".")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	s := Session{Root: root, Plan: small(), Before: "HEAD", Out: &out, Say: t.Logf}
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var run record.Run
	if err := json.Unmarshal([]byte(lines[0]), &run); err != nil || len(run.Servers) != 3 || run.Machine.Cores < 2 || run.Commit == "" {
		t.Fatalf("%+v, %v", run, err)
	}
	wanted := map[record.Scenario][]string{
		record.Echo:      {record.CPU, record.PerSecond, record.ServerBusy, record.ClientBusy},
		record.Churn:     {record.CPU, record.PerSecond},
		record.Broadcast: {record.CPU, record.PerSecond, record.P50, record.P999},
		record.Idle:      {record.Opened, record.Echoed},
		record.Latency:   {record.Rate, record.P50, record.P99, record.P999},
		record.Allocs:    {record.Messages},
		record.Deflate:   {record.CPU, record.PerSecond, record.Ratio},

		record.DeflateIdle: {record.Opened, record.Echoed, record.Filled},

		record.TLS: {record.CPU, record.PerSecond, record.Records, record.Version, record.Cipher},
	}
	kept := make(map[string]int)
	for _, line := range lines[1:] {
		var sample record.Sample
		if err := json.Unmarshal([]byte(line), &sample); err != nil || sample.Run != run.ID || sample.Error != "" {
			t.Fatalf("%v: %s", err, line)
		}
		if sample.Kept {
			kept[sample.Server]++
		}
		for _, name := range wanted[sample.Cell.Scenario] {
			memory := sample.Cell.Scenario == record.Idle || sample.Cell.Scenario == record.DeflateIdle
			if v, found := sample.Values[name]; !found || v <= 0 && !memory || name == record.Ratio && v >= 1 {
				t.Errorf("%v, %s: %s is %v", sample.Cell, sample.Server, name, v)
			}
		}
	}
	if want := map[string]int{contender.Limit: 5, contender.Ours: 11, contender.Before: 10}; fmt.Sprint(kept) != fmt.Sprint(want) {
		t.Errorf("%v, expected %v", kept, want)
	}
}

// The pace is half of what was measured before, if it was.
func TestFindRate(t *testing.T) {
	cell := echoCell(10, 1, 125)
	j, err := NewJournal(new(bytes.Buffer), record.Run{Servers: map[string]record.Server{"g": {}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Add(record.Sample{Cell: cell, Server: "g", Kept: true, Values: map[string]float64{record.PerSecond: 5001}}); err != nil {
		t.Fatal(err)
	}
	b := &Bench{Journal: j, Ceiling: contender.Server{Name: "g", Err: errBroken}, Say: t.Logf}
	cell.Scenario = record.Latency
	for range 2 {
		if err := b.findRate(t.Context(), cell); err != nil || b.rate != 2500 {
			t.Errorf("%v, %v", b.rate, err)
		}
		b.Journal = nil // it asks once
	}
}

// A run names the libraries of which it measures parts, and no others.
func TestAbout(t *testing.T) {
	root, err := Root(".")
	if err != nil {
		t.Fatal(err)
	}
	servers := []contender.Server{{Name: "x", Role: record.Rival, Version: "x 1"}}
	for scenario, want := range map[record.Scenario]string{record.Mask: "memmove gws wsloop x", record.Collect: "wsloop x", record.Echo: "x"} {
		s := Session{Root: root, Plan: Plan{Cells: []record.Cell{{Scenario: scenario}}}}
		about := s.about(t.Context(), contender.Workshop{Root: root}, servers)
		for _, name := range strings.Fields("memmove gws wsloop x") {
			if got := about[name].Version != ""; got != slices.Contains(strings.Fields(want), name) {
				t.Errorf("%s: %s is named: %t", scenario, name, got)
			}
		}
	}
}

// A session that cannot begin measures nothing.
func TestSessionFails(t *testing.T) {
	needMachine(t)
	root, err := Root(".")
	if err != nil {
		t.Fatal(err)
	}
	nothing := Plan{Servers: []string{contender.Limit}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, s := range map[string]Session{
		"no sources":  {Root: t.TempDir()},
		"no revision": {Root: root, Before: "nonsense"},
		"no journal":  {Root: root, Out: &full{}},
	} {
		s.Plan, s.Say = nothing, t.Logf
		if err := s.Run(t.Context()); err == nil {
			t.Errorf("%s: no error", name)
		}
		if err := s.Run(ctx); err == nil {
			t.Errorf("%s: no error after the end", name)
		}
	}
}

// Servers that do not come up, end or answer wrongly are errors, and nothing else.
func TestBadServers(t *testing.T) {
	needMachine(t)
	root, err := Root(".")
	if err != nil {
		t.Fatal(err)
	}
	shop := contender.Workshop{Root: root, Work: t.TempDir()}
	b, err := NewBench(t.Context(), small(), shop)
	if err != nil {
		t.Fatal(err)
	}
	b.Say, b.CPUs = t.Logf, b.CPUs[:2]
	if b.Journal, err = NewJournal(new(bytes.Buffer), record.Run{}); err != nil {
		t.Fatal(err)
	}
	plain := contender.Prepare(t.Context(), shop, []string{contender.Limit}, t.Logf)[0]
	mute := plain
	mute.Raw = false // an echo in C knows no handshake
	for name, try := range map[string]func() error{
		"no handshake": func() error { _, err := b.Measure(t.Context(), mute, echoCell(1, 1, 125)); return err },
		"idle": func() error {
			_, err := b.Measure(t.Context(), mute, record.Cell{Scenario: record.Idle, Connections: 1})
			return err
		},
		"scenario":   func() error { _, err := b.Measure(t.Context(), plain, record.Cell{Scenario: "none"}); return err },
		"processors": func() error { _, err := b.Measure(t.Context(), plain, record.Cell{Cores: 99}); return err },
		"apart":      func() error { _, err := b.Apart(t.Context(), record.Cell{Scenario: "none"}); return err },
		"interrupted mask": func() error {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err := b.Apart(ctx, record.Cell{Scenario: record.Mask})
			return err
		},
		"interrupted collect": func() error {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err := b.Apart(ctx, record.Cell{Scenario: record.Collect})
			return err
		},
		"no ceiling": func() error {
			b.Ceiling = contender.Server{Name: "x", Err: errBroken}
			_, err := b.Measure(t.Context(), plain, record.Cell{Scenario: record.Latency})
			return err
		},
		"bad ceiling": func() error {
			b.Ceiling = mute
			_, err := b.Measure(t.Context(), plain, record.Cell{Scenario: record.Latency, Connections: 1, Bytes: 125})
			return err
		},
		"no program": func() error {
			_, err := b.Measure(t.Context(), contender.Prepare(t.Context(), contender.Workshop{}, []string{contender.Limit}, t.Logf)[0], echoCell(1, 1, 1))
			return err
		},
		"late": func() error {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err := b.Measure(ctx, plain, echoCell(1, 1, 1))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := try(); err == nil {
				t.Error("no error")
			}
		})
	}
}
