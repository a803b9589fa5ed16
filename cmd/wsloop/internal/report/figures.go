package report

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/wsloop/wsloop/cmd/wsloop/internal/hdr"
)

// Figure is a number of a report that has a name. Its unit is ns, B, 1/s, B/s, or none for what is counted.
type Figure struct {
	Value float64 `json:"value"`
	Unit  string  `json:"unit,omitempty"`
}

// better says which way a figure improves.
type better int

const (
	lower better = iota
	higher
	neither // how much of it there is depends on how long the run was
)

// figure is how to find a number. It is not found when it was not measured.
type figure struct {
	name   string
	unit   unit
	better better
	find   func(r *Report) (v float64, found bool)
}

// numbers are the figures that are no statistic of a histogram.
var numbers = []figure{
	{"attempted", count, neither, counted(func(r *Report) uint64 { return r.Connect.Attempted })},
	{"opened", count, higher, counted(func(r *Report) uint64 { return r.Connect.Opened })},
	{"reached", count, higher, counted(func(r *Report) uint64 { return r.Connect.Reached })},
	{"failed", count, lower, counted(func(r *Report) uint64 { return r.Connect.Failed })},
	{"lost", count, lower, counted(func(r *Report) uint64 { return r.Connect.Lost })},
	{"errors", count, lower, counted((*Report).ErrorCount)},
	{"sent", count, neither, counted(func(r *Report) uint64 { return r.Messages.Sent })},
	{"received", count, neither, counted(func(r *Report) uint64 { return r.Messages.Received })},
	{"warnings", count, lower, counted(func(r *Report) uint64 { return uint64(len(r.Generator.Warnings)) })},
	{"connects/s", rate, higher, func(r *Report) (float64, bool) {
		return ratio(float64(r.Connect.Opened), r.Connect.Duration.Seconds())
	}},
	{"messages/s", rate, higher, func(r *Report) (float64, bool) {
		return ratio(float64(r.Messages.Count()), r.Messages.Duration.Seconds())
	}},
	{"bytes/s", byteRate, higher, func(r *Report) (float64, bool) {
		return ratio(float64(max(r.Messages.SentBytes, r.Messages.ReceivedBytes)), r.Messages.Duration.Seconds())
	}},
	{"cpu/message", nanos, lower, func(r *Report) (float64, bool) {
		return costPer(r, r.server().CPU.Seconds()*1e9, r.Messages.Count())
	}},
	{"bytes/conn", octets, lower, func(r *Report) (float64, bool) {
		s := r.server()
		return costPer(r, float64(s.RSSAfter)-float64(s.RSSBefore), r.Connect.Reached)
	}},
	{"generator.cpu/message", nanos, lower, func(r *Report) (float64, bool) {
		v, found := ratio(r.Generator.CPU.Seconds()*1e9, float64(r.Messages.Count()))
		return v, found && r.Generator.CPU > 0
	}},
}

// sources are the histograms that a statistic may be asked of, by what stands before its name.
var sources = []struct {
	prefix string
	find   func(r *Report) *hdr.Histogram
}{
	{"", func(r *Report) *hdr.Histogram { return r.Latency.Corrected }},
	{"uncorrected.", func(r *Report) *hdr.Histogram { return r.Latency.Uncorrected }},
	{"connect.", func(r *Report) *hdr.Histogram { return r.Connect.Connecting }},
	{"handshake.", func(r *Report) *hdr.Histogram { return r.Connect.Handshake }},
	{"slip.", func(r *Report) *hdr.Histogram { return r.Generator.Slip }},
}

// usual are the statistics that are shown; a threshold may name any percentile.
var usual = []string{"p50", "p90", "p99", "p99.9", "p99.99", "max"}

// unknownFigure names what there is.
func unknownFigure(name string) error {
	var names, prefixes []string
	for _, f := range numbers {
		names = append(names, f.name)
	}
	for _, s := range sources[1:] {
		prefixes = append(prefixes, s.prefix)
	}
	return fmt.Errorf("report: unknown figure %q: there are %s, and p50, p99.9 or any other percentile, min, mean and max of latencies, also with %s before them; slip is slip.max",
		name, strings.Join(names, ", "), strings.Join(prefixes, ", "))
}

// figureOf returns the figure that has a name.
func figureOf(name string) (figure, error) {
	if name == "slip" {
		f, err := figureOf("slip.max")
		f.name = name
		return f, err
	}
	for _, f := range numbers {
		if f.name == name {
			return f, nil
		}
	}
	for _, s := range sources[1:] {
		if rest, found := strings.CutPrefix(name, s.prefix); found {
			return statistic(name, rest, s.find)
		}
	}
	return statistic(name, name, sources[0].find)
}

// statistic returns a figure of a histogram, such as its p99.
func statistic(name, stat string, of func(*Report) *hdr.Histogram) (figure, error) {
	var value func(h *hdr.Histogram) float64
	switch stat {
	case "min":
		value = func(h *hdr.Histogram) float64 { return float64(h.Min()) }
	case "mean":
		value = func(h *hdr.Histogram) float64 { return float64(h.Mean()) }
	case "max":
		value = func(h *hdr.Histogram) float64 { return float64(h.Max()) }
	default:
		percent, err := strconv.ParseFloat(strings.TrimPrefix(stat, "p"), 64)
		if !strings.HasPrefix(stat, "p") || err != nil || !(percent > 0 && percent < 100) {
			return figure{}, unknownFigure(name)
		}
		value = func(h *hdr.Histogram) float64 { return float64(h.Quantile(percent / 100)) }
	}
	return figure{name, nanos, lower, func(r *Report) (float64, bool) {
		h := of(r)
		return value(h), h.Count() > 0
	}}, nil
}

// known lists the figures that are written and compared, in the order of a summary.
func known() []figure {
	all := append([]figure(nil), numbers...)
	for _, s := range sources {
		for _, stat := range usual {
			f, _ := figureOf(s.prefix + stat) // the names are ours
			all = append(all, f)
		}
	}
	return all
}

// figures are all that were measured.
func (r *Report) figures() map[string]Figure {
	all := make(map[string]Figure)
	for _, f := range known() {
		if v, found := f.find(r); found {
			all[f.name] = Figure{Value: v, Unit: string(f.unit)}
		}
	}
	return all
}

// server is all processes of the server together.
func (r *Report) server() (all Server) {
	for _, s := range r.Servers {
		all.CPU += s.CPU
		all.RSSBefore += s.RSSBefore
		all.RSSAfter += s.RSSAfter
	}
	return all
}

func counted(find func(r *Report) uint64) func(*Report) (float64, bool) {
	return func(r *Report) (float64, bool) { return float64(find(r)), true }
}

// costPer is a cost of the server, which there is only when all its processes were measured.
func costPer(r *Report, cost float64, n uint64) (float64, bool) {
	v, found := ratio(cost, float64(n))
	return v, found && cost > 0 && len(r.Servers) > 0
}

func ratio(a, b float64) (float64, bool) {
	if b <= 0 {
		return 0, false
	}
	return a / b, true
}
