package report

import "github.com/wsloop/wsloop/benchmarks/internal/record"

// summaryRows are what the README tells, in the cells that say most.
var summaryRows = []struct {
	what    string
	m       metric
	ofLimit bool // as a multiple of the limit
	cell    record.Cell
}{
	{"CPU per message", cpu, true, cellOf(1000, 1, 125)},
	{"CPU per message", cpu, true, cellOf(1000, 16, 125)},
	{"CPU per message", cpu, true, cellOf(10_000, 1, 125)},
	{"CPU per message", cpu, true, cellOf(100, 1, 16<<10)},
	{"messages a second", perSecond, false, cellOf(1000, 16, 125)},
	{"p99", p99, false, record.Cell{Scenario: record.Latency, Connections: 1000}},
	{"resident memory, each idle", opened, false, record.Cell{Scenario: record.Idle}},
	{"CPU per connection that comes and goes", cpu, true, record.Cell{Scenario: record.Churn}},
	{"broadcast deliveries a second", perSecond, false, record.Cell{Scenario: record.Broadcast, Connections: 1000}},
}

// summaryTable sets ours beside the limit, the best rival in Go and Bun. Rows that were not measured are left out.
func (r *Report) summaryTable() table {
	t := table{Head: []string{"", "C, without WebSocket", "wsloop", "best in Go", "Bun"}}
	for _, row := range summaryRows {
		for _, one := range r.results {
			ours := one.first(record.Ours)
			if !covers(row.cell, one.cell) || one.spread(row.m.name, ours).N == 0 {
				continue
			}
			text := func(server string) string {
				if row.ofLimit {
					return times.median(one.ratio(row.m.name, server, limit(one)))
				}
				return row.m.unit.median(one.spread(row.m.name, server))
			}
			best, _ := one.best(row.m, record.GoRival)
			inGo := text(best)
			if best != "" {
				inGo += " (" + plain(best) + ")"
			}
			t.Rows = append(t.Rows, []string{row.what + ": " + describe(one.cell), text(limit(one)), text(ours), inGo, text("bun")})
			break
		}
	}
	return t
}
