package report

import (
	"cmp"
	"maps"
	"slices"

	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// result is what the last run that measured a cell found there.
type result struct {
	run      *record.Run
	cell     record.Cell
	rounds   map[int]map[string]map[string]float64 // by number, server and value
	noisy    map[int]bool                          // rounds
	failures []failure
}

// failure is a server that gave no figures.
type failure struct {
	server, reason string
	times          int // attempts
}

func newResult(run *record.Run, c record.Cell) *result {
	return &result{run: run, cell: c, rounds: make(map[int]map[string]map[string]float64), noisy: make(map[int]bool)}
}

func (r *result) add(s *record.Sample) {
	switch {
	case s.Error != "":
		same := func(f failure) bool { return f.server == s.Server && f.reason == s.Error }
		if at := slices.IndexFunc(r.failures, same); at >= 0 {
			r.failures[at].times++
		} else {
			r.failures = append(r.failures, failure{s.Server, s.Error, 1})
		}
	case s.Kept:
		if r.rounds[s.Round] == nil {
			r.rounds[s.Round] = make(map[string]map[string]float64)
		}
		r.rounds[s.Round][s.Server] = s.Values
		if s.Noisy {
			r.noisy[s.Round] = true
		}
	}
}

// roles is the order in which servers are shown.
var roles = []record.Role{record.Limit, record.Ours, record.Before, record.GoRival, record.Rival, record.Reference}

// servers are those of some roles that gave figures, by role and name. Without roles it is all of them.
func (r *result) servers(wanted ...record.Role) []string {
	if len(wanted) == 0 {
		wanted = roles
	}
	seen := make(map[string]bool)
	for _, round := range r.rounds {
		for server := range round {
			seen[server] = slices.Contains(wanted, r.role(server))
		}
	}
	maps.DeleteFunc(seen, func(_ string, is bool) bool { return !is })
	return slices.SortedFunc(maps.Keys(seen), func(a, b string) int {
		return cmp.Or(cmp.Compare(slices.Index(roles, r.role(a)), slices.Index(roles, r.role(b))), cmp.Compare(a, b))
	})
}

func (r *result) role(server string) record.Role { return r.run.Servers[server].Role }

// first is the server that has a role, or "" if none of it gave figures.
func (r *result) first(role record.Role) string {
	if all := r.servers(role); len(all) > 0 {
		return all[0]
	}
	return ""
}

// spread is that of a value of a server. There is none if it was not measured.
func (r *result) spread(value, server string) Spread {
	var all []float64
	for _, round := range r.rounds {
		if v, found := round[server][value]; found {
			all = append(all, v)
		}
	}
	return spreadOf(all)
}

// ratio is that of a value of two servers, a/b, taken within each round that both have.
func (r *result) ratio(value, a, b string) Spread {
	return r.quotient(a, value, b, value)
}

// quotient is that of a value of the server a and another of b, taken within each round that has both.
func (r *result) quotient(a, nameX, b, nameY string) Spread {
	var all []float64
	for _, round := range r.rounds {
		x, inA := round[a][nameX]
		y, inB := round[b][nameY]
		if inA && inB && y > 0 {
			all = append(all, x/y)
		}
	}
	return spreadOf(all)
}

// best is the server of some roles with the best median of a value, and how many have it. It is "" if none has.
func (r *result) best(m metric, wanted ...record.Role) (server string, of int) {
	var median float64
	for _, one := range r.servers(wanted...) {
		s := r.spread(m.name, one)
		if s.N == 0 {
			continue
		}
		if of++; server == "" || s.Median < median != m.more {
			server, median = one, s.Median
		}
	}
	return server, of
}

// sort brings the results into the order in which they are shown.
func (r *Report) sort() {
	slices.SortStableFunc(r.results, func(a, b *result) int { return compareCells(a.cell, b.cell) })
}

// compareCells orders binary before text, few cores before many, no context takeover before it, and small before large.
func compareCells(a, b record.Cell) int {
	last := func(is bool) int {
		if is {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(slices.Index(scenarios, a.Scenario), slices.Index(scenarios, b.Scenario)),
		cmp.Compare(max(a.Cores, 1), max(b.Cores, 1)), cmp.Compare(last(a.Text), last(b.Text)), cmp.Compare(last(a.Takeover), last(b.Takeover)),
		cmp.Compare(a.Bytes, b.Bytes), cmp.Compare(a.Outstanding, b.Outstanding), cmp.Compare(a.Connections, b.Connections))
}

// of are the results of a scenario.
func (r *Report) of(s record.Scenario) []*result {
	var all []*result
	for _, one := range r.results {
		if one.cell.Scenario == s {
			all = append(all, one)
		}
	}
	return all
}
