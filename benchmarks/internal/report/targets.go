package report

import (
	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// target is a promise with its bound.
type target struct {
	what     string
	of       string // what the value is a multiple of, or its unit says all
	unit     unit
	relation relation
	bound    float64
	reason   string // for the bound
	scenario record.Scenario
	in       func(c record.Cell) bool // which cells of the scenario; nil is all of them
	measure  measure
	room     measure // where even this does not reach the bound, nobody can; nil where there is always room
	aside    measure // told beside the value, whatever it is; decides nothing, and may be nil
}

// relation of a value that is as promised to its bound.
type relation string

const (
	atMost  relation = "at most"
	atLeast relation = "at least"
	below   relation = "below"
	above   relation = "above"
)

// targets are all that wsloop promises about its speed and its memory. One that is not here is a matter of
// tests: that a broadcast is encoded once and not copied for each receiver.
var targets = []target{
	{
		what: "CPU per echoed message, up to 1 KiB, one in flight", of: "the C echo", relation: atMost, bound: 1.05,
		reason:   "both do the same system calls; parsing a header and unmasking are all that may be added",
		scenario: record.Echo, in: func(c record.Cell) bool { return c.Bytes <= 1<<10 && c.Outstanding <= 1 }, measure: ofLimit(cpu),
	},
	{
		what: "CPU per echoed message, up to 1 KiB, sixteen in flight", of: "the C echo", relation: atMost, bound: 1.15,
		reason:   "sixteen messages share the system calls, so that what each costs by itself weighs more",
		scenario: record.Echo, in: func(c record.Cell) bool { return c.Bytes <= 1<<10 && c.Outstanding > 1 }, measure: ofLimit(cpu),
	},
	{
		what: "CPU per echoed message of 16 KiB", of: "the C echo", relation: atMost, bound: 1.2,
		reason:   "unmasking and one copy touch each byte, which the C echo never does",
		scenario: record.Echo, in: func(c record.Cell) bool { return c.Bytes > 1<<10 && c.Bytes <= 1<<14 }, measure: ofLimit(cpu),
	},
	{
		what: "CPU per echoed message of 1 MiB", of: "the C echo", relation: atMost, bound: 1.3,
		reason:   "the same, and a message is more than the nearest caches hold",
		scenario: record.Echo, in: long, measure: ofLimit(cpu),
	},
	{
		what: "CPU per echoed message of 1 MiB, beside the best rival", of: "the best rival", relation: below, bound: 1,
		reason: "ahead of every rival", scenario: record.Echo, in: long, measure: ofBest(cpu, record.GoRival, record.Rival),
	},
	{
		what: "throughput at 1 MiB, beside the best rival", of: "the best rival", relation: above, bound: 1,
		reason: "ahead of every rival", scenario: record.Echo, in: long, measure: ofBest(perSecond, record.GoRival, record.Rival),
	},
	{
		what: "throughput, beside the best rival in Go", of: "the best Go rival", relation: atLeast, bound: 1.2,
		reason:   "wherever the C echo itself is as far ahead: elsewhere the client or the kernel is the limit",
		scenario: record.Echo, measure: ofBest(perSecond, record.GoRival), room: limitOfBest(perSecond, record.GoRival),
	},
	{
		what: "throughput, beside Bun", of: "Bun", relation: above, bound: 1,
		reason: "ahead in every cell", scenario: record.Echo, measure: ofServer(perSecond, "bun"),
	},
	{
		what: "p99 at half of gorilla's ceiling", of: "the best rival", relation: atMost, bound: 1,
		reason: "no worse than any rival", scenario: record.Latency, measure: ofBest(p99, record.GoRival, record.Rival),
	},
	{
		what: "p99.9 at half of gorilla's ceiling", of: "the best rival", relation: atMost, bound: 1,
		reason: "no worse than any rival", scenario: record.Latency, measure: ofBest(p999, record.GoRival, record.Rival),
	},
	{
		what: "resident memory per idle connection", unit: octets, relation: atMost, bound: 128,
		reason: "half of what uWebSockets needs in C++", scenario: record.Idle, in: atLeastIdle, measure: own(opened),
	},
	{
		what: "resident memory per idle connection, after an echo", unit: octets, relation: atMost, bound: 128,
		reason: "what a message needs is given back", scenario: record.Idle, in: atLeastIdle, measure: own(echoed),
	},
	{
		what: "a GC cycle with a million connections", unit: nanos, relation: atMost, bound: 20e6,
		reason:   "the collector must not follow connections: what it would find there is noticed at p99.9",
		scenario: record.Collect, in: func(c record.Cell) bool { return c.Connections >= 1_000_000 }, measure: own(cycleTime),
	},
	{
		what: "CPU per connection that comes, echoes and goes", of: "accept, echo and close in C", relation: atMost, bound: 1.3,
		reason: "the request is read, checked and answered, in two more system calls", scenario: record.Churn, measure: ofLimit(cpu),
	},
	{
		what: "CPU per connection that comes, echoes and goes, beside the best rival", of: "the best rival", relation: below, bound: 1,
		reason: "ahead of every rival", scenario: record.Churn, measure: ofBest(cpu, record.GoRival, record.Rival),
	},
	{
		what: "broadcast deliveries per second, beside the best rival in Go", of: "the best Go rival", relation: atLeast, bound: 1.5,
		reason: "a broadcast is encoded once and copied for nobody", scenario: record.Broadcast, measure: ofBest(perSecond, record.GoRival),
		aside: limitOfBest(perSecond, record.GoRival),
	},
	{
		what: "broadcast deliveries per second, beside Bun", of: "Bun", relation: above, bound: 1,
		reason: "ahead in every cell", scenario: record.Broadcast, measure: ofServer(perSecond, "bun"),
	},
	{
		what: "CPU per compressed message, beside the best rival", of: "the best rival", relation: below, bound: 1,
		reason: "ahead of every rival, each compressing from the length on that is its default", scenario: record.Deflate,
		in: func(c record.Cell) bool { return !c.Takeover }, measure: ofBest(cpu, record.GoRival, record.Rival),
	},
	{
		what: "CPU per message over TLS, beside Bun", of: "Bun", relation: atMost, bound: 1.2,
		reason: "the same ciphers in Go's assembly and in BoringSSL's; crypto/tls copies once more", scenario: record.TLS, measure: ofServer(cpu, "bun"),
	},
	{
		what: "CPU per message over TLS, beside the best rival in Go", of: "the best Go rival", relation: below, bound: 1,
		reason: "ahead of every Go library", scenario: record.TLS, measure: ofBest(cpu, record.GoRival),
	},
	{
		what: "growth of CPU per message from 1,000 to 10,000 connections", of: "the growth of the C echo", relation: atMost, bound: 1.15,
		reason:   "what the caches lose on sockets the C echo loses too",
		scenario: record.Echo, in: func(c record.Cell) bool { return c == cellOf(10_000, 1, 125) }, measure: growth,
	},
	{
		what: "mask, from 4 KiB up", of: "memmove's bandwidth", relation: atLeast, bound: 0.9,
		reason:   "the memory is the limit, not the XOR",
		scenario: record.Mask, in: func(c record.Cell) bool { return c.Bytes >= 4<<10 }, measure: ofLimit(bandwidth),
	},
	{
		what: "mask, beside the best library in Go", of: "the best library's bandwidth", relation: above, bound: 1,
		reason: "ahead of every Go library", scenario: record.Mask, in: comparedMask, measure: ofBest(bandwidth, record.GoRival),
	},
	{
		what: "allocations per message over ten million", unit: times, relation: atMost, bound: 0.0001,
		reason:   "none; a thousand in all are left to the runtime and to the count itself",
		scenario: record.Allocs, measure: allocations,
	},
	{
		what: "GC cycles per million messages", unit: times, relation: atMost, bound: 0.5,
		reason:   "one every two minutes is forced; more than a few in ten million messages grow with these",
		scenario: record.Allocs, measure: cycles,
	},
}

func long(c record.Cell) bool { return c.Bytes > 1<<14 }

func atLeastIdle(c record.Cell) bool { return c.Connections >= 18_000 }

func comparedMask(c record.Cell) bool {
	return c.Bytes == 16 || c.Bytes == 128 || c.Bytes == 1<<10 || c.Bytes == 16<<10
}

// demanded are the cells that the targets are about, whether they were measured or not.
var demanded = []record.Cell{
	cellOf(1, 1, 125), cellOf(100, 1, 125), cellOf(1000, 1, 125), cellOf(1000, 16, 125), cellOf(10_000, 1, 125),
	cellOf(10_000, 1, 1<<10), cellOf(100, 1, 16<<10), cellOf(10, 1, 1<<20),
	{Scenario: record.Echo, Connections: 100, Outstanding: 1, Bytes: 125, Text: true, Cores: 1},
	{Scenario: record.Echo, Connections: 100, Outstanding: 1, Bytes: 16 << 10, Text: true, Cores: 1},
	{Scenario: record.Echo, Connections: 1000, Outstanding: 1, Bytes: 125, Cores: 2},
	{Scenario: record.Echo, Connections: 1000, Outstanding: 16, Bytes: 125, Cores: 2},
	{Scenario: record.Latency, Connections: 1000, Outstanding: 1, Bytes: 125},
	{Scenario: record.Idle, Connections: 18_000},
	{Scenario: record.Churn, Connections: 100},
	{Scenario: record.Broadcast, Connections: 1000, Outstanding: 1, Bytes: 125},
	{Scenario: record.Broadcast, Connections: 1000, Outstanding: 16, Bytes: 125},
	{Scenario: record.Broadcast, Connections: 15_000, Outstanding: 1, Bytes: 125},
	{Scenario: record.Broadcast, Connections: 15_000, Outstanding: 16, Bytes: 125},
	{Scenario: record.Mask, Bytes: 16},
	{Scenario: record.Mask, Bytes: 128},
	{Scenario: record.Mask, Bytes: 1 << 10},
	{Scenario: record.Mask, Bytes: 4 << 10},
	{Scenario: record.Mask, Bytes: 16 << 10},
	{Scenario: record.Mask, Bytes: 64 << 10},
	{Scenario: record.Mask, Bytes: 1 << 20},
	{Scenario: record.Allocs},
	{Scenario: record.Collect, Connections: 1_000_000},
	{Scenario: record.Deflate, Connections: 100, Outstanding: 1, Bytes: 64},
	{Scenario: record.Deflate, Connections: 100, Outstanding: 1, Bytes: 512},
	{Scenario: record.Deflate, Connections: 100, Outstanding: 1, Bytes: 4 << 10},
	{Scenario: record.Deflate, Connections: 100, Outstanding: 1, Bytes: 64 << 10},
	{Scenario: record.TLS, Connections: 100, Outstanding: 1, Bytes: 125},
	{Scenario: record.TLS, Connections: 1000, Outstanding: 1, Bytes: 125},
	{Scenario: record.TLS, Connections: 1000, Outstanding: 16, Bytes: 125},
	{Scenario: record.TLS, Connections: 1000, Outstanding: 1, Bytes: 1 << 10},
	{Scenario: record.TLS, Connections: 100, Outstanding: 1, Bytes: 16 << 10},
}

// cellOf is a cell of binary echo on one core.
func cellOf(connections, outstanding, bytes int) record.Cell {
	return record.Cell{Scenario: record.Echo, Connections: connections, Outstanding: outstanding, Bytes: bytes, Cores: 1}
}

// covers reports whether a measured cell is the one demanded. Outside echo a demand may leave things open.
func covers(demand, measured record.Cell) bool {
	same := func(want, got int) bool { return want == got || want == 0 && demand.Scenario != record.Echo }
	return demand.Scenario == measured.Scenario && demand.Text == measured.Text && demand.Takeover == measured.Takeover &&
		max(demand.Cores, 1) == max(measured.Cores, 1) &&
		same(demand.Connections, measured.Connections) && same(demand.Outstanding, measured.Outstanding) &&
		same(demand.Bytes, measured.Bytes)
}
