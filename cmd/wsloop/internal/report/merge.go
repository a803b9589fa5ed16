package report

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/wsloop/wsloop/cmd/wsloop/internal/hdr"
)

// Merge adds up what the processes of one run found. The children stay as they are, and share nothing with the result.
//
// Counters, rates asked for and histograms are added. The run lasts from the first start to the last end; machine,
// command and what else was asked for is the first child's. A server process that several children measured is counted once.
//
// Seconds are added by wall clock, to the nearest second. Their quantiles are exact as long as every child has the
// histogram of that second; after Slim, the greatest quantile of the children stands for it, which is never too low.
func Merge(children []*Report) *Report {
	all := new(Report)
	for _, child := range children {
		switch {
		case child == nil:
		case all.Schema == 0:
			all.begin(child)
		default:
			all.add(child)
		}
	}
	all.mergeSeries(children)
	return all
}

// begin takes what is the first child's, and then adds it.
func (r *Report) begin(first *Report) {
	r.Schema, r.Start, r.Machine = Schema, first.Start, first.Machine
	r.Command = slices.Clone(first.Command)
	r.Settings = first.Settings
	r.Settings.Connections, r.Settings.Procs, r.Settings.Rate, r.Settings.ConnectRate = 0, 0, 0, 0
	r.Settings.Targets, r.Settings.Sources = nil, nil
	r.Settings.Others = maps.Clone(first.Settings.Others)
	r.add(first)
}

func (r *Report) add(child *Report) {
	end := later(r.Start.Add(r.Duration), child.Start.Add(child.Duration))
	if child.Start.Before(r.Start) {
		r.Start = child.Start
	}
	r.Duration = end.Sub(r.Start)
	r.Settings.add(&child.Settings)
	r.Connect.add(&child.Connect)
	r.Messages.add(&child.Messages)
	r.Latency.Corrected = sum(r.Latency.Corrected, child.Latency.Corrected)
	r.Latency.Uncorrected = sum(r.Latency.Uncorrected, child.Latency.Uncorrected)
	for cause, n := range child.Errors {
		if r.Errors == nil {
			r.Errors = make(map[string]uint64)
		}
		r.Errors[cause] += n
	}
	r.Generator.CPU += child.Generator.CPU
	r.Generator.Slip = sum(r.Generator.Slip, child.Generator.Slip)
	r.Generator.Warnings = union(r.Generator.Warnings, child.Generator.Warnings)
	for _, server := range child.Servers {
		r.addServer(server)
	}
}

func (s *Settings) add(child *Settings) {
	s.Connections += child.Connections
	s.Procs += max(child.Procs, 1)
	s.Rate += child.Rate
	s.ConnectRate += child.ConnectRate
	s.Targets = union(s.Targets, child.Targets)
	s.Sources = union(s.Sources, child.Sources)
}

func (c *Connect) add(child *Connect) {
	c.Attempted += child.Attempted
	c.Opened += child.Opened
	c.Failed += child.Failed
	c.Lost += child.Lost
	c.Reached += child.Reached
	c.Duration = max(c.Duration, child.Duration)
	c.Connecting = sum(c.Connecting, child.Connecting)
	c.Handshake = sum(c.Handshake, child.Handshake)
}

func (m *Messages) add(child *Messages) {
	m.Sent += child.Sent
	m.Received += child.Received
	m.SentBytes += child.SentBytes
	m.ReceivedBytes += child.ReceivedBytes
	m.Duration = max(m.Duration, child.Duration)
}

// addServer adds a process, or widens what was measured of one that is there.
func (r *Report) addServer(server Server) {
	i := slices.IndexFunc(r.Servers, func(s Server) bool { return s.PID == server.PID })
	if i < 0 {
		r.Servers = append(r.Servers, server)
		return
	}
	known := &r.Servers[i]
	known.CPU = max(known.CPU, server.CPU)
	known.RSSBefore = min(known.RSSBefore, server.RSSBefore)
	known.RSSAfter = max(known.RSSAfter, server.RSSAfter)
}

// mergeSeries adds the seconds of the children, on the clock of the report.
func (r *Report) mergeSeries(children []*Report) {
	bySecond := make(map[int]*Second)
	for _, child := range children {
		if child == nil {
			continue
		}
		shift := int(math.Round(child.Start.Sub(r.Start).Seconds()))
		for i := range child.Series {
			second := child.Series[i]
			second.T += shift
			if known := bySecond[second.T]; known != nil {
				known.add(&second)
			} else {
				second.Latency = sum(nil, second.Latency)
				bySecond[second.T] = &second
			}
		}
	}
	for _, second := range bySecond {
		r.Series = append(r.Series, *second)
	}
	slices.SortFunc(r.Series, func(a, b Second) int { return cmp.Compare(a.T, b.T) })
}

func (s *Second) add(o *Second) {
	exact := complete(s) && complete(o)
	s.Open += o.Open
	s.Connects += o.Connects
	s.Sent += o.Sent
	s.Received += o.Received
	s.Errors += o.Errors
	s.Slip = max(s.Slip, o.Slip)
	if exact {
		s.SetLatency(sum(s.Latency, o.Latency))
		return
	}
	s.Latency = nil
	s.P50, s.P99, s.P999 = max(s.P50, o.P50), max(s.P99, o.P99), max(s.P999, o.P999)
}

// complete says whether a second has a histogram, or needs none because nothing was measured.
func complete(s *Second) bool { return s.Latency.Count() > 0 || s.P999 == 0 }

// sum merges histograms into a, which it makes when there is none yet.
func sum(a, b *hdr.Histogram) *hdr.Histogram {
	if b == nil {
		return a
	}
	if a == nil {
		a = new(hdr.Histogram)
	}
	a.Merge(b)
	return a
}

// union appends what a lacks of b.
func union(a, b []string) []string {
	for _, s := range b {
		if !slices.Contains(a, s) {
			a = append(a, s)
		}
	}
	return a
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
