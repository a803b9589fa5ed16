package report

import (
	"fmt"

	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// measure finds the value of a target in a cell, and what there is to say about it. There is no value if the spread has no rounds;
// the note says what was missing then.
type measure func(report *Report, r *result) (s Spread, note string)

// own is a value of ours.
func own(m metric) measure {
	return func(_ *Report, r *result) (Spread, string) { return r.spread(m.name, r.first(record.Ours)), "" }
}

// ofLimit relates ours to the limit.
func ofLimit(m metric) measure {
	return func(_ *Report, r *result) (Spread, string) {
		return r.related(m, r.first(record.Ours), r.first(record.Limit), "")
	}
}

// ofServer relates ours to a server by its name.
func ofServer(m metric, server string) measure {
	return func(_ *Report, r *result) (Spread, string) {
		return r.related(m, r.first(record.Ours), server, "")
	}
}

// ofBest relates ours to the best server of some roles.
func ofBest(m metric, wanted ...record.Role) measure {
	return func(_ *Report, r *result) (Spread, string) {
		best, of := r.best(m, wanted...)
		return r.related(m, r.first(record.Ours), best, fmt.Sprintf("%s, best of %d", best, of))
	}
}

// limitOfBest relates the limit to the best server of some roles.
func limitOfBest(m metric, wanted ...record.Role) measure {
	return func(_ *Report, r *result) (Spread, string) {
		best, _ := r.best(m, wanted...)
		limit := r.first(record.Limit)
		return r.related(m, limit, best, limit)
	}
}

func (r *result) related(m metric, a, b, note string) (Spread, string) {
	s := r.ratio(m.name, a, b)
	if s.N == 0 {
		note = "nothing to compare with"
	}
	return s, note
}

// growth relates the cell to the same with a thousand connections: how much more of the limit we cost.
func growth(report *Report, r *result) (Spread, string) {
	for _, small := range report.of(record.Echo) {
		if covers(cellOf(1000, 1, 125), small.cell) {
			of := func(r *result) Spread {
				return r.ratio(record.CPU, r.first(record.Ours), r.first(record.Limit))
			}
			return of(r).over(of(small)), ""
		}
	}
	return Spread{}, "1,000 connections were not measured"
}

// tenMillion is how many messages a promise about allocations is about.
const tenMillion = 10_000_000

// allocations are objects allocated per message.
func allocations(_ *Report, r *result) (Spread, string) {
	return r.perMessage(record.Mallocs, 1)
}

// cycles are GC cycles per million messages.
func cycles(_ *Report, r *result) (Spread, string) {
	return r.perMessage(record.Cycles, 1e6)
}

// perMessage divides what the runtime counted by the messages, times a factor. The messages of a round have to be enough.
func (r *result) perMessage(name string, factor float64) (Spread, string) {
	ours := r.first(record.Ours)
	messages := r.spread(record.Messages, ours)
	if messages.N > 0 && messages.Min < tenMillion {
		return Spread{}, "only " + whole(messages.Min) + " messages"
	}
	s := r.quotient(ours, name, ours, record.Messages)
	return Spread{s.Median * factor, s.Min * factor, s.Max * factor, s.N}, ""
}
