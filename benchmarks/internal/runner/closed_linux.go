package runner

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/wsloop/wsloop/benchmarks/internal/contender"
	"github.com/wsloop/wsloop/benchmarks/internal/generator"
	"github.com/wsloop/wsloop/benchmarks/internal/payload"
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
		Text: c.Text, Seconds: p.seconds(c), Warmup: p.Warmup, Takeover: c.Takeover,
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
	case record.TLS:
		l.Mode = ""
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
	record.Records:   {"records_per_msg"},
	record.Version:   {"tls_version"},
	record.Cipher:    {"tls_cipher"},
}

// closedLoop measures messages, connections that come and go, or broadcasts.
func closedLoop(ctx context.Context, load generator.C, running *process, l generator.Loop) (Measurement, error) {
	out, err := load.Run(ctx, running.port, running.p.PID(), l)
	if err != nil {
		return Measurement{}, err
	}
	m, err := measured(out, running.cores)
	if wire, found := out["wire_bytes"]; err == nil && found {
		m.Values[record.Ratio] = wire / float64(l.Bytes)
	}
	return m, err
}

// compressed writes the messages of a cell of compression to a file for the generator, and returns its path.
func compressed(work string, c record.Cell) (path string, err error) {
	f, err := os.CreateTemp(work, "messages")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return f.Name(), payload.Write(f, c.Bytes, c.Takeover)
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
