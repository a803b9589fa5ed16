package report

import (
	"math"
	"strings"
)

// axis maps values onto a line from 0 to 1. A logarithmic one has no 0.
type axis struct {
	low, high   float64
	logarithmic bool
	ticks       []tick
}

type tick struct {
	at    float64
	label string
}

// place returns where a value is; values beyond the axis are at its ends.
func (a *axis) place(v float64) float64 {
	low, high := a.low, a.high
	if a.logarithmic {
		v, low, high = math.Log(max(v, low)), math.Log(low), math.Log(high)
	}
	return min(max((v-low)/(high-low), 0), 1)
}

// linear is an axis from 0 to at least greatest.
func linear(greatest float64, u unit) axis {
	const most = 4 // ticks above 0
	step := roundUp(max(greatest, 1e-9) / most)
	a := axis{high: math.Ceil(greatest/step-1e-9) * step}
	if greatest <= 0 {
		a.high = step * most
	}
	for i := 0.0; i*step <= a.high*1.0001; i++ {
		a.ticks = append(a.ticks, tick{i * step, u.tick(i * step)})
	}
	a.ticks[0].label = "0"
	return a
}

// logarithmic is an axis over the values from least to greatest, which are above 0, with some room at both ends. It has
// more ticks in each power of ten the fewer of these it covers.
func logarithmic(least, greatest float64, u unit) axis {
	const room, span = 1.08, 1.5 // within the span there is always a tick
	if greatest < span*least {
		middle := math.Sqrt(least * greatest)
		least, greatest = middle/math.Sqrt(span), middle*math.Sqrt(span)
	}
	a := axis{logarithmic: true, low: least / room, high: greatest * room}
	steps := []float64{1, 1.2, 1.5, 2, 3, 4, 5, 7}
	switch n := math.Log10(a.high / a.low); {
	case n > 2.1:
		steps = []float64{1}
	case n > 1:
		steps = []float64{1, 2, 5}
	case n > 0.5:
		steps = []float64{1, 1.5, 2, 3, 5}
	}
	for power := math.Floor(math.Log10(a.low)); power <= math.Ceil(math.Log10(a.high)); power++ {
		for _, step := range steps {
			if v := step * math.Pow(10, power); v >= a.low && v <= a.high {
				a.ticks = append(a.ticks, tick{v, u.tick(v)})
			}
		}
	}
	return a
}

// roundUp rounds v to the next of 1, 2 and 5 times a power of ten.
func roundUp(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, step := range []float64{1, 2, 5} {
		if step*power >= v*0.9999 {
			return step * power
		}
	}
	return 10 * power
}

// tick writes a value as format does, without what is zero behind the point.
func (u unit) tick(v float64) string {
	number, rest, _ := strings.Cut(u.format(v), " ")
	if strings.Contains(number, ".") {
		number = strings.TrimRight(strings.TrimRight(number, "0"), ".")
	}
	return strings.TrimSpace(number + " " + rest)
}
