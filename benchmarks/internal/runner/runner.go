package runner

import (
	"context"
	"fmt"

	"github.com/wsloop/wsloop/benchmarks/internal/contender"
	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

const (
	// noiseCores is how much of the machine others may use while something is measured.
	noiseCores = 0.05
	// attempts is how often something is measured that others disturb; the last time counts.
	attempts = 3
	// idleRounds is enough for memory, which hardly varies, where a measurement takes long.
	idleRounds = 3
)

// A Measurement is what was found out about one server in one cell.
type Measurement struct {
	Values   map[string]float64
	OtherCPU float64  // what others used meanwhile, in cores
	Remarks  []string // what whoever watches should know
}

// A Measurer knows how each scenario is measured.
type Measurer interface {
	// Measure has a fresh process of the server, and measures it.
	Measure(ctx context.Context, s contender.Server, c record.Cell) (Measurement, error)
	// Apart measures scenarios that have no servers here. It returns samples of all rounds.
	Apart(ctx context.Context, c record.Cell, rounds int) ([]record.Sample, error)
}

// A Runner measures all of a plan.
type Runner struct {
	Plan     Plan
	Servers  []contender.Server
	Measurer Measurer
	Journal  *Journal
	Say      func(format string, args ...any) // tells whoever watches
}

// Run measures cell after cell. A server that fails is written down and does not stop the others; only a journal that
// cannot be written or the end of ctx is an error.
func (r *Runner) Run(ctx context.Context) error {
	for i, c := range r.Plan.Cells {
		r.Say("%s, %d of %d", c, i+1, len(r.Plan.Cells))
		var err error
		switch c.Scenario {
		case record.Mask, record.Allocs, record.Collect:
			err = r.apart(ctx, c)
		default:
			err = r.cell(ctx, c)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// takesPart says whether a server can do what the cell asks for.
func takesPart(s contender.Server, c record.Cell) bool {
	switch c.Scenario {
	case record.Broadcast:
		return s.Broadcasts()
	case record.Latency:
		return !s.Raw // its generator speaks WebSocket alone
	}
	return true
}

// cell measures all rounds of a cell; within a round the servers take turns.
func (r *Runner) cell(ctx context.Context, c record.Cell) error {
	rounds := r.Plan.Rounds
	if c.Scenario == record.Idle {
		rounds = min(rounds, idleRounds)
	}
	for round := 1; round <= rounds; round++ {
		for _, s := range r.Servers {
			if !takesPart(s, c) || s.Err != nil && round > 1 {
				continue
			}
			if err := r.turn(ctx, s, c, round); err != nil {
				return err
			}
		}
	}
	return nil
}

// turn measures one server once, or up to three times if others disturb it. Each time is written.
func (r *Runner) turn(ctx context.Context, s contender.Server, c record.Cell, round int) error {
	for attempt := 1; ; attempt++ {
		m, err := Measurement{}, s.Err
		if err == nil {
			m, err = r.Measurer.Measure(ctx, s, c)
		}
		if ctx.Err() != nil {
			return ctx.Err() // what it interrupted says nothing about the server
		}
		sample := record.Sample{Cell: c, Server: s.Name, Round: round, Attempt: attempt, Kept: true}
		if err != nil {
			r.Say("%s: %s failed: %v", c, s.Name, err)
			sample.Error = err.Error()
			return r.Journal.Add(sample)
		}
		for _, remark := range m.Remarks {
			r.Say("%s: %s: %s", c, s.Name, remark)
		}
		sample.Values, sample.OtherCPU = m.Values, m.OtherCPU
		// Memory is what it is, whoever else computes.
		sample.Noisy = m.OtherCPU > noiseCores && c.Scenario != record.Idle
		sample.Kept = !sample.Noisy || attempt == attempts
		if err := r.Journal.Add(sample); err != nil || sample.Kept {
			return err
		}
	}
}

// apart measures a scenario that measures itself.
func (r *Runner) apart(ctx context.Context, c record.Cell) error {
	samples, err := r.Measurer.Apart(ctx, c, r.Plan.Rounds)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, s := range samples {
		if err := r.Journal.Add(s); err != nil {
			return err
		}
	}
	if err != nil {
		r.Say("%s failed: %v", c, err)
		return r.Journal.Add(record.Sample{
			Cell: c, Server: contender.Ours, Round: 1, Attempt: 1, Kept: true, Error: fmt.Sprint(err),
		})
	}
	return nil
}
