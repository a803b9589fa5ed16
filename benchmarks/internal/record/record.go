// Package record is what the benchmarks write and their report reads: a file of lines of JSON, first one
// Run and then its Samples in the order in which they were measured. Several runs may follow each other in a file.
package record

import (
	"fmt"
	"time"
)

// Schema is the version of the format.
const Schema = 1

// A Run says when, where and of what its samples are.
type Run struct {
	Kind     string            `json:"kind"` // "run"
	Schema   int               `json:"schema"`
	ID       string            `json:"id"`
	Began    time.Time         `json:"began"`
	Suite    string            `json:"suite"` // short, full, compare or custom
	Commit   string            `json:"commit"`
	Modified bool              `json:"modified"` // the checkout had changes that were not committed
	Machine  Machine           `json:"machine"`
	Rounds   int               `json:"rounds"`  // of most cells
	Seconds  float64           `json:"seconds"` // of most measurements
	Servers  map[string]Server `json:"servers"`
}

// A Machine is what figures depend on beside the programs.
type Machine struct {
	CPU         string `json:"cpu"`
	Cores       int    `json:"cores"`
	MemoryBytes int64  `json:"memory_bytes"`
	System      string `json:"system"` // linux/amd64
	Kernel      string `json:"kernel"`
	Go          string `json:"go"`
}

// A Server is one of the programs that are compared.
type Server struct {
	Role    Role   `json:"role"`
	Version string `json:"version"` // of the library or program, as "gws v1.9.1"
}

// Role is what a server is in the comparison.
type Role string

const (
	Limit     Role = "limit"     // C, TCP without WebSocket
	Ours      Role = "ours"      // wsloop
	Before    Role = "before"    // another version of wsloop
	GoRival   Role = "go"        // a WebSocket library in Go
	Rival     Role = "native"    // Bun, ws: not Go
	Reference Role = "reference" // gnet: TCP, Go
)

// Scenario is what a cell does.
type Scenario string

const (
	Echo      Scenario = "echo"      // closed loop
	Idle      Scenario = "idle"      // memory of connections at rest
	Churn     Scenario = "churn"     // connections come, echo once and go
	Latency   Scenario = "latency"   // open loop at half of gorilla's ceiling
	Broadcast Scenario = "broadcast" // one sends, all receive; closed loop
	Allocs    Scenario = "allocs"    // what the runtime counted over ten million messages
	Mask      Scenario = "mask"      // a micro-benchmark; Bytes are masked
	Collect   Scenario = "collect"   // a GC cycle with Connections simulated connections

	Deflate     Scenario = "deflate"      // closed loop with messages that came compressed and may go so (RFC 7692)
	DeflateIdle Scenario = "deflate-idle" // memory of connections that agreed to compression, at rest
	TLS         Scenario = "tls"          // closed loop over TLS 1.3
)

// A Cell is one row of the comparison.
type Cell struct {
	Scenario    Scenario `json:"scenario"`
	Connections int      `json:"connections,omitempty"`
	Outstanding int      `json:"outstanding,omitempty"` // messages in flight: of each connection, or broadcasts in all
	Bytes       int      `json:"bytes,omitempty"`       // payload
	Text        bool     `json:"text,omitempty"`
	Takeover    bool     `json:"takeover,omitempty"` // deflate: with context takeover in both directions
	Cores       int      `json:"cores,omitempty"`    // of the server; with 1 the client has another one for itself
}

// String names the cell as flags do: echo/1000/16/125, with /text, /takeover and /2cores where they apply.
func (c Cell) String() string {
	s := fmt.Sprintf("%s/%d/%d/%d", c.Scenario, c.Connections, c.Outstanding, c.Bytes)
	if c.Text {
		s += "/text"
	}
	if c.Takeover {
		s += "/takeover"
	}
	if c.Cores > 1 {
		s += fmt.Sprintf("/%dcores", c.Cores)
	}
	return s
}

// A Sample is one measurement of one server in one cell.
type Sample struct {
	Kind     string             `json:"kind"` // "sample"
	Run      string             `json:"run"`  // Run.ID
	Cell     Cell               `json:"cell"`
	Server   string             `json:"server"`
	Round    int                `json:"round"`     // from 1; ratios are taken between samples of one cell and round
	Attempt  int                `json:"attempt"`   // from 1; a measurement that others disturbed is made again
	Kept     bool               `json:"kept"`      // false for the attempts that were repeated
	Noisy    bool               `json:"noisy"`     // others used more of the machine than the run allows
	OtherCPU float64            `json:"other_cpu"` // what others used, in cores
	Error    string             `json:"error,omitempty"`
	Values   map[string]float64 `json:"values,omitempty"`
}

// The names in Sample.Values. A scenario gives those that it can.
const (
	CPU        = "cpu_ns" // echo, deflate, tls, churn, broadcast, latency: the server's processor time per message, connection or delivery
	PerSecond  = "per_s"  // messages, connections or deliveries a second
	ServerBusy = "server" // of its cores
	ClientBusy = "client" // of its core
	Rate       = "rate"   // latency: messages a second that were asked for
	P50        = "p50_ns" // latency, broadcast
	P99        = "p99_ns"
	P999       = "p999_ns"
	Opened     = "opened_b"    // idle: bytes of resident memory per connection, once open
	Echoed     = "echoed_b"    // idle: the same after each echoed once
	Filled     = "filled_b"    // deflate-idle: the same after each echoed as much as the largest window holds
	Ratio      = "ratio"       // deflate, tls: bytes of a reply, its headers included, for each byte of payload
	Records    = "records"     // tls: records for each reply
	Version    = "tls_version" // tls: what was agreed to, by the numbers of the registry: 772 is TLS 1.3,
	Cipher     = "tls_cipher"  // and 4865 is TLS_AES_128_GCM_SHA256
	Messages   = "messages"    // allocs: how many were echoed
	Mallocs    = "mallocs"     // allocs: objects allocated meanwhile, in all
	Cycles     = "cycles"      // allocs: GC cycles meanwhile
	BytesPerS  = "bytes_per_s" // mask
	CycleTime  = "gc_ns"       // collect: one cycle by the clock

	// allocs: the same for the first half of the messages. What is equal in both halves does not come from messages;
	// cycles that grow with messages show as twice as many.
	FirstMessages = "first_messages"
	FirstMallocs  = "first_mallocs"
	FirstCycles   = "first_cycles"
)
