package report

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/wsloop/wsloop/cmd/wsloop/internal/hdr"
)

func of(all ...time.Duration) *hdr.Histogram {
	h := new(hdr.Histogram)
	for _, d := range all {
		h.Record(d)
	}
	return h
}

func second(t int, n uint64, latencies ...time.Duration) Second {
	s := Second{T: t, Open: n, Connects: n, Sent: n, Received: n, Errors: n, Slip: time.Duration(n)}
	s.SetLatency(of(latencies...))
	return s
}

// TestMergeDoubles merges a report with itself: everything that is counted doubles, all else stays.
func TestMergeDoubles(t *testing.T) {
	one := sample()
	before := written(t, one.WriteJSON)
	both := Merge([]*Report{nil, one, nil, sample()})
	if after := written(t, one.WriteJSON); after != before {
		t.Error("merging changed a child")
	}
	if both.Settings.Connections != 20000 || both.Settings.Procs != 4 || both.Settings.Rate != 40000 || both.Settings.ConnectRate != 2000 {
		t.Errorf("settings %+v", both.Settings)
	}
	if len(both.Settings.Targets) != 1 || len(both.Settings.Sources) != 2 || len(both.Generator.Warnings) != 1 {
		t.Errorf("settings %+v, warnings %q", both.Settings, both.Generator.Warnings)
	}
	c, m := both.Connect, both.Messages
	if want := (Connect{20004, 20000, 4, 6, 20000, 10 * time.Second, c.Connecting, c.Handshake}); c != want {
		t.Errorf("connect %+v", c)
	}
	if want := (Messages{2 * one.Messages.Sent, 2 * one.Messages.Received, 250 * one.Messages.Sent, 250 * one.Messages.Received, 30 * time.Second}); m != want {
		t.Errorf("messages %+v", m)
	}
	if both.ErrorCount() != 10 || both.Errors["connection refused"] != 4 || both.Generator.CPU != 42*time.Second {
		t.Errorf("errors %v, generator %+v", both.Errors, both.Generator)
	}
	if !reflect.DeepEqual(both.Servers, one.Servers) {
		t.Errorf("servers %+v", both.Servers)
	}
	for name, f := range both.figures() {
		was := one.figures()[name]
		if f != was && f.Unit == "ns" && name != "cpu/message" {
			t.Errorf("%s was %v, is %v", name, was, f)
		}
	}
	if both.Connect.Handshake.Count() != 2*one.Connect.Handshake.Count() || both.Generator.Slip.Count() != 2*one.Generator.Slip.Count() {
		t.Error("histograms were not added")
	}
	if !both.Start.Equal(start) || both.Duration != 40*time.Second || !slices.Equal(both.Command, one.Command) || both.Machine != one.Machine {
		t.Errorf("from %v for %v: %v %v", both.Start, both.Duration, both.Command, both.Machine)
	}
}

func TestMergeOfNothing(t *testing.T) {
	if r := Merge(nil); !reflect.DeepEqual(r, new(Report)) {
		t.Errorf("%+v", r)
	}
}

// TestMergeIsOneRun spreads messages over children, and finds what one process would have.
func TestMergeIsOneRun(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10))
	const seconds = 5
	var whole [seconds]*hdr.Histogram
	children := make([]*Report, 4)
	for i := range children {
		children[i] = &Report{Schema: Schema, Start: start}
	}
	for t := range whole {
		whole[t] = new(hdr.Histogram)
		for _, child := range children {
			h := new(hdr.Histogram)
			for range 200 {
				d := time.Duration(random.IntN(1_000_000 * (t + 1)))
				h.Record(d)
				whole[t].Record(d)
			}
			s := Second{T: t}
			s.SetLatency(h)
			child.Series = append(child.Series, s)
		}
	}
	all := Merge(children)
	for t1, h := range whole {
		want := Second{T: t1}
		want.SetLatency(h)
		if got := all.Series[t1]; !reflect.DeepEqual(got, want) {
			t.Errorf("second %d: %v, want %v", t1, got, want)
		}
	}
	for _, child := range children {
		child.Slim()
	}
	for t1, s := range Merge(children).Series {
		if s.P99 < all.Series[t1].P99 || s.Latency != nil {
			t.Errorf("second %d: slim children give p99 %v, less than %v", t1, s.P99, all.Series[t1].P99)
		}
	}
}

