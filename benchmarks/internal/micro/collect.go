package micro

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// collectConnections are those that are open while garbage is collected.
const collectConnections = 1_000_000

// Collect has the engine open a million connections over its simulation, as BenchmarkMillion of package engine does, and
// measures a cycle of the garbage collector: the shortest of ten, by the clock, with all that the simulation holds too. It returns one
// sample for each round, with record.CycleTime. A round takes about ten seconds.
func Collect(ctx context.Context, dir string, rounds int) ([]record.Sample, error) {
	return collect(ctx, dir, rounds, collectConnections)
}

// collect is Collect with one of the numbers of connections that BenchmarkMillion knows.
func collect(ctx context.Context, dir string, rounds, connections int) ([]record.Sample, error) {
	var samples []record.Sample
	for round := 1; round <= rounds; round++ {
		text, err := command(ctx, dir, "go", "test", "-C", "..", "-run", "NONE", "-count", "1",
			"-bench", fmt.Sprintf("^BenchmarkMillion$/^%d$", connections), "-benchtime", "1x", "./engine")
		if err != nil {
			return samples, err
		}
		ns, err := cycleTime(text)
		if err != nil {
			return samples, err
		}
		cell := record.Cell{Scenario: record.Collect, Connections: connections}
		samples = append(samples, sample(cell, "wsloop", round, map[string]float64{record.CycleTime: ns}))
	}
	return samples, nil
}

// collectFigure is the figure in a line of BenchmarkMillion.
var collectFigure = regexp.MustCompile(`(?m)^BenchmarkMillion/\S+\s.*\s([0-9.]+) ms/GC(\s|$)`)

// cycleTime is the figure in nanoseconds.
func cycleTime(text []byte) (float64, error) {
	line := collectFigure.FindSubmatch(text)
	if line == nil {
		return 0, fmt.Errorf("micro: no ms/GC in %q", text)
	}
	ms, err := strconv.ParseFloat(string(line[1]), 64)
	if err == nil && ms <= 0 {
		err = errors.New("no time passed")
	}
	if err != nil {
		return 0, fmt.Errorf("micro: %s: %w", line[0], err)
	}
	return ms * 1e6, nil
}
