package report

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

const (
	runLine    = `{"kind":"run","schema":1,"id":"r","began":"2026-01-02T03:04:05Z","suite":"short","commit":"c0ffee","modified":false,"machine":{"cpu":"","cores":2,"memory_bytes":1,"system":"","kernel":"","go":""},"rounds":1,"seconds":1,"servers":{"wsloop":{"role":"ours","version":""}}}`
	sampleLine = `{"kind":"sample","run":"r","cell":{"scenario":"echo","connections":1},"server":"wsloop","round":1,"attempt":1,"kept":true,"noisy":false,"other_cpu":0,"values":{"cpu_ns":5}}`
)

func TestRead(t *testing.T) {
	r, err := Read(strings.NewReader(runLine + "\n" + sampleLine)) // the last line may lack its end
	if err != nil || len(r.runs) != 1 || len(r.results) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	if s := r.results[0].spread(record.CPU, "wsloop"); s != (Spread{5, 5, 5, 1}) {
		t.Errorf("%+v", s)
	}
}

func TestReadErrors(t *testing.T) {
	changed := func(old, with string) string {
		if !strings.Contains(sampleLine+runLine, old) {
			t.Fatalf("no %q", old)
		}
		return strings.Replace(runLine, old, with, 1) + "\n" + strings.Replace(sampleLine, old, with, 1)
	}
	for name, c := range map[string]struct{ text, want string }{
		"nothing":           {"", "report: no samples"},
		"a run alone":       {runLine, "report: no samples"},
		"a sample alone":    {sampleLine, `line 1: the run "r" of the sample is not the one`},
		"an empty line":     {runLine + "\n\n" + sampleLine, "line 2: unexpected end of JSON"},
		"half a line":       {runLine + "\n" + sampleLine[:40] + "\n" + sampleLine, "line 2: unexpected end of JSON"},
		"half at the end":   {runLine + "\n" + sampleLine[:40] + "\n", "line 2: unexpected end of JSON"},
		"half of all":       {runLine + "\n" + sampleLine[:40], "report: no samples"},
		"two in one":        {runLine + "\n" + sampleLine[:40] + runLine, "line 2: invalid character"},
		"no JSON":           {runLine + "\n" + sampleLine + "\nend", "line 3: invalid character"},
		"wrong at the end":  {changed(`"round":1`, `"round":0`), "line 2: round 0"},
		"no kind":           {"{}", `line 1: the kind is "", neither`},
		"another field":     {changed(`"noisy"`, `"loud"`), `line 2: json: unknown field "loud"`},
		"another type":      {changed(`"round":1`, `"round":"1"`), "line 2: json: cannot unmarshal"},
		"a run's type":      {changed(`"suite":"short"`, `"suite":1`), "line 1: json: cannot unmarshal"},
		"another version":   {changed(`"schema":1`, `"schema":2`), "line 1: the format has version 2, and this program reads version 1"},
		"no name":           {changed(`"id":"r"`, `"id":""`), `line 1: the run "" is not the only`},
		"an odd role":       {changed(`"role":"ours"`, `"role":"us"`), `line 1: unknown role "us" of the server "wsloop"`},
		"a run twice":       {runLine + "\n" + runLine, `line 2: the run "r" is not the only`},
		"another run":       {changed(`"run":"r"`, `"run":"s"`), `line 2: the run "s" of the sample`},
		"an unknown server": {changed(`"server":"wsloop"`, `"server":"x"`), `line 2: the run does not know the server "x"`},
		"an odd scenario":   {changed(`"echo"`, `"each"`), `line 2: unknown scenario "each"`},
		"round 0":           {changed(`"round":1`, `"round":0`), "line 2: round 0, attempt 1: they count from 1"},
		"attempt 0":         {changed(`"attempt":1`, `"attempt":0`), "line 2: round 1, attempt 0: they count from 1"},
		"no values":         {changed(`{"cpu_ns":5}`, `{}`), "line 2: a sample without values and without an error"},
		"a negative value":  {changed(`"cpu_ns":5`, `"cpu_ns":-5`), "line 2: cpu_ns is -5"},
		"a huge value":      {changed(`"cpu_ns":5`, `"cpu_ns":1e19`), "line 2: cpu_ns is 1e+19"},
		"kept twice":        {runLine + "\n" + sampleLine + "\n" + sampleLine, "line 3: a second sample of echo/1/0/0, wsloop, round 1 is kept"},
		"a long line":       {runLine + strings.Repeat(" ", lineLimitBytes), "report: bufio.Scanner: token too long"},
	} {
		if _, err := Read(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	broken := errors.New("broken")
	if _, err := Read(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

// TestReadHalf has a run that was killed, at each byte of its last line.
func TestReadHalf(t *testing.T) {
	whole := runLine + "\n" + sampleLine + "\n"
	second := strings.Replace(sampleLine, `"round":1`, `"round":2`, 1)
	for n := 1; n < len(second); n++ {
		r, err := Read(strings.NewReader(whole + second[:n]))
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if s := r.results[0].spread(record.CPU, "wsloop"); s.N != 1 || r.Note() == "" || !strings.Contains(r.noise(), r.Note()) {
			t.Fatalf("%d bytes: %+v, %q, %q", n, s, r.Note(), r.noise())
		}
	}
	for _, text := range []string{whole, whole + second, whole + second + "\n"} {
		r, err := Read(strings.NewReader(text))
		if err != nil || r.Note() != "" || r.noise() != "no round was noisy" {
			t.Errorf("%q, %v", r.Note(), err)
		}
	}
}

func TestIdleMayShrink(t *testing.T) {
	f := newFile(t)
	f.add(record.Cell{Scenario: record.Idle, Connections: 18_000}, "c", record.Opened, -3)
	f.add(record.Cell{Scenario: record.DeflateIdle, Connections: 2000}, "c", record.Opened, -4)
	r := f.read()
	if s := r.results[0].spread(record.Opened, "c"); s.Median != -3 {
		t.Errorf("%+v", s)
	}
	if s := r.results[1].spread(record.Opened, "c"); s.Median != -4 {
		t.Errorf("%+v", s)
	}
}
