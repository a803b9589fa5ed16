package report

import (
	"math"
	"slices"
	"strings"

	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// classes are how the marks of a role look.
var classes = map[record.Role]string{
	record.Limit: "limit", record.Ours: "ours", record.Before: "before", record.GoRival: "go", record.Rival: "native", record.Reference: "reference",
}

// roleKeys explain them.
var roleKeys = []key{{"ours", "wsloop"}, {"before", "another wsloop"}, {"go", "in Go"}, {"native", "not in Go"}, {"reference", "TCP only, in Go"}}

// value finds what a chart shows of a server in a cell.
type value func(r *result, server string) Spread

func plainValue(m metric) value {
	return func(r *result, server string) Spread { return r.spread(m.name, server) }
}

// multiple is the value as a multiple of another server's.
func multiple(m metric, other func(r *result) string) value {
	return func(r *result, server string) Spread { return r.ratio(m.name, server, other(r)) }
}

// overview has a row for each cell, and a mark for each server in it. It is nil if there is nothing to show.
func overview(name, note string, results []*result, of value) *chart {
	c := &chart{Name: name, Note: note, axisOf: "multiple, on a logarithmic scale", line: 1}
	roles := make(map[string]bool)
	for _, one := range results {
		line := row{name: short(one.cell), text: times.median(of(one, one.first(record.Ours)))}
		servers := one.servers()
		slices.Reverse(servers) // ours is drawn over others
		for _, server := range servers {
			class := classes[one.role(server)]
			if s := of(one, server); s.Median > 0 && class != "limit" {
				if class != "ours" {
					s.N = 1 // whiskers of many would hide each other
				}
				line.marks = append(line.marks, mark{class, server + ": " + times.full(of(one, server)), s})
				roles[class] = true
			}
		}
		if len(line.marks) > 0 {
			c.rows = append(c.rows, line)
		}
	}
	for _, k := range roleKeys {
		if roles[k.Class] {
			c.Legend = append(c.Legend, k)
		}
	}
	return c.logarithmic(times)
}

// bars has a row for each server of a cell. It is nil if there is nothing to show.
func bars(name, axisOf string, r *result, u unit, line float64, of value) *chart {
	c := &chart{Name: name, Note: r.roundsText(), axisOf: axisOf, line: line, bars: true}
	most := 0.0
	for _, server := range r.servers() {
		s := of(r, server)
		if s.N == 0 {
			continue
		}
		class := classes[r.role(server)]
		c.rows = append(c.rows, row{server, class, u.format(s.Median), []mark{{class, server + ": " + u.full(s), s}}})
		most = max(most, s.Max)
	}
	if len(c.rows) == 0 {
		return nil
	}
	c.axis = linear(max(most, line), u)
	c.finish()
	return c
}

// dots has a row for each server of a cell, with several of its values on a logarithmic scale. It is nil if there is nothing to show.
func dots(name, axisOf string, r *result, metrics []metric, names []string) *chart {
	c := &chart{Name: name, Note: r.roundsText(), axisOf: axisOf}
	kinds := []string{"first", "second", "third"}
	for _, server := range r.servers() {
		line := row{name: server, class: classes[r.role(server)]}
		for i, m := range metrics {
			if s := r.spread(m.name, server); s.N > 0 {
				line.marks = append(line.marks, mark{kinds[i], server + ", " + names[i] + ": " + m.unit.full(s), s})
				line.text = m.unit.format(s.Median)
			}
		}
		if len(line.marks) > 0 {
			c.rows = append(c.rows, line)
		}
	}
	for i, name := range names {
		c.Legend = append(c.Legend, key{kinds[i], name})
	}
	return c.logarithmic(metrics[0].unit)
}

// logarithmic gives the chart an axis over its values that are above 0. It returns nil if there are none.
func (c *chart) logarithmic(u unit) *chart {
	least, most := math.Inf(1), 0.0
	for _, r := range c.rows {
		for _, m := range r.marks {
			for _, v := range []float64{m.value.Min, m.value.Median, m.value.Max} {
				if v > 0 && (m.value.N > 1 || v == m.value.Median) {
					least, most = min(least, v), max(most, v)
				}
			}
		}
	}
	if most == 0 {
		return nil
	}
	c.axis = logarithmic(least, most, u)
	c.finish()
	return c
}

// finish makes what others wrote fit for the page, and says in words what is drawn.
func (c *chart) finish() {
	const least, bold = 60, 1.15
	var parts []string
	for i := range c.rows {
		r := &c.rows[i]
		r.name = plain(r.name)
		c.names = max(c.names, least, int(labelWidth(r.name)*bold)+10)
		for j := range r.marks {
			r.marks[j].title = plain(r.marks[j].title)
		}
		parts = append(parts, r.name+" "+r.text)
	}
	c.summary = strings.Join(parts, ", ")
}

// short names a cell of echo or mask in little room.
func short(c record.Cell) string {
	if c.Scenario == record.Mask {
		return size(c.Bytes)
	}
	text := whole(float64(c.Connections)) + " × " + whole(float64(c.Outstanding)) + " × " + size(c.Bytes)
	if c.Text {
		text += " text"
	}
	if c.Takeover {
		text += ", takeover"
	}
	if c.Cores > 1 {
		text += ", " + plural(c.Cores, "core")
	}
	return text
}
