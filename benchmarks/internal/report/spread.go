package report

import (
	"slices"
)

// Spread is a value over the rounds. Without rounds, N is 0 and the others mean nothing.
type Spread struct {
	Median, Min, Max float64
	N                int // rounds
}

// spreadOf sorts the values. Of an even number of them, the median is between the two in the middle.
func spreadOf(values []float64) Spread {
	n := len(values)
	if n == 0 {
		return Spread{}
	}
	slices.Sort(values)
	return Spread{(values[(n-1)/2] + values[n/2]) / 2, values[0], values[n-1], n}
}

// over relates values that were not taken in one round: the extremes are as far apart as they can be.
func (s Spread) over(t Spread) Spread {
	if s.N == 0 || t.N == 0 || t.Min <= 0 {
		return Spread{}
	}
	return Spread{s.Median / t.Median, s.Min / t.Max, s.Max / t.Min, min(s.N, t.N)}
}
