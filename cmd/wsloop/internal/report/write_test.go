package report

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/cmd/wsloop/internal/hdr"
)

// written returns what a writer writes.
func written(t *testing.T, write func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func hgrm(h *hdr.Histogram) func(io.Writer) error {
	return func(w io.Writer) error { return WriteHGRM(w, h) }
}

func TestGolden(t *testing.T) {
	r := sample()
	golden(t, "summary.txt", written(t, r.WriteText))
	golden(t, "series.csv", written(t, r.WriteCSV))
	golden(t, "corrected.hgrm", written(t, hgrm(r.Latency.Corrected)))
	golden(t, "compare.txt", written(t, func(w io.Writer) error { return Compare(w, r, other()) }))
}

// other is a run that another one may be compared with.
func other() *Report {
	r := sample()
	r.Command, r.Start, r.Duration = []string{"wsloop", "load"}, start.Add(time.Hour), 41*time.Second
	r.Settings.PayloadBytes, r.Settings.Binary, r.Settings.Others = 1000, true, nil
	r.Connect.Duration = 5 * time.Second
	r.Connect.Failed, r.Connect.Lost = 0, 4
	r.Messages.Duration = 31 * time.Second
	r.Latency.Corrected = r.Latency.Uncorrected
	r.Generator.Slip, r.Generator.Warnings = nil, nil
	r.Servers = nil
	return r
}

func TestWritersOfEmptyReports(t *testing.T) {
	r := new(Report)
	for name, write := range map[string]func(io.Writer) error{"text": r.WriteText, "csv": r.WriteCSV, "html": r.WriteHTML, "json": r.WriteJSON, "hgrm": hgrm(nil)} {
		if text := written(t, write); strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
			t.Errorf("%s: %s", name, text)
		}
	}
	if text := written(t, r.WriteText); text != "" {
		t.Errorf("a report of nothing says %q", text)
	}
}

// full is a disk that takes n more bytes.
type full int

var errFull = errors.New("full")

func (f *full) Write(b []byte) (int, error) {
	if *f -= full(len(b)); *f < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestWritersTellOfErrors(t *testing.T) {
	r := sample()
	for name, write := range map[string]func(io.Writer) error{
		"text": r.WriteText, "csv": r.WriteCSV, "html": r.WriteHTML, "json": r.WriteJSON, "hgrm": hgrm(r.Latency.Corrected),
		"compare": func(w io.Writer) error { return Compare(w, r, r) },
	} {
		left := full(100)
		if err := write(&left); !errors.Is(err, errFull) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTextOfOthers holds back what would move the cursor of a terminal.
func TestTextOfOthers(t *testing.T) {
	r := sample()
	r.Errors = map[string]uint64{"closed: \x1b[2J\r\nforged": 1}
	r.Settings.Others = map[string]string{"\x1b]0;x\a": "\x9b1m\xff"}
	r.Generator.Warnings = []string{"a\nb"}
	for line := range strings.Lines(written(t, r.WriteText)) {
		if plain(strings.TrimSuffix(line, "\n")) != strings.TrimSuffix(line, "\n") {
			t.Errorf("%q", line)
		}
		if strings.HasPrefix(line, "forged") || strings.HasPrefix(line, "b") {
			t.Errorf("a line of another's making: %q", line)
		}
	}
}

func TestHGRMTicks(t *testing.T) {
	want := []float64{0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.775}
	for i, share := range want {
		if got := tick(i); got < share-1e-12 || got > share+1e-12 {
			t.Errorf("line %d is about %v, want %v", i, got, share)
		}
	}
}

// TestHGRMOfFour has a share that falls on a record: half of four are two.
func TestHGRMOfFour(t *testing.T) {
	text := written(t, hgrm(of(1e6, 2e6, 3e6, 4e6)))
	if want := "       2.015 0.500000000000          2           2.00\n"; !strings.Contains(text, want) {
		t.Errorf("no %q in\n%s", want, text)
	}
}

func TestCompareNothing(t *testing.T) {
	if text := written(t, func(w io.Writer) error { return Compare(w, new(Report), new(Report)) }); text != "the reports have no figure in common\n" {
		t.Errorf("%q", text)
	}
}

func TestVerdict(t *testing.T) {
	fewer, more := figure{better: lower}, figure{better: higher}
	for _, c := range []struct {
		figure      figure
		a, b        float64
		times, word string
	}{
		{fewer, 100, 104, "1.04", "the same"},
		{fewer, 100, 96, "0.96", "the same"},
		{fewer, 100, 106, "1.06", "worse"},
		{fewer, 100, 94, "0.94", "better"},
		{more, 100, 106, "1.06", "better"},
		{more, 100, 50, "0.50", "worse"},
		{figure{better: neither}, 100, 50, "0.50", "less"},
		{figure{better: neither}, 100, 1500, "15.0", "more"},
		{fewer, 1e6, 1234, "0.001", "better"},
		{fewer, 0, 1, "-", "worse"},
		{fewer, 1, 0, "0.00", "better"},
		{fewer, -100, -100, "-", "the same"},
	} {
		if times, word := c.figure.verdict(c.a, c.b); times != c.times || word != c.word {
			t.Errorf("%v to %v: %s %s, want %s %s", c.a, c.b, times, word, c.times, c.word)
		}
	}
}
