package load

import (
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/wsloop/wsloop/cmd/wsloop/internal/hdr"
	"github.com/wsloop/wsloop/cmd/wsloop/internal/report"
)

// Sample is what happened since the one before. Samples of several workers can be added up, by their seconds.
type Sample struct {
	report.Second
	Causes map[string]uint64 `json:"causes,omitempty"` // errors, by cause
}

// count adds what a lane counted. The lock is held.
func (w *Worker) count(t *tally) {
	w.second.add(t)
	w.total.attempted += t.attempted
	w.total.opened += t.opened
	w.total.failed += t.failed
	w.total.lost += t.lost
	w.total.addRest(t)
	if w.phase == measuring {
		w.total.addMessages(t)
	}
}

// collect takes what all lanes counted. The lock is held.
func (w *Worker) collect() {
	for _, l := range w.lanes {
		l.mu.Lock()
		taken := l.take()
		l.mu.Unlock()
		w.count(taken)
		l.giveBack(taken)
	}
}

// Sample ends a second of the run. It is to be called about once in each.
func (w *Worker) Sample() Sample {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.collect()
	t := &w.second
	s := Sample{Second: report.Second{
		T:    int(math.Round(time.Since(w.start).Seconds())) - 1,
		Open: uint64(max(w.opened.Load(), 0)), Connects: t.opened,
		Sent: t.sent, Received: t.received, Errors: t.errorCount(), Slip: t.slip.Max(),
	}}
	if n := len(w.series); n > 0 {
		s.T = max(s.T, w.series[n-1].T+1)
	}
	s.T = max(s.T, 0)
	s.SetLatency(t.latency())
	if len(t.errors) > 0 {
		s.Causes = maps.Clone(t.errors)
	}
	w.series = append(w.series, s)
	t.reset()
	return s
}

// Report says what was found. The worker is not to be used afterwards.
func (w *Worker) Report(command []string) *report.Report {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.collect()
	t := &w.total
	r := report.New(command, w.start)
	r.Duration = time.Since(w.start)
	r.Settings = w.config.settings()
	r.Connect = report.Connect{
		Attempted: t.attempted, Opened: t.opened, Failed: t.failed, Lost: t.lost, Reached: uint64(w.reached.Load()),
		Duration:   nanos(w.firstAttempt.Load(), max(w.firstAttempt.Load(), w.lastOutcome.Load())),
		Connecting: orNil(&t.connecting), Handshake: orNil(&t.handshake),
	}
	r.Messages = report.Messages{
		Sent: t.sent, Received: t.received, SentBytes: t.sentBytes, ReceivedBytes: t.receivedBytes,
		Duration: nanos(w.began, w.ended),
	}
	r.Latency = report.Latency{Corrected: orNil(&t.corrected), Uncorrected: orNil(&t.uncorrected)}
	r.Errors = maps.Clone(t.errors)
	r.Generator = report.Generator{CPU: w.cpu, Slip: orNil(&t.slip)}
	r.Generator.Warnings = w.warnings()
	for _, s := range w.series {
		r.Series = append(r.Series, s.Second)
	}
	return r
}

func orNil(h *hdr.Histogram) *hdr.Histogram {
	if h.Count() == 0 {
		return nil
	}
	return h
}

const (
	worstSlip = time.Millisecond // of 99 % of the messages
	fullShare = 0.9              // of a processor per loop
)

// warnings say when the figures are about the generator as much as about the server.
func (w *Worker) warnings() (all []string) {
	if slip := lateness(&w.total.slip, &w.total.corrected); slip > 0 {
		all = append(all, "the generator was late: 1 % of the messages left more than "+slip.Round(time.Microsecond).String()+
			" after they were due; more -procs or a lower rate would tell the server from it")
	}
	if usedUp(w.cpu, nanos(w.began, w.ended), w.config.Loops) {
		all = append(all, "the generator used up its processor time; more -procs, or -loops, would tell the server from it")
	}
	return all
}

// settings say what was asked for. What stands behind the question mark of a URL may be secret.
func (c *Config) settings() report.Settings {
	s := report.Settings{
		Scenario: c.Scenario, Connections: c.Connections, Procs: 1, PayloadBytes: c.Size, Binary: !c.Text, Rate: c.Rate,
		ConnectRate: c.ConnectRate, Outstanding: c.Outstanding, Fragments: c.Fragments, Others: make(map[string]string),
	}
	for _, url := range c.URLs {
		s.Targets = append(s.Targets, Redacted(url))
	}
	for _, source := range c.Sources {
		s.Sources = append(s.Sources, source.String())
	}
	other := func(name string, is bool, value string) {
		if is {
			s.Others[name] = value
		}
	}
	other("unix socket", c.Unix != "", c.Unix)
	other("active", c.Active > 0 && c.Active < 1, percent(c.Active))
	other("slow readers", c.Scenario == Slow, percent(c.Slow))
	other("rate of each connection", c.RatePerConn > 0, fmt.Sprintf("%g messages/s", c.RatePerConn))
	other("keepalive", c.Keepalive > 0, c.Keepalive.String())
	other("loops", c.Loops > 1, strconv.Itoa(c.Loops))
	other("pending", true, strconv.Itoa(c.Pending))
	other("warm-up", true, c.Warmup.String())
	other("measured for", true, c.Duration.String())
	other("deflate", c.Deflate, "offered")
	other("subprotocols", len(c.Subprotocols) > 0, strings.Join(c.Subprotocols, " "))
	return s
}

// Redacted is a URL without its query.
func Redacted(url string) string {
	if before, _, found := strings.Cut(url, "?"); found {
		return before + "?***"
	}
	return url
}

func percent(share float64) string { return fmt.Sprintf("%g%%", share*100) }
