package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// used are the runs that some result is of.
func (r *Report) used() []*record.Run {
	var all []*record.Run
	for _, run := range r.runs {
		if slices.ContainsFunc(r.results, func(one *result) bool { return one.run == run }) {
			all = append(all, run)
		}
	}
	return all
}

// runTables tell where the figures come from: one table for all runs that differ in nothing but what they measured, and when.
func (r *Report) runTables() []table {
	var all []table
	runs := r.used()
	for len(runs) > 0 {
		var group, rest []*record.Run
		for _, run := range runs {
			if alike(runs[0], run) {
				group = append(group, run)
			} else {
				rest = append(rest, run)
			}
		}
		all = append(all, runTable(group))
		runs = rest
	}
	return all
}

// alike says whether two runs are of the same programs on the same machine.
func alike(a, b *record.Run) bool {
	if a.Machine != b.Machine || a.Commit != b.Commit || a.Modified != b.Modified {
		return false
	}
	for name, server := range a.Servers {
		if other, found := b.Servers[name]; found && other != server {
			return false
		}
	}
	return true
}

// runTable describes runs that are alike.
func runTable(runs []*record.Run) table {
	t := table{Title: "run " + plain(runs[0].ID), Head: []string{"", ""}}
	if len(runs) > 1 {
		t.Title = plural(len(runs), "run")
	}
	add := func(name, value string) {
		if value != "" {
			t.Rows = append(t.Rows, []string{name, plain(value)})
		}
	}
	servers := make(map[string]record.Server)
	for _, run := range runs {
		add(run.Began.UTC().Format("2006-01-02 15:04 UTC"),
			fmt.Sprintf("%s; %s of %s", run.Suite, plural(run.Rounds, "round"), plural(run.Seconds, "second")))
		maps.Copy(servers, run.Servers)
	}
	first := runs[0]
	commit := first.Commit
	if first.Modified {
		commit += ", with changes that are not committed"
	}
	add("commit", commit)
	m := &first.Machine
	add("machine", fmt.Sprintf("%s, %s, %s", m.CPU, plural(m.Cores, "core"), octets.format(float64(m.MemoryBytes))))
	add("system", strings.TrimSpace(m.System+", "+m.Kernel))
	add("Go", m.Go)
	byRole := func(a, b string) int {
		x, y := servers[a].Role, servers[b].Role
		return cmp.Or(cmp.Compare(slices.Index(roles, x), slices.Index(roles, y)), cmp.Compare(a, b))
	}
	for _, name := range slices.SortedFunc(maps.Keys(servers), byRole) {
		add(plain(name), cmp.Or(servers[name].Version, missing))
	}
	return t
}
