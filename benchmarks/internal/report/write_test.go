package report

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// fields are the words of the line that begins so.
func fields(t *testing.T, text, prefix string) []string {
	t.Helper()
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), prefix) {
			return strings.Fields(line)
		}
	}
	t.Fatalf("no line %q in\n%s", prefix, text)
	return nil
}

// twoServers is a file whose table is known: 1.1 and 1.5 of C, and 1.25 and 2 times gws.
func twoServers(t *testing.T) *file {
	f := newFile(t)
	add := func(server string, round int, cpu, perSecond float64) {
		f.sample(record.Sample{Cell: small, Server: server, Round: round, Kept: true, Values: map[string]float64{record.CPU: cpu, record.PerSecond: perSecond}})
	}
	add("c", 1, 1000, 200_000)
	add("c", 2, 2000, 100_000)
	add("wsloop", 1, 1500, 100_000)
	add("wsloop", 2, 2200, 100_000)
	add("gws", 1, 2000, 80_000)
	add("gws", 2, 4000, 50_000)
	return f
}

func TestText(t *testing.T) {
	f := twoServers(t)
	f.sample(record.Sample{Cell: small, Server: "bun", Round: 1, Kept: true, Error: "it is not installed\nmore"})
	text := written(t, func(w *strings.Builder) error { return f.read().Text(w) })
	table := text[strings.Index(text, "echo: 100 connections, 1 in flight, 125 B\n  2 rounds\n"):]
	// The medians, the ratios to c with their extremes, messages a second, and these beside gws.
	for server, want := range map[string]string{
		"wsloop": "wsloop 1.85 µs 1.30 1.10 to 1.50 100 k 1.62 1.25 to 2.00",
		"c ":     "c 1.50 µs 1.00 150 k 2.25 2.00 to 2.50",
		"gws":    "gws 3.00 µs 2.00 2.00 to 2.00 65.0 k 1.00",
	} {
		if got := strings.Join(fields(t, table, server), " "); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for _, want := range []string{
		"run r1\n", "abc123r1", "3 rounds of 1.5 seconds", "bun     echo: 100 connections, 1 in flight, 125 B  1      it is not installed\n",
		"does not hold", "holds in part", "not measured", "at most 1.05 × the C echo", "where promises do not hold\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
	// A column without values is left out.
	if strings.Contains(text, "server  client") || strings.Contains(text, "p99 ") && strings.Contains(table, "p999_ns") {
		t.Error("there are columns without values")
	}
	all := written(t, func(w *strings.Builder) error { return everything(t).Text(w) })
	for _, want := range []string{"5 rounds, 1 noisy", "holds: 24, does not hold: 1", "90 %", "10,000,100"} {
		if !strings.Contains(all, want) {
			t.Errorf("the text lacks %q:\n%s", want, all)
		}
	}
}

// TestBroadcastTable has ours reach 3/4 of the deliveries of C, and 1.5 times those of gws, at 1.25 times the CPU of C.
func TestBroadcastTable(t *testing.T) {
	f := newFile(t)
	cell := record.Cell{Scenario: record.Broadcast, Connections: 1000, Outstanding: 16, Bytes: 125, Cores: 1}
	for server, v := range map[string][2]float64{"c": {4e6, 400}, "wsloop": {3e6, 500}, "gws": {2e6, 800}} {
		f.sample(record.Sample{Cell: cell, Server: server, Round: 1, Kept: true, Values: map[string]float64{record.PerSecond: v[0], record.CPU: v[1]}})
	}
	text := written(t, func(w *strings.Builder) error { return f.read().Text(w) })
	table := text[strings.Index(text, "broadcast: 1,000 connections, 16 broadcasts on their way, 125 B\n  1 round\n"):]
	for server, want := range map[string]string{
		"deliveries/s": "deliveries/s of C of best rival CPU/delivery of C",
		"c ":           "c 4.00 M 1.00 2.00 400 ns 1.00",
		"wsloop":       "wsloop 3.00 M 0.75 1.50 500 ns 1.25",
		"gws":          "gws 2.00 M 0.50 1.00 800 ns 2.00",
	} {
		if got := strings.Join(fields(t, table, server), " "); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestMarkdown(t *testing.T) {
	text := written(t, func(w *strings.Builder) error { return twoServers(t).read().Markdown(w) })
	for _, want := range []string{
		"**run r1**\n\n|  |  |\n|---|---|\n",
		"| commit | abc123r1 |\n",
		"**CPU per echoed message, as multiples of the C echo** (2 rounds, 0 noisy)\n\n|  | c | wsloop | gws |\n|---|---|---|---|\n" +
			"| 100 connections, 1 in flight, 125 B | 1.50 µs | 1.30 (1.10 to 1.50) | 2.00 |\n",
		"|  | c | wsloop | gws | of best Go | min to max | which is |\n|---|---|---|---|---|---|---|\n" +
			"| 100 connections, 1 in flight, 125 B | 150 k | 100 k | 65.0 k | 1.62 | 1.25 to 2.00 | gws |\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	// In every table, each row has as many cells as the head.
	all := written(t, func(w *strings.Builder) error { return everything(t).Markdown(w) })
	cells := 0
	for line := range strings.Lines(all) {
		switch n := strings.Count(line, "|") - strings.Count(line, `\|`); {
		case n == 0:
			cells = 0
		case cells == 0:
			cells = n
		case n != cells:
			t.Errorf("%d cells, the head has %d: %s", n, cells, line)
		}
	}
	if strings.Contains(all, "\n\n\n") {
		t.Error("there is an empty section")
	}
}

// TestDeflateSection has ours need 3/4 of what the best rival does, and memory that is given back.
func TestDeflateSection(t *testing.T) {
	f := newFile(t)
	cell := record.Cell{Scenario: record.Deflate, Connections: 100, Outstanding: 1, Bytes: 512, Cores: 1}
	for server, v := range map[string][2]float64{"wsloop": {9000, 0.53}, "gws": {15_000, 0.6}, "bun": {12_000, 1.01}} {
		f.sample(record.Sample{Cell: cell, Server: server, Round: 1, Kept: true, Values: map[string]float64{record.CPU: v[0], record.Ratio: v[1]}})
	}
	takeover := record.Cell{Scenario: record.DeflateIdle, Connections: 2000, Bytes: 512, Takeover: true, Cores: 1}
	f.sample(record.Sample{Cell: takeover, Server: "wsloop", Round: 1, Kept: true, Values: map[string]float64{
		record.Opened: -1, record.Echoed: 3000, record.Filled: 35_000,
	}})
	text, err := f.read().section("deflate")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"**CPU per compressed message** (1 round, 0 noisy)\n\n|  | wsloop | gws | bun | of best rival | min to max | which is |\n|---|---|---|---|---|---|---|\n" +
			"| 100 connections, 1 in flight, 512 B | 9.00 µs | 15.0 µs | 12.0 µs | 0.75 |  | bun |\n",
		"|  | wsloop | gws | bun |\n|---|---|---|---|\n| 100 connections, 1 in flight, 512 B | 53 % | 60 % | 101 % |\n",
		"**resident memory per idle connection with compression: 2,000 connections, 512 B, context takeover** (1 round)\n\n" +
			"|  | once open | after an echo each | after 32 KiB each |\n|---|---|---|---|\n| wsloop | -1 B | 3000 B | 35.0 kB |\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
}

// TestTLSSection has ours need 11/10 of what Bun does, and 2/3 of the best in Go.
func TestTLSSection(t *testing.T) {
	f := newFile(t)
	cell := record.Cell{Scenario: record.TLS, Connections: 100, Outstanding: 1, Bytes: 125, Cores: 1}
	for server, v := range map[string]float64{"wsloop": 6600, "gws": 9900, "gorilla": 12_000, "bun": 6000} {
		f.sample(record.Sample{Cell: cell, Server: server, Round: 1, Kept: true, Values: map[string]float64{record.CPU: v, record.Ratio: 1.19}})
	}
	text, err := f.read().section("tls")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"**CPU per message echoed over TLS 1.3 with AES-128-GCM** (1 round, 0 noisy)\n\n" +
			"|  | wsloop | gorilla | gws | bun | of Bun | min to max | of best Go | min to max | which is |\n|---|---|---|---|---|---|---|---|---|---|\n" +
			"| 100 connections, 1 in flight, 125 B | 6.60 µs | 12.0 µs | 9.90 µs | 6.00 µs | 1.10 |  | 0.67 |  | gws |\n",
		"|  | wsloop | gorilla | gws | bun |\n|---|---|---|---|---|\n| 100 connections, 1 in flight, 125 B | 119 % | 119 % | 119 % | 119 % |\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
}

func TestSummary(t *testing.T) {
	f := newFile(t)
	main := cellOf(1000, 1, 125)
	idle := record.Cell{Scenario: record.Idle, Connections: 18_000}
	for server, v := range map[string]float64{"c": 100, "wsloop": 104, "gws": 160, "gorilla": 150, "bun": 130} {
		f.add(main, server, record.CPU, v)
		f.add(idle, server, record.Opened, 10*v)
	}
	f.add(cellOf(10_000, 1, 125), "c", record.CPU, 1) // ours is missing there
	got := f.read().summaryTable().Rows
	want := [][]string{
		{"CPU per message: 1,000 connections, 1 in flight, 125 B", "1.00", "1.04", "1.50 (gorilla)", "1.30"},
		{"resident memory, each idle: 18,000 connections", "1000 B", "1040 B", "1500 B (gorilla)", "1300 B"},
	}
	if len(got) != 2 || !slices.Equal(got[0], want[0]) || !slices.Equal(got[1], want[1]) {
		t.Errorf("%q", got)
	}
	f = newFile(t)
	f.add(idle, "wsloop", record.Opened, 120)
	if got := f.read().summaryTable().Rows; len(got) != 1 || !slices.Equal(got[0][1:], []string{"-", "120 B", "-", "-"}) {
		t.Errorf("%q", got)
	}
}

func TestMarkdownEscapes(t *testing.T) {
	const hostile = "<script>|`*_[a](b)\\\x1b\n&"
	f := newFile(t)
	f.sample(record.Sample{Cell: small, Server: "gws", Round: 1, Kept: true, Error: hostile + "\nsecond"})
	f.add(small, "wsloop", record.CPU, 1)
	text, err := f.read().section("failures")
	if want := "| gws | echo: 100 connections, 1 in flight, 125 B | 1 | &lt;script&gt;\\|\\`\\*\\_\\[a](b)\\\\� |\n"; err != nil || !strings.HasSuffix(text, want) {
		t.Errorf("%q, %v", text, err)
	}
}

// room takes n bytes and no more.
type room int

func (f *room) Write(b []byte) (int, error) {
	if *f -= room(len(b)); *f < 0 {
		return 0, errFull
	}
	return len(b), nil
}

var errFull = errors.New("full")

func TestWritersFail(t *testing.T) {
	r := everything(t)
	for name, write := range map[string]func(io.Writer) error{"text": r.Text, "page": r.HTML, "Markdown": r.Markdown, "comparison": r.Compare} {
		few := room(100)
		if err := write(&few); !errors.Is(err, errFull) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCompare(t *testing.T) {
	f := newFile(t)
	add := func(c record.Cell, name string, before, now []float64) {
		f.add(c, "old", name, before...)
		f.add(c, "wsloop", name, now...)
	}
	add(cellOf(1, 1, 125), record.CPU, []float64{1000, 2000, 1000}, []float64{900, 1900, 800})
	add(small, record.CPU, []float64{1000, 1000}, []float64{1010, 1100})
	add(cellOf(1000, 1, 125), record.PerSecond, []float64{1000, 1000}, []float64{1200, 1300})
	add(cellOf(1000, 16, 125), record.PerSecond, []float64{1000, 1000}, []float64{800, 900})
	add(cellOf(100, 1, 16384), record.CPU, []float64{1000, 1000}, []float64{1100, 900})
	add(cellOf(10, 1, 1<<20), record.CPU, []float64{1000}, []float64{500})
	f.add(cellOf(10_000, 1, 125), "wsloop", record.CPU, 1)
	text := written(t, func(w *strings.Builder) error { return f.read().Compare(w) })
	for prefix, want := range map[string]string{
		"echo: 1 connection,":                     "CPU 1.00 µs 900 ns 0.90 0.80 to 0.95 better",
		"echo: 100 connections, 1 in flight, 125": "CPU 1.00 µs 1.05 µs 1.06 1.01 to 1.10 worse",
		"echo: 1,000 connections, 1 in":           "per second 1.00 k 1.25 k 1.25 1.20 to 1.30 better",
		"echo: 1,000 connections, 16":             "per second 1.00 k 850 0.85 0.80 to 0.90 worse",
		"echo: 100 connections, 1 in flight, 16":  "CPU 1.00 µs 1.00 µs 1.00 0.90 to 1.10 within the spread",
		"echo: 10 connections":                    "CPU 1.00 µs 500 ns 0.50 one round",
	} {
		if got := strings.Join(fields(t, text, prefix), " "); !strings.HasSuffix(got, " "+want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if strings.Contains(text, "10,000") {
		t.Error("a cell without the other version is compared")
	}
	if err := twoServers(t).read().Compare(io.Discard); err == nil {
		t.Error("nothing was compared, and that is no error")
	}
}
