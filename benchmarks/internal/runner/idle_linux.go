package runner

import (
	"context"
	"fmt"
	"time"

	"github.com/wsloop/wsloop/benchmarks/internal/generator"
	"github.com/wsloop/wsloop/benchmarks/internal/machine"
	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

const (
	// settleInterval is the time between two readings of memory that have to agree.
	settleInterval = 500 * time.Millisecond
	// settleReadings is how many of them have to.
	settleReadings = 3
	// settleMost is how many there are at most.
	settleMost = 60
)

// windowBytes is how much the largest window of permessage-deflate holds.
const windowBytes = 1 << 15

// idle measures how much memory the connections of a loop hold that do nothing.
func idle(ctx context.Context, load generator.C, running *process, l generator.Loop) (Measurement, error) {
	// Code is paged in and lazily made things are made before anything is counted.
	if err := visit(ctx, load, running.port, l); err != nil {
		return Measurement{}, err
	}
	m := memory{read: func() (int64, error) { return machine.ResidentBytes(running.p.PID()) }, interval: settleInterval}
	base, err := m.settled(ctx, "before connections came")
	if err != nil {
		return Measurement{}, err
	}
	holder, err := load.Hold(ctx, running.port, l)
	if err != nil {
		return Measurement{}, err
	}
	defer holder.End()
	opened, err := m.settled(ctx, "with all connections open")
	if err != nil {
		return Measurement{}, err
	}
	if err := holder.Echo(ctx); err != nil {
		return Measurement{}, err
	}
	echoed, err := m.settled(ctx, "after each connection echoed")
	if err != nil {
		return Measurement{}, err
	}
	each := func(bytes int64) float64 { return float64(bytes-base) / float64(l.Connections) }
	values := map[string]float64{record.Opened: each(opened), record.Echoed: each(echoed)}
	if l.Compressed != "" {
		for range windowBytes / l.Bytes {
			if err := holder.Echo(ctx); err != nil {
				return Measurement{}, err
			}
		}
		filled, err := m.settled(ctx, "after each connection filled its windows")
		if err != nil {
			return Measurement{}, err
		}
		values[record.Filled] = each(filled)
	}
	return Measurement{Values: values, Remarks: m.remarks}, nil
}

// visit has one connection come, echo and go.
func visit(ctx context.Context, load generator.C, port int, l generator.Loop) error {
	l.Connections = 1
	holder, err := load.Hold(ctx, port, l)
	if err != nil {
		return err
	}
	defer holder.End()
	return holder.Echo(ctx)
}

// memory is that of a process.
type memory struct {
	read     func() (int64, error) // bytes
	interval time.Duration
	remarks  []string
}

// settled waits until some readings in a row agree, and returns the last. It notes if they never do.
func (m *memory) settled(ctx context.Context, when string) (int64, error) {
	bytes, same := int64(-1), 0
	for range settleMost {
		now, err := m.read()
		if err != nil {
			return 0, err
		}
		if now == bytes {
			same++
		} else {
			bytes, same = now, 1
		}
		if same == settleReadings {
			return bytes, nil
		}
		select {
		case <-time.After(m.interval):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	m.remarks = append(m.remarks, fmt.Sprintf("memory did not settle %s; the last of %d readings counts", when, settleMost))
	return bytes, nil
}
