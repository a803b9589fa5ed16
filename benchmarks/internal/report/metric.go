package report

import "github.com/wsloop/wsloop/benchmarks/internal/record"

// metric is a value of a sample, and how it is told.
type metric struct {
	name string // in record.Sample.Values
	unit unit
	more bool // is better
}

var (
	cpu        = metric{record.CPU, nanos, false}
	perSecond  = metric{record.PerSecond, rate, true}
	p50        = metric{record.P50, nanos, false}
	p99        = metric{record.P99, nanos, false}
	p999       = metric{record.P999, nanos, false}
	opened     = metric{record.Opened, octets, false}
	echoed     = metric{record.Echoed, octets, false}
	filled     = metric{record.Filled, octets, false}
	ratio      = metric{record.Ratio, share, false}
	records    = metric{record.Records, times, false}
	bandwidth  = metric{record.BytesPerS, byteRate, true}
	cycleTime  = metric{record.CycleTime, nanos, false}
	serverBusy = metric{record.ServerBusy, share, false}
	clientBusy = metric{record.ClientBusy, share, false}
)
