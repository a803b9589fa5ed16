package runner

import (
	"context"

	"github.com/wsloop/wsloop/benchmarks/internal/contender"
	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

const (
	// noiseCores is how much of the machine others may use while something is measured.
	noiseCores = 0.05
	// attempts is how often something is measured that others disturb; the last time counts.
	attempts = 3
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
	// Apart measures a scenario that has no servers here. It returns the samples of one round.
	Apart(ctx context.Context, c record.Cell) ([]record.Sample, error)
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
	case record.Deflate, record.DeflateIdle:
		return s.Deflates(c.Takeover)
	case record.TLS:
		return s.Secures()
	}
	return true
}

// disturbs says whether what others use of the machine changes what is measured. Memory and counts are what they are.
func disturbs(c record.Cell, others float64) bool {
	switch c.Scenario {
	case record.Idle, record.DeflateIdle, record.Allocs:
		return false
	}
	return others > noiseCores
}

// cell measures all rounds of a cell; within a round the servers take turns.
func (r *Runner) cell(ctx context.Context, c record.Cell) error {
	for round := 1; round <= r.Plan.rounds(c); round++ {
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
		sample.Noisy = disturbs(c, m.OtherCPU)
		sample.Kept = !sample.Noisy || attempt == attempts
		if err := r.Journal.Add(sample); err != nil || sample.Kept {
			return err
		}
	}
}

// apart measures all rounds of a scenario that measures itself.
func (r *Runner) apart(ctx context.Context, c record.Cell) error {
	for round := 1; round <= r.Plan.rounds(c); round++ {
		if err := r.apartRound(ctx, c, round); err != nil {
			return err
		}
	}
	return nil
}

func (r *Runner) apartRound(ctx context.Context, c record.Cell, round int) error {
	for attempt := 1; ; attempt++ {
		samples, err := r.Measurer.Apart(ctx, c)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			r.Say("%s failed: %v", c, err)
			return r.Journal.Add(record.Sample{
				Cell: c, Server: contender.Ours, Round: round, Attempt: attempt, Kept: true, Error: err.Error(),
			})
		}
		noisy := false
		for _, s := range samples {
			noisy = noisy || disturbs(c, s.OtherCPU)
		}
		kept := !noisy || attempt == attempts
		for _, s := range samples {
			s.Round, s.Attempt, s.Kept, s.Noisy = round, attempt, kept, noisy
			if err := r.Journal.Add(s); err != nil {
				return err
			}
		}
		if kept {
			return nil
		}
	}
}
