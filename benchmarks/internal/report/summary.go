package report

import (
	"fmt"
	"strconv"
	"strings"
)

// plural writes how many of something there are.
func plural[N int | float64](n N, one string) string {
	text := strconv.FormatFloat(float64(n), 'g', -1, 64)
	if n != 1 {
		one += "s"
	}
	return text + " " + one
}

// promiseTable has a row for each promise.
func (r *Report) promiseTable(promises []Promise) table {
	t := table{Title: "promises", Note: verdicts(promises) + "; " + r.noise(), Head: []string{"", "promise", "bound", "worst", "in cells", "where"}}
	for i := range promises {
		p := &promises[i]
		row := []string{string(p.Status), p.What, p.Bound, missing, p.Where(), ""}
		if worst := p.Worst(); worst != nil {
			row[3], row[5] = worst.text(p.unit), describe(worst.Cell)
			if worst.Note != "" {
				row[5] += " (" + plain(worst.Note) + ")"
			}
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// verdicts counts the promises by what became of them.
func verdicts(promises []Promise) string {
	n := make(map[Status]int)
	for _, p := range promises {
		n[p.Status]++
	}
	var parts []string
	for _, s := range []Status{Holds, Partly, Broken, NoRoom, NotMeasured} {
		if n[s] > 0 {
			parts = append(parts, fmt.Sprintf("%s: %d", s, n[s]))
		}
	}
	return strings.Join(parts, ", ")
}

// noise says how far the figures deserve belief.
func (r *Report) noise() string {
	rounds, noisy := 0, 0
	for _, one := range r.results {
		rounds, noisy = rounds+len(one.rounds), noisy+len(one.noisy)
	}
	text := "no round was noisy"
	if noisy > 0 {
		text = fmt.Sprintf("%d of %s noisy: what others ran is in these figures", noisy, plural(rounds, "round"))
	}
	if note := r.Note(); note != "" {
		text += "; " + note
	}
	return text
}

// brokenTable names each cell in which a promise does not hold.
func brokenTable(promises []Promise) table {
	t := table{Title: "where promises do not hold", Head: []string{"promise", "bound", "value", "where", "beside"}}
	for i := range promises {
		p := &promises[i]
		for j := range p.Findings {
			if f := &p.Findings[j]; f.Status == Broken {
				t.Rows = append(t.Rows, []string{p.What, p.Bound, f.text(p.unit), describe(f.Cell), plain(f.Note)})
			}
		}
	}
	return t
}

// failureTable names the servers that gave no figures, and how often.
func (r *Report) failureTable() table {
	t := table{Title: "failed", Head: []string{"server", "where", "times", "why"}}
	for _, one := range r.results {
		for _, f := range one.failures {
			reason, _, _ := strings.Cut(f.reason, "\n")
			t.Rows = append(t.Rows, []string{plain(f.server), one.title(), whole(float64(f.times)), plain(reason)})
		}
	}
	return t
}
