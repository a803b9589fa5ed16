package report

import (
	"time"

	"github.com/wsloop/wsloop/cmd/wsloop/internal/hdr"
)

// Schema is the version of the JSON form that is written, and the only one that is read.
const Schema = 1

// Report is what one process of a run found, or all of them together. Whoever fills it in owns it; a report is
// for one goroutine at a time. What was not measured is zero or nil.
type Report struct {
	Schema   int           `json:"schema"`
	Command  []string      `json:"command"` // the command line, secrets replaced by whoever sets it
	Start    time.Time     `json:"start"`
	Duration time.Duration `json:"duration_ns"`
	Machine  Machine       `json:"machine"`

	Settings  Settings          `json:"settings"`
	Connect   Connect           `json:"connect"`
	Messages  Messages          `json:"messages"`
	Latency   Latency           `json:"latency"`
	Errors    map[string]uint64 `json:"errors,omitempty"` // by cause, in plain words
	Generator Generator         `json:"generator"`
	Servers   []Server          `json:"servers,omitempty"`
	Series    []Second          `json:"series,omitempty"` // ascending

	// Figures are the named numbers of the report, for other programs. WriteJSON sets them; they are not read back.
	Figures map[string]Figure `json:"figures,omitempty"`
}

// Machine is where the generator ran, and what it was built of.
type Machine struct {
	OS          string `json:"os"`
	Arch        string `json:"arch"`
	Kernel      string `json:"kernel,omitempty"`
	CPU         string `json:"cpu,omitempty"` // the model
	Cores       int    `json:"cores"`
	MemoryBytes uint64 `json:"memory_bytes,omitempty"`
	Go          string `json:"go"`
	Wsloop      string `json:"wsloop"`
}

// Settings are what was asked for.
type Settings struct {
	Scenario     string            `json:"scenario"`
	Connections  int               `json:"connections"`
	Targets      []string          `json:"targets"`
	Sources      []string          `json:"sources,omitempty"` // local addresses
	Procs        int               `json:"procs"`             // processes that generate load
	PayloadBytes int               `json:"payload_bytes"`
	Binary       bool              `json:"binary"`
	Rate         float64           `json:"rate,omitempty"`         // messages per second over all connections; 0: none is set
	ConnectRate  float64           `json:"connect_rate,omitempty"` // connections per second; 0: none is set
	Outstanding  int               `json:"outstanding,omitempty"`  // messages of a connection that may wait for their answer
	Fragments    int               `json:"fragments,omitempty"`    // frames of a message
	Others       map[string]string `json:"others,omitempty"`       // settings of one scenario alone
}

// Connect is how connecting went.
type Connect struct {
	Attempted uint64        `json:"attempted"`
	Opened    uint64        `json:"opened"`      // handshakes that ended well
	Failed    uint64        `json:"failed"`      // attempts that did not
	Lost      uint64        `json:"lost"`        // opened, and ended before the generator closed them
	Reached   uint64        `json:"reached"`     // the most that were open at a time
	Duration  time.Duration `json:"duration_ns"` // from the first attempt to the last outcome

	Connecting *hdr.Histogram `json:"connecting,omitempty"` // until the TCP connection was made
	Handshake  *hdr.Histogram `json:"handshake,omitempty"`  // from there until the answer was read
}

// Messages counts whole messages, and their payloads.
type Messages struct {
	Sent          uint64        `json:"sent"`
	Received      uint64        `json:"received"`
	SentBytes     uint64        `json:"sent_bytes"`
	ReceivedBytes uint64        `json:"received_bytes"`
	Duration      time.Duration `json:"duration_ns"` // in which they were sent and received
}

// Latency is the time until the answer of a message came.
type Latency struct {
	Corrected   *hdr.Histogram `json:"corrected,omitempty"`   // from when the message was to be sent
	Uncorrected *hdr.Histogram `json:"uncorrected,omitempty"` // from when it was sent
}

// Generator is what the load cost those who made it, and whether they kept up.
type Generator struct {
	CPU      time.Duration  `json:"cpu_ns"`
	Slip     *hdr.Histogram `json:"slip,omitempty"` // how late messages were sent
	Warnings []string       `json:"warnings,omitempty"`
}

// Server is what the load cost one process of the server.
type Server struct {
	PID       int           `json:"pid"`
	CPU       time.Duration `json:"cpu_ns"`     // while messages ran
	RSSBefore uint64        `json:"rss_before"` // bytes, before the first connection
	RSSAfter  uint64        `json:"rss_after"`  // bytes, when the most connections were open
}

// Second is what happened in one second of the run. Latencies are corrected.
type Second struct {
	T        int           `json:"t"` // whole seconds since Report.Start
	Open     uint64        `json:"open"`
	Connects uint64        `json:"connects"`
	Sent     uint64        `json:"sent"`
	Received uint64        `json:"received"`
	P50      time.Duration `json:"p50_ns"`
	P99      time.Duration `json:"p99_ns"`
	P999     time.Duration `json:"p999_ns"`
	Errors   uint64        `json:"errors"`
	Slip     time.Duration `json:"slip_ns"` // the greatest

	// Latency makes the quantiles of merged seconds exact: see Merge and Report.Slim.
	Latency *hdr.Histogram `json:"latency,omitempty"`
}

// New returns a report of a run that began at start on this machine.
func New(command []string, start time.Time) *Report {
	return &Report{Schema: Schema, Command: command, Start: start, Machine: ThisMachine()}
}

// SetLatency sets the quantiles of a second to those of h, and keeps h, which may be nil.
func (s *Second) SetLatency(h *hdr.Histogram) {
	s.P50, s.P99, s.P999 = h.Quantile(0.5), h.Quantile(0.99), h.Quantile(0.999)
	s.Latency = h
}

// Slim drops the histograms of the seconds, which are the bulk of a report and are needed for Merge alone.
func (r *Report) Slim() {
	for i := range r.Series {
		r.Series[i].Latency = nil
	}
}

// ErrorCount is how many errors there were, whatever their cause.
func (r *Report) ErrorCount() uint64 {
	var n uint64
	for _, count := range r.Errors {
		n += count
	}
	return n
}

// Count is the number of messages that rates and costs refer to: those received or those sent, whichever are more. A
// server that echoes handles as many; one that only takes, or only sends, has but one of both.
func (m *Messages) Count() uint64 { return max(m.Sent, m.Received) }