func TestMergeByWallClock(t *testing.T) {
	early := &Report{Schema: Schema, Start: start, Duration: 3 * time.Second, Series: []Second{second(0, 1, 10), second(2, 2, 30)}}
	late := &Report{Schema: Schema, Start: start.Add(1700 * time.Millisecond), Duration: 4 * time.Second, Series: []Second{second(0, 10, 50, 60, 70), second(1, 20)}}
	for _, order := range [][]*Report{{early, late}, {late, early}} {
		r := Merge(order)
		if !r.Start.Equal(start) || r.Duration != 5700*time.Millisecond {
			t.Errorf("from %v for %v", r.Start, r.Duration)
		}
		both := second(2, 12, 30, 50, 60, 70)
		both.Slip = 10
		want := []Second{second(0, 1, 10), both, second(3, 20)}
		for i, s := range r.Series {
			if s.Latency.Count() == 0 {
				s.Latency, want[i].Latency = nil, nil
			}
			if !reflect.DeepEqual(s, want[i]) {
				t.Errorf("%+v\nwant %+v", s, want[i])
			}
		}
		if len(r.Series) != len(want) {
			t.Errorf("%d seconds", len(r.Series))
		}
	}
}

// TestMergeOfUnlikeSeconds merges a second with one in which nothing was answered, and with one whose histogram is gone.
func TestMergeOfUnlikeSeconds(t *testing.T) {
	busy, quiet, slim := second(0, 1, 10, 20, 30), Second{Open: 5}, second(0, 1, 15)
	slim.Latency = nil
	merge := func(all ...Second) Second {
		var children []*Report
		for _, s := range all {
			children = append(children, &Report{Schema: Schema, Series: []Second{s}})
		}
		return Merge(children).Series[0]
	}
	for _, s := range []Second{merge(busy, quiet), merge(quiet, busy)} {
		if s.Latency.Count() != 3 || s.P50 != 20 || s.Open != 6 {
			t.Errorf("with a quiet one: %+v", s)
		}
	}
	for _, s := range []Second{merge(busy, slim), merge(slim, busy)} {
		if s.Latency != nil || s.P50 != 20 || s.P99 != 30 {
			t.Errorf("with a slim one: %+v", s)
		}
	}
}

// TestMergeSharesNothing writes to what was merged.
func TestMergeSharesNothing(t *testing.T) {
	first := &Report{Schema: Schema, Settings: Settings{Targets: append(make([]string, 0, 8), "a"), Others: map[string]string{"x": "y"}}}
	all := Merge([]*Report{first, {Schema: Schema, Settings: Settings{Targets: []string{"b"}, Procs: 3}}})
	if !slices.Equal(all.Settings.Targets, []string{"a", "b"}) || all.Settings.Procs != 4 {
		t.Errorf("%+v", all.Settings)
	}
	all.Settings.Targets[0], all.Settings.Others["x"] = "c", "d"
	if first.Settings.Targets[0] != "a" || first.Settings.Others["x"] != "y" {
		t.Errorf("a child is now %+v", first.Settings)
	}
}

func TestMergeServers(t *testing.T) {
	r := Merge([]*Report{
		{Schema: 1, Servers: []Server{{1, 5, 100, 200}}},
		{Schema: 1, Servers: []Server{{1, 7, 90, 150}, {2, 1, 1, 1}}},
		{Schema: 1, Servers: []Server{{1, 6, 110, 120}}},
	})
	if want := []Server{{1, 7, 90, 200}, {2, 1, 1, 1}}; !slices.Equal(r.Servers, want) {
		t.Errorf("%v", r.Servers)
	}
}
