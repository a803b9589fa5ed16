package runner

import (
	"context"
	"fmt"

	"github.com/wsloop/wsloop/benchmarks/internal/contender"
	"github.com/wsloop/wsloop/benchmarks/internal/generator"
	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// mode is how the generator in C speaks to a server whose connections stay.
func mode(s contender.Server) string {
	if s.Raw {
		return "raw"
	}
	return "ws"
}

// loop is what the generator has to do for a cell.
func loop(s contender.Server, c record.Cell, p Plan) generator.Loop {
	l := generator.Loop{
		Mode: mode(s), Connections: c.Connections, Outstanding: c.Outstanding, Bytes: c.Bytes,
		Text: c.Text, Seconds: p.seconds(c), Warmup: p.Warmup,
	}
	suffix := ""
	if s.Raw {
		suffix = "-raw"
	}
	switch c.Scenario {
	case record.Broadcast:
		l.Mode = "broadcast" + suffix
	case record.Churn:
		l.Mode, l.Outstanding = "connect"+suffix, 0
	}
	return l
}

// printed says how the generator calls what is recorded, where it has it.
var printed = map[string][]string{
	record.CPU:       {"cpu_ns_per_msg", "cpu_ns_per_cycle", "cpu_ns_per_delivery"},
	record.PerSecond: {"msgs_per_s", "cycles_per_s", "deliveries_per_s"},
	record.P50:       {"p50_ns"},
	record.P99:       {"p99_ns"},
	record.P999:      {"p999_ns"},
}

// closedLoop measures messages, connections that come and go, or broadcasts.
func closedLoop(ctx context.Context, load generator.C, running *process, l generator.Loop) (Measurement, error) {
	out, err := load.Run(ctx, running.port, running.p.PID(), l)
	if err != nil {
		return Measurement{}, err
	}
	return measured(out, running.cores)
}

// measured translates what the generator printed.
func measured(out map[string]float64, cores int) (Measurement, error) {
	values := make(map[string]float64)
	for name, candidates := range printed {
		for _, key := range candidates {
			if v, found := out[key]; found {
				values[name] = v
			}
		}
	}
	const percent = 100
	for _, key := range []string{"server_pct", "client_pct", "other_pct"} {
		if _, found := out[key]; !found {
			return Measurement{}, fmt.Errorf("runner: the generator printed no %s", key)
		}
	}
	if values[record.CPU] <= 0 || values[record.PerSecond] <= 0 {
		return Measurement{}, fmt.Errorf("runner: the generator saw nothing: %v", out)
	}
	values[record.ServerBusy] = out["server_pct"] / percent / float64(cores)
	values[record.ClientBusy] = out["client_pct"] / percent
	return Measurement{Values: values, OtherCPU: out["other_pct"] / percent}, nil
}
