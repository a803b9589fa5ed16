package report

import (
	"bufio"
	"errors"
	"io"

	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// compared are the values that Compare looks at.
var compared = []struct {
	name string
	m    metric
}{
	{"CPU", cpu},
	{"per second", perSecond},
	{"p50", p50},
	{"p99", p99},
	{"p99.9", p999},
	{"once open", opened},
	{"after an echo", echoed},
	{"bandwidth", bandwidth},
	{"GC cycle", cycleTime},
}

// Compare writes how wsloop relates to another version of it, where both were measured. The ratio is taken within each round. It is
// better or worse only if it was so in all of them.
func (r *Report) Compare(w io.Writer) error {
	t := table{Title: "beside the other version", Head: []string{"", "", "before", "now", "now/before", "min to max", ""}}
	for _, one := range r.results {
		before, now := one.first(record.Before), one.first(record.Ours)
		for _, c := range compared {
			s := one.ratio(c.m.name, now, before)
			if s.N == 0 {
				continue
			}
			t.Rows = append(t.Rows, []string{
				one.title(), c.name, c.m.unit.median(one.spread(c.m.name, before)), c.m.unit.median(one.spread(c.m.name, now)),
				times.median(s), times.extremes(s), verdict(s, c.m.more),
			})
		}
	}
	if len(t.Rows) == 0 {
		return errors.New("report: no cell has both versions")
	}
	b := bufio.NewWriter(w)
	t.text(b, false)
	return b.Flush()
}

// verdict tells a difference from the spread. One round shows no spread.
func verdict(s Spread, more bool) string {
	switch {
	case s.N == 1:
		return "one round"
	case s.Min > 1 && more, s.Max < 1 && !more:
		return "better"
	case s.Min > 1, s.Max < 1:
		return "worse"
	}
	return "within the spread"
}
