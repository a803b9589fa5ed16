package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// Report is what the runs of a file found. It is not changed once it was read, so that goroutines may share it.
type Report struct {
	runs    []*record.Run
	results []*result // in the order in which they are shown
	cut     bool      // the last line was not whole
}

// Note is what to know about the file that was read, or "".
func (r *Report) Note() string {
	if r.cut {
		return "the last line is not whole, as of a run that was killed, and was left out"
	}
	return ""
}

// lineLimitBytes is how long a line may be. Those of a run with its machine and servers have some 2 kB.
const lineLimitBytes = 1 << 20

// scenarios are those there are, in the order in which they are shown.
var scenarios = []record.Scenario{
	record.Echo, record.Latency, record.Idle, record.Churn, record.Broadcast, record.Mask, record.Allocs, record.Collect,
	record.Deflate, record.DeflateIdle, record.TLS,
}

// mayShrink are those in which a process may give back more memory than it gains.
var mayShrink = map[record.Scenario]bool{record.Idle: true, record.DeflateIdle: true}

// reader is where Read is in its file.
type reader struct {
	report *Report
	kept   map[string]bool // what there may be only once: a kept sample of a server in a round of a cell of a run
}

// Read reads a file of runs and their samples. It takes nothing that it does not know, and its errors say which
// line is wrong. A file without a sample is none. Of a run that was killed, half of the last line may be there; it is left
// out, and Note says so.
func Read(from io.Reader) (*Report, error) {
	r := &reader{new(Report), make(map[string]bool)}
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, lineLimitBytes)
	ended := true // the line, by a newline
	lines.Split(func(data []byte, atEOF bool) (advance int, token []byte, err error) {
		advance, token, err = bufio.ScanLines(data, atEOF)
		ended = advance == 0 || data[advance-1] == '\n'
		return advance, token, err
	})
	for n := 1; lines.Scan(); n++ {
		err := r.line(lines.Bytes())
		if err != nil && !ended && isCut(lines.Bytes()) {
			r.report.cut = true
			break
		}
		if err != nil {
			return nil, fmt.Errorf("report: line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	if len(r.report.results) == 0 {
		return nil, errors.New("report: no samples")
	}
	r.report.sort()
	return r.report, nil
}

// isCut reports whether JSON is right as far as it goes, and goes on.
func isCut(text []byte) bool {
	var all json.RawMessage
	return errors.Is(json.NewDecoder(bytes.NewReader(text)).Decode(&all), io.ErrUnexpectedEOF)
}

// line reads one object, which says what it is.
func (r *reader) line(text []byte) error {
	var is struct {
		Kind string `json:"kind"`
	}
	if err := json.Unmarshal(text, &is); err != nil {
		return err
	}
	switch is.Kind {
	case "run":
		run := new(record.Run)
		if err := decode(text, run); err != nil {
			return err
		}
		return r.run(run)
	case "sample":
		sample := new(record.Sample)
		if err := decode(text, sample); err != nil {
			return err
		}
		return r.sample(sample)
	}
	return fmt.Errorf("the kind is %q, neither run nor sample", is.Kind)
}

// decode refuses fields that the format does not have.
func decode(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

func (r *reader) run(run *record.Run) error {
	if run.Schema != record.Schema {
		return fmt.Errorf("the format has version %d, and this program reads version %d", run.Schema, record.Schema)
	}
	same := func(one *record.Run) bool { return one.ID == run.ID }
	if run.ID == "" || slices.ContainsFunc(r.report.runs, same) {
		return fmt.Errorf("the run %q is not the only one of that name", run.ID)
	}
	for name, server := range run.Servers {
		if !slices.Contains(roles, server.Role) {
			return fmt.Errorf("unknown role %q of the server %q", server.Role, name)
		}
	}
	r.report.runs = append(r.report.runs, run)
	return nil
}

// last is the run that the next samples belong to.
func (r *reader) last() *record.Run {
	if n := len(r.report.runs); n > 0 {
		return r.report.runs[n-1]
	}
	return nil
}

func (r *reader) sample(s *record.Sample) error {
	run := r.last()
	if run == nil || run.ID != s.Run {
		return fmt.Errorf("the run %q of the sample is not the one that stands before it", s.Run)
	}
	if _, found := run.Servers[s.Server]; !found {
		return fmt.Errorf("the run does not know the server %q", s.Server)
	}
	if !slices.Contains(scenarios, s.Cell.Scenario) {
		return fmt.Errorf("unknown scenario %q", s.Cell.Scenario)
	}
	if s.Round < 1 || s.Attempt < 1 {
		return fmt.Errorf("round %d, attempt %d: they count from 1", s.Round, s.Attempt)
	}
	if s.Kept && s.Error == "" {
		key := fmt.Sprintf("%s %v %q %d", s.Run, s.Cell, s.Server, s.Round)
		if r.kept[key] {
			return fmt.Errorf("a second sample of %s, %s, round %d is kept", s.Cell, s.Server, s.Round)
		}
		r.kept[key] = true
		if len(s.Values) == 0 {
			return errors.New("a sample without values and without an error")
		}
	}
	for name, v := range s.Values {
		if v < 0 && !mayShrink[s.Cell.Scenario] || math.Abs(v) > 1e18 {
			return fmt.Errorf("%s is %v", name, v)
		}
	}
	r.report.result(run, s.Cell).add(s)
	return nil
}

// result returns the result of a cell, a new one if that at hand is of an earlier run.
func (r *Report) result(run *record.Run, c record.Cell) *result {
	at := slices.IndexFunc(r.results, func(one *result) bool { return one.cell == c })
	if at < 0 {
		at = len(r.results)
		r.results = append(r.results, nil)
	}
	if r.results[at] == nil || r.results[at].run != run {
		r.results[at] = newResult(run, c)
	}
	return r.results[at]
}
