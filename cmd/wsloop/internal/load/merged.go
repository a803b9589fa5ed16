package load

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/wsloop/wsloop/cmd/wsloop/internal/hdr"
	"github.com/wsloop/wsloop/cmd/wsloop/internal/report"
)

// report merges what the children found. There is none if no child left one, and an error if one of them did not.
func (p *parent) report(command []string) (r *report.Report, err error) {
	var all []*report.Report
	whole := 0
	for _, c := range p.children {
		all = append(all, c.found())
		if cause := c.cause(); cause == "" {
			whole++
		} else if err == nil {
			err = errors.New(cause)
		}
	}
	if whole == 0 {
		return nil, err
	}
	r = report.Merge(all)
	r.Command = command
	r.Settings = p.config.settings()
	r.Settings.Procs = len(all)
	r.Connect.Duration = connectSpan(all)
	r.Generator.Warnings = procsWarnings(all, p.config.Loops)
	return r, err
}

// connectSpan is from the first attempt of all processes to the last outcome. Each begins to connect as it starts.
func connectSpan(all []*report.Report) time.Duration {
	first, last := all[0].Start, time.Time{}
	for _, r := range all {
		if r.Start.Before(first) {
			first = r.Start
		}
		if end := r.Start.Add(r.Connect.Duration); r.Connect.Duration > 0 && end.After(last) {
			last = end
		}
	}
	return max(last.Sub(first), 0)
}

// procsWarnings say which processes the figures are about as much as about the server, and whether all of them together
// needed more than the machine has.
func procsWarnings(all []*report.Report, loops int) (warnings []string) {
	var late, busy int
	var worst, cpu, passed time.Duration
	for _, r := range all {
		if slip := lateness(r.Generator.Slip, r.Latency.Corrected); slip > 0 {
			late++
			worst = max(worst, slip)
		}
		if usedUp(r.Generator.CPU, r.Messages.Duration, loops) {
			busy++
		}
		cpu += r.Generator.CPU
		passed = max(passed, r.Messages.Duration)
	}
	of := func(n int) string { return fmt.Sprintf("%d of the generator's %d processes", n, len(all)) }
	if late > 0 {
		warnings = append(warnings, of(late)+" were late: 1 % of their messages left more than up to "+
			worst.Round(time.Microsecond).String()+" after they were due; more -procs or a lower rate would tell the server from them")
	}
	switch {
	case usedUp(cpu, passed, runtime.NumCPU()):
		warnings = append(warnings, "the generator used up the processors of this machine")
	case busy > 0:
		warnings = append(warnings, of(busy)+" used up their processor time; more -procs, or -loops, would tell the server from them")
	}
	return warnings
}

// lateness is by how much the generator was late, if that is too much: 1 % of the messages were as late, or later.
func lateness(slip, corrected *hdr.Histogram) time.Duration {
	late := slip.Quantile(0.99)
	if late > worstSlip || corrected.Count() > 0 && slip.Count() > 0 && late > corrected.Quantile(0.5)/10 {
		return late
	}
	return 0
}

// usedUp says whether nearly all the time of some processors was used.
func usedUp(cpu, passed time.Duration, processors int) bool {
	return passed > 0 && float64(cpu) > fullShare*float64(passed)*float64(processors)
}

// add adds what another process did in the same second, or close to it. Open connections are not added: who has not told of
// this second has them nevertheless.
func (s *Sample) add(o *Sample) {
	s.Connects += o.Connects
	s.Sent += o.Sent
	s.Received += o.Received
	s.Errors += o.Errors
	s.Slip = max(s.Slip, o.Slip)
	if o.Latency != nil {
		h := new(hdr.Histogram)
		if s.Latency != nil {
			h = s.Latency
		}
		h.Merge(o.Latency)
		s.SetLatency(h)
	}
	for cause, n := range o.Causes {
		if s.Causes == nil {
			s.Causes = make(map[string]uint64)
		}
		s.Causes[cause] += n
	}
}
