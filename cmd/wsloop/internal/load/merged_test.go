package load

import (
	"math"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/cmd/wsloop/internal/hdr"
	"github.com/wsloop/wsloop/cmd/wsloop/internal/report"
)

// The shares of a run add up to it, whatever can be divided.
func TestSharesAddUp(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 3, 7, 10} {
		c := small("ws://localhost/")
		c.Connections, c.Active, c.Rate, c.ConnectRate, c.Loops, c.Pending = 95, 0.02, 50, 30, 20, 10
		for i := range byte(9) {
			c.Sources = append(c.Sources, netip.AddrFrom4([4]byte{127, 0, 1, i}))
		}
		if err := c.Complete(); err != nil {
			t.Fatal(err)
		}
		var connections, active, pending int
		var rate, connectRate float64
		var sources []netip.Addr
		for i := range n {
			s := c.Share(i, n)
			if s.First != connections {
				t.Errorf("share %d of %d begins with connection %d", i, n, s.First)
			}
			if s.Loops > s.Connections {
				t.Errorf("%d loops for %d connections", s.Loops, s.Connections)
			}
			if a := s.activeOf(s.Connections); (a == 0) != (s.Rate == 0) {
				t.Errorf("%d connections send %v messages", a, s.Rate)
			}
			connections += s.Connections
			active += s.activeOf(s.Connections)
			pending += s.Pending
			rate += s.Rate
			connectRate += s.ConnectRate
			sources = append(sources, s.Sources...)
		}
		if connections != 95 || active != 2 || pending != 10 || math.Abs(rate-50) > 1e-6 || math.Abs(connectRate-30) > 1e-6 {
			t.Errorf("%d shares: %d connections, %d active, %d pending, rates %v and %v", n, connections, active, pending, rate, connectRate)
		}
		if n <= 9 && !slices.Equal(sources, c.Sources) || n > 9 && len(sources) != 9*n {
			t.Errorf("%d shares: sources %v", n, sources)
		}
	}
	c := Config{Active: 0.5, First: 1, Connections: 5}
	if n := c.activeOf(0); n != 0 {
		t.Errorf("%d active of none", n)
	}
}

// found is what a process found that sent messages in a second, so late and in so much processor time.
func found(late, cpu time.Duration) *report.Report {
	r := &report.Report{Start: time.Unix(100, 0)}
	r.Messages.Duration = time.Second
	r.Generator.CPU = cpu
	r.Generator.Slip, r.Latency.Corrected = new(hdr.Histogram), new(hdr.Histogram)
	r.Generator.Slip.Record(late)
	r.Latency.Corrected.Record(time.Millisecond)
	return r
}

func TestProcsWarnings(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		late, cpu time.Duration
		want      []string
	}{
		{0, 0, nil},
		{50 * time.Microsecond, 100 * time.Millisecond, nil},
		{200 * time.Microsecond, 0, []string{"1 of the generator's 2 processes were late"}},
		{0, 950 * time.Millisecond, []string{"1 of the generator's 2 processes used up"}},
		{0, time.Duration(runtime.NumCPU()) * 950 * time.Millisecond, []string{"processors of this machine"}},
		{time.Second, 950 * time.Millisecond, []string{"late", "used up"}},
	} {
		got := procsWarnings([]*report.Report{found(0, 0), found(test.late, test.cpu)}, 1)
		ok := len(got) == len(test.want)
		for i := range got {
			// On one processor the busy process is all the machine has.
			ok = ok && (strings.Contains(got[i], test.want[i]) || runtime.NumCPU() == 1 && strings.Contains(got[i], "used up"))
		}
		if !ok {
			t.Errorf("%v late, %v used: %q", test.late, test.cpu, got)
		}
	}
}

func TestConnectSpan(t *testing.T) {
	t.Parallel()
	a, b, idle := found(0, 0), found(0, 0), found(0, 0)
	b.Start = a.Start.Add(2 * time.Second)
	a.Connect.Duration, b.Connect.Duration = time.Second, 3*time.Second
	idle.Start = a.Start.Add(time.Hour)
	if d := connectSpan([]*report.Report{b, a, idle}); d != 5*time.Second {
		t.Error(d)
	}
	if d := connectSpan([]*report.Report{idle}); d != 0 {
		t.Error(d)
	}
}

// Samples of several processes make one line of status.
func TestSampleAdd(t *testing.T) {
	t.Parallel()
	sample := func(latency time.Duration, cause string) *Sample {
		h := new(hdr.Histogram)
		h.Record(latency)
		s := &Sample{Second: report.Second{Open: 5, Connects: 1, Sent: 2, Received: 3, Errors: 4, Slip: latency}, Causes: map[string]uint64{cause: 4}}
		s.SetLatency(h)
		return s
	}
	var s Sample
	s.add(sample(time.Millisecond, "a"))
	s.add(sample(time.Second, "b"))
	s.add(&Sample{})
	if s.Open != 0 || s.Connects != 2 || s.Sent != 4 || s.Received != 6 || s.Errors != 8 || s.Slip != time.Second {
		t.Errorf("%+v", s)
	}
	if s.Causes["a"] != 4 || s.Causes["b"] != 4 || s.Latency.Count() != 2 || s.P99 < 900*time.Millisecond {
		t.Errorf("%v %v", s.Causes, s.P99)
	}
}

// Of a child that left no report, its seconds are known.
func TestStandIn(t *testing.T) {
	t.Parallel()
	c := &child{start: time.Unix(100, 0), ended: true}
	c.take(&Sample{Second: report.Second{T: 0, Open: 3, Connects: 4}})
	c.take(&Sample{Second: report.Second{T: 1, Open: 2, Connects: 1}})
	r := c.found()
	if r.Connect.Opened != 5 || r.Connect.Attempted != 5 || r.Connect.Lost != 2 || r.Connect.Reached != 3 || len(r.Series) != 2 {
		t.Errorf("%+v", r.Connect)
	}
	if r.ErrorCount() != 1 || r.Duration != 2*time.Second {
		t.Errorf("%v %v", r.Errors, r.Duration)
	}
}
