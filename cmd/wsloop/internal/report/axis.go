package report

import (
	"math"
	"strconv"
)

// axis maps values onto a line from 0 to 1. The origin of a logarithmic one is not 0.
type axis struct {
	low, high   float64
	logarithmic bool
	ticks       []mark
}

// mark is a labelled place on an axis.
type mark struct {
	at    float64
	label string
}

// place returns where a value is, within the axis.
func (a *axis) place(v float64) float64 {
	low, high := a.low, a.high
	if a.logarithmic {
		v, low, high = math.Log(max(v, low)), math.Log(low), math.Log(high)
	}
	return min(max((v-low)/(high-low), 0), 1)
}

// valueAxis covers the values from least, the least above 0, to greatest. It is logarithmic when logarithmic is
// allowed and they are far apart; otherwise it begins at 0.
func valueAxis(least, greatest float64, u unit, logarithmic bool) axis {
	const far = 20
	if logarithmic && least > 0 && greatest > far*least {
		return decades(least, greatest, u)
	}
	const most = 5 // ticks above 0
	step := max(niceStep(greatest/most, 1, 2, 2.5, 5), 1)
	a := axis{high: math.Ceil(greatest/step) * step}
	if greatest <= 0 {
		a.high = step
	}
	for i := 0.0; i*step <= a.high*1.0001; i++ {
		a.ticks = append(a.ticks, mark{i * step, u.short(i * step)})
	}
	a.ticks[0].label = "0"
	return a
}

// decades is a logarithmic axis with ticks at powers of ten, and at 2 and 5 times these as long as there is room.
func decades(least, greatest float64, u unit) axis {
	a := axis{logarithmic: true, low: floorTo125(least), high: ceilTo125(greatest)}
	steps := []float64{1, 2, 5}
	switch n := math.Log10(a.high / a.low); {
	case n > 3.1:
		steps = []float64{1}
	case n > 2.1:
		steps = []float64{1, 5}
	}
	for power := math.Floor(math.Log10(a.low)); power <= math.Ceil(math.Log10(a.high)); power++ {
		for _, step := range steps {
			v := step * math.Pow(10, power)
			if v >= a.low*0.9999 && v <= a.high*1.0001 {
				a.ticks = append(a.ticks, mark{v, u.short(v)})
			}
		}
	}
	return a
}

// secondsAxis covers the seconds from first to last.
func secondsAxis(first, last float64) axis {
	span := max(last-first, 1)
	const most = 5
	step := span / most
	switch {
	case step <= 60:
		step = firstOf(step, 1, 2, 5, 10, 15, 30, 60)
	case step <= 3600:
		step = firstOf(step, 120, 300, 600, 900, 1800, 3600)
	default:
		step = niceStep(step/3600, 1, 2, 5) * 3600
	}
	a := axis{low: first, high: first + span}
	for v := math.Ceil(first/step) * step; v <= a.high; v += step {
		a.ticks = append(a.ticks, mark{v, clock(v, step)})
	}
	return a
}

// clock writes a time of the run in the unit that its ticks are whole in.
func clock(v, step float64) string {
	switch {
	case v == 0:
		return "0"
	case step >= 3600:
		return strconv.Itoa(int(v/3600)) + " h"
	case step >= 60:
		return strconv.Itoa(int(v/60)) + " min"
	}
	return strconv.Itoa(int(v)) + " s"
}

// percentileAxis covers the shares of n values. Its unit is how many nines a share begins with: 1 is 90 %. The
// labels grow while their places do not: those without room are left out.
func percentileAxis(n uint64) axis {
	const nines, gap = 8, 8
	a := axis{high: max(math.Log10(float64(n)), 1)}
	marks := []mark{{math.Log10(2), "50%"}}
	for i := 1; i <= nines && float64(i) <= a.high; i++ {
		marks = append(marks, mark{float64(i), strconv.FormatFloat(100-100*math.Pow(10, float64(-i)), 'f', max(i-2, 0), 64) + "%"})
	}
	if a.high > 6 {
		marks = marks[1:] // 90 % is more worth the room
	}
	width, end := float64(plotWidth-left-right), float64(-left)
	for _, m := range marks {
		if middle, half := a.place(m.at)*width, labelWidth(m.label)/2; middle-half > end+gap {
			a.ticks = append(a.ticks, m)
			end = middle + half
		}
	}
	return a
}

// labelWidth is how wide a label is at most, in the units of the drawing.
func labelWidth(label string) float64 {
	width := 0.0
	for _, c := range label {
		switch c {
		case '.', ' ':
			width += 4
		case '%', 'm', 'M':
			width += 11.5
		default:
			width += 7.7
		}
	}
	return width
}

// niceStep returns the least product of one of the factors and a power of ten that is not below v.
func niceStep(v float64, factors ...float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, factor := range factors {
		if factor*power >= v*0.9999 {
			return factor * power
		}
	}
	return 10 * power
}

func ceilTo125(v float64) float64 { return niceStep(v, 1, 2, 5) }

func floorTo125(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, factor := range []float64{5, 2} {
		if factor*power <= v {
			return factor * power
		}
	}
	return power
}

// firstOf returns the first that is not below v, or the last.
func firstOf(v float64, all ...float64) float64 {
	for _, one := range all {
		if one >= v {
			return one
		}
	}
	return all[len(all)-1]
}
