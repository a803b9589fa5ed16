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
	step := round125(max(greatest, 1e-9)/most, math.Ceil)
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

// logarithmic is an axis over the values from least to greatest, which are above 0. Its ticks are at 1, 2 and 5 times powers
// of ten, or at fewer where these would be many.
func logarithmic(least, greatest float64, u unit) axis {
	a := axis{logarithmic: true, low: round125(least, math.Floor), high: round125(greatest, math.Ceil)}
	if a.high <= a.low {
		a.high = a.low * 10
	}
	steps := []float64{1, 2, 5}
	if math.Log10(a.high/a.low) > 2.1 {
		steps = steps[:1]
	}
	for power := math.Floor(math.Log10(a.low)); power <= math.Ceil(math.Log10(a.high)); power++ {
		for _, step := range steps {
			if v := step * math.Pow(10, power); v >= a.low*0.9999 && v <= a.high*1.0001 {
				a.ticks = append(a.ticks, tick{v, u.tick(v)})
			}
		}
	}
	return a
}

// round125 rounds v to 1, 2 or 5 times a power of ten: to the nearest above for math.Ceil, below for math.Floor.
func round125(v float64, up func(float64) float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	steps := []float64{1, 2, 5, 10}
	if up(0.5) == 1 {
		for _, step := range steps {
			if step*power >= v*0.9999 {
				return step * power
			}
		}
	}
	for i := len(steps) - 1; i > 0; i-- {
		if steps[i]*power <= v*1.0001 {
			return steps[i] * power
		}
	}
	return power
}

// tick writes a value as format does, without zeros at its end.
func (u unit) tick(v float64) string {
	number, rest, _ := strings.Cut(u.format(v), " ")
	if strings.Contains(number, ".") {
		number = strings.TrimRight(strings.TrimRight(number, "0"), ".")
	}
	return strings.TrimSpace(number + " " + rest)
}
