package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wsloop/wsloop/cmd/wsloop/internal/hdr"
)

// table is a part of the summary, for the terminal as for the page. Without a head it has names and values; with
// one, numbers in columns.
type table struct {
	Title string
	Head  []string
	Rows  [][]string
}

// add adds a name and a value, unless the value is empty.
func (t *table) add(name, value string) {
	if value != "" {
		t.Rows = append(t.Rows, []string{name, plain(value)})
	}
}

// count adds how many there were, unless there were none.
func (t *table) count(name string, n uint64) {
	if n > 0 {
		t.add(name, whole(float64(n)))
	}
}

// figure adds a figure that was measured and is not 0. What it counts comes behind it, when its unit does not say.
func (t *table) figure(r *Report, label, name, of string) {
	f, _ := figureOf(name) // the names are ours
	v, found := f.find(r)
	switch {
	case !found || v == 0:
	case f.unit == rate:
		t.add(label, scaled(v, "")+" "+of)
	default:
		t.add(label, f.unit.format(v)+of)
	}
}

// tables are all parts of the summary that say something.
func (r *Report) tables() []table {
	all := []table{
		r.settingsTable(), r.connectTable(), r.messagesTable(),
		quantiles("latency", []string{"corrected", "uncorrected"}, r.Latency.Corrected, r.Latency.Uncorrected),
		quantiles("connecting", []string{"TCP connect", "handshake"}, r.Connect.Connecting, r.Connect.Handshake),
		r.errorsTable(), r.generatorTable(), r.serverTable(),
	}
	return slices.DeleteFunc(all, func(t table) bool { return len(t.Rows) == 0 })
}

func (r *Report) settingsTable() table {
	s, m := &r.Settings, &r.Machine
	t := table{Title: "settings"}
	t.add("scenario", s.Scenario)
	t.add("targets", strings.Join(s.Targets, " "))
	t.add("sources", strings.Join(s.Sources, " "))
	t.count("connections", uint64(max(s.Connections, 0)))
	t.count("processes", uint64(max(s.Procs, 0)))
	if s.PayloadBytes > 0 {
		kind := "text"
		if s.Binary {
			kind = "binary"
		}
		t.add("payload", scaled(float64(s.PayloadBytes), "B")+" "+kind)
	}
	t.count("fragments", uint64(max(s.Fragments, 0)))
	t.count("outstanding", uint64(max(s.Outstanding, 0)))
	if s.Rate > 0 {
		t.add("rate", scaled(s.Rate, "")+" messages/s")
	}
	if s.ConnectRate > 0 {
		t.add("connect rate", scaled(s.ConnectRate, "")+" connects/s")
	}
	for _, name := range slices.Sorted(maps.Keys(s.Others)) {
		t.add(plain(name), s.Others[name])
	}
	t.add("command", strings.Join(r.Command, " "))
	if !r.Start.IsZero() {
		t.add("started", r.Start.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	t.add("duration", nonZero(r.Duration))
	t.add("machine", m.describe())
	t.add("system", strings.TrimSpace(m.OS+" "+m.Kernel+" "+m.Arch))
	if m.Go != "" {
		t.add("versions", "wsloop "+m.Wsloop+", "+m.Go)
	}
	return t
}

func (m *Machine) describe() string {
	var parts []string
	if m.Cores > 0 {
		parts = append(parts, fmt.Sprintf("%d cores", m.Cores))
	}
	if m.CPU != "" {
		parts = append(parts, m.CPU)
	}
	if m.MemoryBytes > 0 {
		parts = append(parts, scaled(float64(m.MemoryBytes), "B"))
	}
	return strings.Join(parts, ", ")
}

func (r *Report) connectTable() table {
	c, t := &r.Connect, table{Title: "connections"}
	t.count("attempted", c.Attempted)
	t.count("opened", c.Opened)
	t.count("failed", c.Failed)
	t.count("lost", c.Lost)
	t.count("open at a time", c.Reached)
	t.figure(r, "rate", "connects/s", "connects/s")
	return t
}

func (r *Report) messagesTable() table {
	m, t := &r.Messages, table{Title: "messages"}
	t.count("sent", m.Sent)
	t.count("received", m.Received)
	t.count("payload bytes sent", m.SentBytes)
	t.count("payload bytes received", m.ReceivedBytes)
	t.figure(r, "rate", "messages/s", "messages/s")
	t.figure(r, "payload rate", "bytes/s", "")
	return t
}

// quantiles sets histograms side by side, and leaves out those that are empty.
func quantiles(title string, names []string, all ...*hdr.Histogram) table {
	t := table{Title: title, Head: []string{""}}
	var filled []*hdr.Histogram
	for i, h := range all {
		if h.Count() > 0 {
			filled, t.Head = append(filled, h), append(t.Head, names[i])
		}
	}
	if len(filled) == 0 {
		return t
	}
	row := func(name string, value func(h *hdr.Histogram) string) {
		cells := []string{name}
		for _, h := range filled {
			cells = append(cells, value(h))
		}
		t.Rows = append(t.Rows, cells)
	}
	for _, name := range usual[:len(usual)-1] {
		percent, _ := strconv.ParseFloat(name[1:], 64) // the names are ours
		row(name, func(h *hdr.Histogram) string { return duration(h.Quantile(percent / 100)) })
	}
	row("max", func(h *hdr.Histogram) string { return duration(h.Max()) })
	row("mean", func(h *hdr.Histogram) string { return duration(h.Mean()) })
	row("std. dev.", func(h *hdr.Histogram) string { return duration(h.StdDev()) })
	row("samples", func(h *hdr.Histogram) string { return whole(float64(h.Count())) })
	return t
}

// errorsTable has the most frequent cause first.
func (r *Report) errorsTable() table {
	t := table{Title: "errors"}
	causes := slices.Sorted(maps.Keys(r.Errors))
	slices.SortStableFunc(causes, func(a, b string) int { return cmp.Compare(r.Errors[b], r.Errors[a]) })
	for _, cause := range causes {
		t.count(plain(cause), r.Errors[cause])
	}
	return t
}

func (r *Report) generatorTable() table {
	g, t := &r.Generator, table{Title: "generator"}
	t.add("CPU time", cpu(g.CPU, r.Messages.Duration))
	t.figure(r, "CPU per message", "generator.cpu/message", "")
	if g.Slip.Max() > 0 {
		t.add("schedule slip", fmt.Sprintf("p50 %s, p99 %s, max %s", duration(g.Slip.Quantile(0.5)), duration(g.Slip.Quantile(0.99)), duration(g.Slip.Max())))
	}
	for _, warning := range g.Warnings {
		t.add("warning", warning)
	}
	return t
}

func (r *Report) serverTable() table {
	s, t := r.server(), table{Title: "server"}
	var pids []string
	for _, one := range r.Servers {
		pids = append(pids, strconv.Itoa(one.PID))
	}
	t.add("process", strings.Join(pids, " "))
	t.add("CPU time", cpu(s.CPU, r.Messages.Duration))
	t.figure(r, "CPU per message", "cpu/message", "")
	if s.RSSAfter > 0 {
		t.add("memory before", scaled(float64(s.RSSBefore), "B"))
		t.add("memory after", scaled(float64(s.RSSAfter), "B"))
	}
	t.figure(r, "memory per connection", "bytes/conn", "")
	return t
}

// cpu writes a time, and how many cores that is.
func cpu(used, in time.Duration) string {
	if used == 0 || in <= 0 {
		return nonZero(used)
	}
	return fmt.Sprintf("%s, %.2f cores", duration(used), used.Seconds()/in.Seconds())
}

func nonZero(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return duration(d)
}
