package report

import (
	"testing"

	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

func TestFormats(t *testing.T) {
	for _, c := range []struct {
		unit       unit
		v          float64
		full, tick string
	}{
		{times, 0, "0.00", "0"},
		{times, 1.234, "1.23", "1.23"},
		{times, 12.34, "12.3", "12.3"},
		{times, 123.4, "123", "123"},
		{times, 0.0001, "0.0001", "0.0001"},
		{times, 0.000034, "0.00003", "0.00003"},
		{times, -0.002, "-0.002", "-0.002"},
		{nanos, 5, "5 ns", "5 ns"},
		{nanos, 14.26, "14.3 ns", "14.3 ns"},
		{nanos, 999.6, "1.00 µs", "1 µs"},
		{nanos, 20e6, "20.0 ms", "20 ms"},
		{nanos, 5e12, "5000 s", "5000 s"},
		{octets, -3, "-3 B", "-3 B"},
		{octets, 9999, "9999 B", "9999 B"},
		{octets, 27_500, "27.5 kB", "27.5 kB"},
		{rate, 850, "850", "850"},
		{rate, 123_456, "123 k", "123 k"},
		{rate, 2e6, "2.00 M", "2 M"},
		{byteRate, 45.2e9, "45.2 GB/s", "45.2 GB/s"},
		{share, 0.987, "99 %", "99 %"},
		{count, 10_000_100, "10,000,100", "10,000,100"},
		{count, -100, "-100", "-100"},
		{count, -1000, "-1,000", "-1,000"},
	} {
		if got := c.unit.format(c.v); got != c.full {
			t.Errorf("%v: %q, want %q", c.v, got, c.full)
		}
		if got := c.unit.tick(c.v); got != c.tick {
			t.Errorf("%v, a tick: %q, want %q", c.v, got, c.tick)
		}
	}
	none, one, two := Spread{}, Spread{2, 2, 2, 1}, Spread{2, 1, 3, 2}
	for s, want := range map[Spread][2]string{none: {"-", ""}, one: {"2.00", ""}, two: {"2.00 (1.00 to 3.00)", "1.00 to 3.00"}} {
		if times.full(s) != want[0] || times.extremes(s) != want[1] {
			t.Errorf("%+v: %q, %q", s, times.full(s), times.extremes(s))
		}
	}
}

func TestDescribe(t *testing.T) {
	for _, c := range []struct {
		cell        record.Cell
		long, short string
	}{
		{cellOf(1, 1, 125), "1 connection, 1 in flight, 125 B", "1 × 1 × 125 B"},
		{record.Cell{Scenario: record.Echo, Connections: 1000, Outstanding: 16, Bytes: 16384, Text: true, Cores: 2}, "1,000 connections, 16 in flight, 16 KiB, text, 2 cores", "1,000 × 16 × 16 KiB text, 2 cores"},
		{record.Cell{Scenario: record.Broadcast, Connections: 10_000, Outstanding: 1, Bytes: 1 << 20}, "10,000 connections, 1 broadcast on its way, 1 MiB", "10,000 × 1 × 1 MiB"},
		{record.Cell{Scenario: record.Broadcast, Connections: 10, Outstanding: 16, Bytes: 1025}, "10 connections, 16 broadcasts on their way, 1,025 B", "10 × 16 × 1,025 B"},
		{record.Cell{Scenario: record.Mask, Bytes: 1024, Cores: 1}, "1 KiB", "1 KiB"},
		{record.Cell{Scenario: record.Allocs}, "", "0 × 0 × 0 B"},
	} {
		if describe(c.cell) != c.long || short(c.cell) != c.short {
			t.Errorf("%q, %q", describe(c.cell), short(c.cell))
		}
	}
}
