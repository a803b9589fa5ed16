package runner

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// A Journal writes a run. It remembers what was kept, for who needs it in the same run.
type Journal struct {
	out  io.Writer
	run  record.Run
	kept []record.Sample
}

// NewJournal writes the run, which everything that follows belongs to.
func NewJournal(out io.Writer, run record.Run) (*Journal, error) {
	run.Kind, run.Schema = "run", record.Schema
	j := &Journal{out: out, run: run}
	return j, j.write(run)
}

// Add writes a sample. Its server has to be one of the run.
func (j *Journal) Add(s record.Sample) error {
	if _, known := j.run.Servers[s.Server]; !known {
		return fmt.Errorf("runner: a sample of %q, which the run does not name", s.Server)
	}
	s.Kind, s.Run = "sample", j.run.ID
	if s.Kept && s.Error == "" {
		j.kept = append(j.kept, s)
	}
	return j.write(s)
}

// write writes one line with one call, so that whoever reads meanwhile has whole ones.
func (j *Journal) write(v any) error {
	line, err := json.Marshal(v)
	if err == nil {
		_, err = j.out.Write(append(line, '\n'))
	}
	if err != nil {
		return fmt.Errorf("runner: journal: %w", err)
	}
	return nil
}

// Median is that of a value of a server in the rounds of a cell that were kept, and whether there is one.
func (j *Journal) Median(c record.Cell, server, value string) (float64, bool) {
	var all []float64
	for _, s := range j.kept {
		if v, found := s.Values[value]; found && s.Cell == c && s.Server == server {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return 0, false
	}
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2, true
}
