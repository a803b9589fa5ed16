package runner

import (
	"context"
	"fmt"

	"github.com/wsloop/wsloop/benchmarks/internal/generator"
	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// pacedWarmup is how long, in seconds, the open loop runs before it counts: its connections begin at once.
const pacedWarmup = 0.5

// findRate finds the rate of the latency cells, which is one for the whole run: half of the ceiling of gorilla in the same cell as
// a closed loop, measured in this run. If that cell is not in the plan, it is measured now and not written down.
func (b *Bench) findRate(ctx context.Context, c record.Cell) error {
	if b.rate > 0 {
		return nil
	}
	c.Scenario = record.Echo
	ceiling, found := b.Journal.Median(c, b.Ceiling.Name, record.PerSecond)
	if !found {
		if b.Ceiling.Err != nil {
			return fmt.Errorf("runner: no rate without the ceiling: %w", b.Ceiling.Err)
		}
		m, err := b.Measure(ctx, b.Ceiling, c)
		if err != nil {
			return fmt.Errorf("runner: the ceiling: %w", err)
		}
		ceiling = m.Values[record.PerSecond]
	}
	b.rate = float64(int(ceiling / 2))
	b.Say("latency is measured at %.0f messages a second, half of what %s can", b.rate, b.Ceiling.Name)
	return nil
}

// latency measures an open loop.
func latency(ctx context.Context, load generator.Wsloop, running *process, c record.Cell, rate float64, p Plan) (Measurement, error) {
	server := running.p.PID()
	before, err := take(server)
	if err != nil {
		return Measurement{}, err
	}
	figures, client, warnings, err := load.Run(ctx, running.port, server, generator.Pace{
		Connections: c.Connections, Bytes: c.Bytes, Text: c.Text, Rate: rate, Seconds: p.seconds(c), Warmup: pacedWarmup,
	})
	if err != nil {
		return Measurement{}, err
	}
	after, err := take(server)
	if err != nil {
		return Measurement{}, err
	}
	values, err := paced(figures, rate, running.cores)
	return Measurement{Values: values, OtherCPU: after.others(before, client), Remarks: warnings}, err
}

// paced translates the figures of the load tool.
func paced(figures map[string]float64, rate float64, cores int) (map[string]float64, error) {
	for _, name := range []string{"p50", "p99", "p99.9", "messages/s"} {
		if figures[name] <= 0 {
			return nil, fmt.Errorf("runner: the load tool reported no %s", name)
		}
	}
	values := map[string]float64{
		record.Rate: rate, record.PerSecond: figures["messages/s"],
		record.P50: figures["p50"], record.P99: figures["p99"], record.P999: figures["p99.9"],
	}
	if cpu := figures["cpu/message"]; cpu > 0 {
		values[record.CPU] = cpu
		values[record.ServerBusy] = cpu * figures["messages/s"] / 1e9 / float64(cores)
	}
	if cpu := figures["generator.cpu/message"]; cpu > 0 {
		values[record.ClientBusy] = cpu * figures["messages/s"] / 1e9
	}
	return values, nil
}
