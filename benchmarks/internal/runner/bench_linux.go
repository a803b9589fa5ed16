package runner

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/wsloop/wsloop/benchmarks/internal/contender"
	"github.com/wsloop/wsloop/benchmarks/internal/generator"
	"github.com/wsloop/wsloop/benchmarks/internal/micro"
	"github.com/wsloop/wsloop/benchmarks/internal/program"
	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// patience is how long one measurement may take besides what it is to take.
const patience = 5 * time.Minute

// A Bench measures with the load generators.
type Bench struct {
	Plan    Plan
	Shop    contender.Workshop
	Load    string           // the load generator in C
	Secure  string           // that of TLS
	Wsloop  string           // the command of the checkout, whose load tool paces
	Ceiling contender.Server // whose throughput the pace comes from
	Journal *Journal
	Say     func(format string, args ...any)

	CPUs  []int                  // of the machine, that servers and clients are put on
	rate  float64                // messages a second of the latency cells, 0 before it is known
	files map[record.Cell]string // of compressed messages
}

// NewBench builds the generators.
func NewBench(ctx context.Context, p Plan, shop contender.Workshop) (*Bench, error) {
	b := &Bench{Plan: p, Shop: shop, files: make(map[record.Cell]string)}
	var err error
	if b.CPUs, err = program.CPUs(); err != nil {
		return nil, err
	}
	if b.Load, _, err = shop.Compile(ctx, "load", "scripts/bench/load/*.c"); err != nil {
		return nil, err
	}
	if p.Has(record.TLS) {
		if b.Secure, err = shop.SecureLoad(ctx); err != nil {
			return nil, err
		}
		if err := shop.Certify(); err != nil {
			return nil, err
		}
	}
	if p.Has(record.Latency) {
		b.Wsloop, err = shop.Wsloop(ctx, shop.Root, "pacer")
	}
	return b, err
}

// place says where a server and its client run. With too few processors for both they share them all.
func (b *Bench) place(cores int) (server, client []int, err error) {
	cores = max(1, cores)
	switch n := len(b.CPUs); {
	case n < cores || n < 2:
		return nil, nil, fmt.Errorf("runner: %d processors, and %d for the server and one for the client are needed", n, cores)
	case n == cores:
		return b.CPUs, b.CPUs, nil
	}
	return b.CPUs[:cores], b.CPUs[cores : cores+1], nil
}

// Measure implements Measurer.
func (b *Bench) Measure(ctx context.Context, s contender.Server, c record.Cell) (Measurement, error) {
	ctx, cancel := context.WithTimeout(ctx, patience+time.Duration(b.Plan.seconds(c)*float64(time.Second)))
	defer cancel()
	on, from, err := b.place(c.Cores)
	if err != nil {
		return Measurement{}, err
	}
	if c.Scenario == record.Latency {
		if err := b.findRate(ctx, c); err != nil {
			return Measurement{}, err
		}
	}
	running, err := start(ctx, s, c, on)
	if err != nil {
		return Measurement{}, err
	}
	defer running.p.End()
	m, err := b.drive(ctx, running, s, c, from)
	if err == nil {
		err = running.p.Alive()
	}
	return m, err
}

func (b *Bench) drive(ctx context.Context, running *process, s contender.Server, c record.Cell, from []int) (Measurement, error) {
	load, l := generator.C{Program: b.Load, CPUs: from}, loop(s, c, b.Plan)
	switch c.Scenario {
	case record.Deflate, record.DeflateIdle:
		var err error
		if l.Compressed, err = b.messages(c); err != nil {
			return Measurement{}, err
		}
	case record.TLS:
		load.Program, l.Authority = b.Secure, b.Shop.Authority()
	}
	switch c.Scenario {
	case record.Echo, record.Churn, record.Broadcast, record.Deflate, record.TLS:
		return closedLoop(ctx, load, running, l)
	case record.Idle, record.DeflateIdle:
		return idle(ctx, load, running, l)
	case record.Latency:
		return latency(ctx, generator.Wsloop{Program: b.Wsloop, Work: b.Shop.Work, CPUs: from}, running, c, b.rate, b.Plan)
	}
	return Measurement{}, fmt.Errorf("runner: unknown scenario %q", c.Scenario)
}

// messages is the file with the compressed messages of a cell, which all servers get.
func (b *Bench) messages(c record.Cell) (path string, err error) {
	if path, found := b.files[c]; found {
		return path, nil
	}
	if path, err = compressed(b.Shop.Work, c); err == nil {
		b.files[c] = path
	}
	return path, err
}

// Apart implements Measurer. What others used is that of the whole time, building included.
func (b *Bench) Apart(ctx context.Context, c record.Cell) ([]record.Sample, error) {
	before, err := takeOwn()
	if err != nil {
		return nil, err
	}
	samples, err := b.micro(ctx, c)
	if err != nil {
		return nil, err
	}
	after, err := takeOwn()
	for i := range samples {
		samples[i].OtherCPU = after.others(before, 0)
	}
	return samples, err
}

func (b *Bench) micro(ctx context.Context, c record.Cell) ([]record.Sample, error) {
	dir := filepath.Join(b.Shop.Root, "benchmarks")
	switch c.Scenario {
	case record.Mask:
		return micro.Mask(ctx, dir, 1)
	case record.Collect:
		return micro.Collect(ctx, dir, 1)
	case record.Allocs:
		return micro.Allocs(ctx, dir, b.Load, b.Plan.AllocMessages)
	}
	return nil, fmt.Errorf("runner: unknown scenario %q", c.Scenario)
}
