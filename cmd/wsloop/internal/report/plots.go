package report

import (
	"fmt"
	"math"
	"time"

	"github.com/wsloop/wsloop/cmd/wsloop/internal/hdr"
)

// mostColumns is how many points a line over time has at most. Longer runs show groups of seconds as one.
const mostColumns = 400

// plots are the drawings that there is something to show in.
func (r *Report) plots() []*plot {
	all := []*plot{
		r.percentilePlot(),
		r.overTime("Latency over time", "corrected latency", nanos, greatest,
			over{"p50", func(s *Second) float64 { return measured(s.P50) }},
			over{"p99", func(s *Second) float64 { return measured(s.P99) }},
			over{"p99.9", func(s *Second) float64 { return measured(s.P999) }}),
		r.overTime("Open connections over time", "open connections", count, greatest,
			over{"open", func(s *Second) float64 { return float64(s.Open) }}),
		r.overTime("Messages over time", "messages per second", rate, mean,
			over{"sent", func(s *Second) float64 { return float64(s.Sent) }},
			over{"received", func(s *Second) float64 { return float64(s.Received) }}),
	}
	var shown []*plot
	for _, p := range all {
		if p != nil {
			shown = append(shown, p)
		}
	}
	return shown
}

// percentilePlot shows which share of the messages took no longer than what.
func (r *Report) percentilePlot() *plot {
	p := &plot{Name: "Latency by percentile", X: "share of the messages", Y: "latency"}
	least, most, n := math.Inf(1), 0.0, uint64(0)
	for i, h := range []*hdr.Histogram{r.Latency.Corrected, r.Latency.Uncorrected} {
		if h.Count() == 0 {
			continue
		}
		p.Lines = append(p.Lines, line{[]string{"corrected", "uncorrected"}[i], fmt.Sprintf("c%d", i+1), percentiles(h)})
		least, most, n = min(least, float64(max(h.Min(), 1))), max(most, float64(h.Max())), max(n, h.Count())
	}
	if n == 0 {
		return nil
	}
	p.x, p.y = percentileAxis(n), valueAxis(least, most, nanos, true)
	p.Summary = fmt.Sprintf("the longest is %s", nanos.format(most))
	return p
}

// percentiles samples a histogram evenly along a percentile axis, up to its greatest value.
func percentiles(h *hdr.Histogram) []point {
	const perNine = 25
	last := math.Log10(float64(h.Count()))
	var points []point
	for i := 0; ; i++ {
		x := float64(i) / perNine
		if x >= last {
			return append(points, point{last, float64(h.Max())})
		}
		points = append(points, point{x, float64(h.Quantile(1 - math.Pow(10, -x)))})
	}
}

// over is a line over the seconds of the run.
type over struct {
	name  string
	value func(s *Second) float64
}

// overTime shows lines over the seconds. It returns nil if all are 0.
func (r *Report) overTime(name, y string, u unit, reduce func([]float64) float64, lines ...over) *plot {
	if len(r.Series) == 0 {
		return nil
	}
	p := &plot{Name: name, X: "time since the start", Y: y}
	least, most := math.Inf(1), 0.0
	for i, l := range lines {
		points := r.sampled(l.value, reduce)
		for _, at := range points {
			if at.y > 0 {
				least, most = min(least, at.y), max(most, at.y)
			}
		}
		p.Lines = append(p.Lines, line{l.name, fmt.Sprintf("c%d", i+1), points})
	}
	if most == 0 {
		return nil
	}
	p.x = secondsAxis(float64(r.Series[0].T), float64(r.Series[len(r.Series)-1].T))
	p.y = valueAxis(least, most, u, u == nanos)
	p.Summary = fmt.Sprintf("the greatest is %s", u.format(most))
	return p
}

// sampled reduces the seconds to as many points as there is room for. A second that is missing interrupts the line.
func (r *Report) sampled(value func(s *Second) float64, reduce func([]float64) float64) []point {
	first, last := r.Series[0].T, r.Series[len(r.Series)-1].T
	width := (last-first)/mostColumns + 1
	points := make([]point, (last-first)/width+1)
	groups := make([][]float64, len(points))
	for i := range r.Series {
		group := (r.Series[i].T - first) / width
		groups[group] = append(groups[group], value(&r.Series[i]))
	}
	for i, group := range groups {
		points[i] = point{float64(first + i*width), reduce(group)}
	}
	return points
}

// measured is what a quantile shows as: nothing when there was no message.
func measured(d time.Duration) float64 {
	if d == 0 {
		return math.NaN()
	}
	return float64(d)
}

// greatest returns the greatest number, or no number when there is none.
func greatest(all []float64) float64 {
	most := math.NaN()
	for _, v := range all {
		if math.IsNaN(most) || v > most {
			most = v
		}
	}
	return most
}

// mean returns the mean, or no number when there is none.
func mean(all []float64) float64 {
	total := 0.0
	for _, v := range all {
		total += v
	}
	return total / float64(len(all))
}
