package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// Status is whether a promise is kept.
type Status string

const (
	Holds       Status = "holds"
	Partly      Status = "holds in part" // where it was measured; that was not everywhere
	Broken      Status = "does not hold"
	NotMeasured Status = "not measured"
	NoRoom      Status = "no room" // the limit itself does not reach the bound
)

// Promise is a target, and what was found about it.
type Promise struct {
	What     string
	Bound    string // such as "at most 1.05 × the C echo"
	Reason   string // for the bound
	Status   Status
	Findings []Finding // one for each cell that it is about
	unit     unit
}

// Finding is what was found about a promise in a cell. A cell without a value was not measured.
type Finding struct {
	Cell   record.Cell
	Status Status
	Value  Spread
	Note   string // with whom it is compared, or why there is no value
	excess float64
}

// Promises are all targets, measured or not, in the order of the table. The median decides.
func (r *Report) Promises() []Promise {
	var all []Promise
	for i := range targets {
		all = append(all, targets[i].check(r))
	}
	return all
}

func (t *target) check(r *Report) Promise {
	p := Promise{What: t.what, Bound: t.limit(), Reason: t.reason, unit: t.unit}
	for _, demand := range demanded {
		measured := slices.IndexFunc(r.results, func(one *result) bool { return covers(demand, one.cell) })
		if measured < 0 && t.about(demand) {
			p.Findings = append(p.Findings, Finding{Cell: demand, Status: NotMeasured})
		}
	}
	for _, one := range r.results {
		if t.about(one.cell) {
			p.Findings = append(p.Findings, t.find(r, one))
		}
	}
	slices.SortStableFunc(p.Findings, func(a, b Finding) int { return compareCells(a.Cell, b.Cell) })
	p.Status = status(p.Findings)
	return p
}

func (t *target) about(c record.Cell) bool {
	c.Cores = max(c.Cores, 1)
	return c.Scenario == t.scenario && (t.in == nil || t.in(c))
}

// limit writes the bound.
func (t *target) limit() string {
	text := string(t.relation) + " " + t.unit.tick(t.bound)
	if t.of != "" {
		text += " × " + t.of
	}
	return text
}

// find looks at one cell.
func (t *target) find(r *Report, in *result) Finding {
	f := Finding{Cell: in.cell, Status: Broken}
	f.Value, f.Note = t.measure(r, in)
	f.excess = f.Value.Median / t.bound
	if t.relation == atLeast || t.relation == above {
		f.excess = -f.excess
	}
	switch {
	case f.Value.N == 0:
		f.Status, f.Note = NotMeasured, in.excuse(f.Note)
	case t.holds(f.Value.Median):
		f.Status = Holds
	case t.room != nil:
		if most, who := t.room(r, in); most.N > 0 && !t.holds(most.Median) {
			f.Status = NoRoom
			f.Note += t.itself(who, most)
		}
	}
	if t.aside != nil && f.Status != NotMeasured {
		if s, who := t.aside(r, in); s.N > 0 {
			f.Note += t.itself(who, s)
		}
	}
	if len(in.noisy) > 0 && f.Status != NotMeasured {
		f.Note = strings.TrimPrefix(fmt.Sprintf("%s; %d of %s noisy", f.Note, len(in.noisy), plural(len(in.rounds), "round")), "; ")
	}
	return f
}

// itself continues a note with what another server reaches.
func (t *target) itself(who string, s Spread) string {
	return fmt.Sprintf("; %s itself has %s", who, t.unit.format(s.Median))
}

func (t *target) holds(v float64) bool {
	switch t.relation {
	case atMost:
		return v <= t.bound
	case atLeast:
		return v >= t.bound
	case below:
		return v < t.bound
	default:
		return v > t.bound
	}
}

// excuse says why ours has no value in a cell: its own failure before anything else.
func (r *result) excuse(otherwise string) string {
	for _, f := range r.failures {
		if r.role(f.server) == record.Ours {
			return f.server + ": " + f.reason
		}
	}
	return otherwise
}

// status sums up: broken in one cell is broken.
func status(findings []Finding) Status {
	n := make(map[Status]int)
	for _, f := range findings {
		n[f.Status]++
	}
	switch {
	case n[Broken] > 0:
		return Broken
	case n[Holds]+n[NoRoom] == 0:
		return NotMeasured
	case n[Holds] == 0:
		return NoRoom
	case n[NotMeasured] > 0:
		return Partly
	}
	return Holds
}

// Worst is the finding that decides: of those that there was room for, the one furthest beyond the bound or nearest to it.
// It is nil if nothing was measured.
func (p *Promise) Worst() *Finding {
	var worst *Finding
	for i := range p.Findings {
		f := &p.Findings[i]
		counts := f.Status == Holds || f.Status == Broken
		if counts && (worst == nil || f.excess > worst.excess) {
			worst = f
		}
	}
	return worst
}

// Where says in how many of its cells the promise holds, and why not in others.
func (p *Promise) Where() string {
	n := make(map[Status]int)
	for _, f := range p.Findings {
		n[f.Status]++
	}
	text := fmt.Sprintf("%d of %d", n[Holds], len(p.Findings)-n[NoRoom])
	if n[NotMeasured] > 0 {
		text += fmt.Sprintf(", %d not measured", n[NotMeasured])
	}
	if n[NoRoom] > 0 {
		text += fmt.Sprintf(", no room in %d", n[NoRoom])
	}
	return text
}

// text writes the value with its extremes.
func (f *Finding) text(u unit) string {
	if f.Value.N == 0 {
		return missing
	}
	return u.full(f.Value)
}
