package micro

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// Mask measures masking in place, ours and that of the Go libraries, and memmove. It returns one sample for each library, length
// and round, with record.BytesPerS.
func Mask(ctx context.Context, dir string, rounds int) ([]record.Sample, error) {
	return masks(ctx, dir, "^BenchmarkMask$", rounds)
}

// masks is Mask for the lengths and libraries that match pattern.
func masks(ctx context.Context, dir, pattern string, rounds int) ([]record.Sample, error) {
	var samples []record.Sample
	err := benchmark(ctx, dir, pattern, rounds, func(round int, text []byte) error {
		s, err := maskSamples(text, round)
		samples = append(samples, s...)
		return err
	})
	return samples, err
}

// maskLine is a line of BenchmarkMask; with one processor no number of them follows the name.
var maskLine = regexp.MustCompile(`(?m)^BenchmarkMask/bytes=(\d+)/lib=(\S+)\s+\d+\s+([0-9.]+) ns/op`)

func maskSamples(text []byte, round int) ([]record.Sample, error) {
	var samples []record.Sample
	for _, line := range maskLine.FindAllSubmatch(text, -1) {
		n, err := strconv.Atoi(string(line[1]))
		if err != nil {
			return nil, fmt.Errorf("micro: %s: %w", line[0], err)
		}
		ns, err := strconv.ParseFloat(string(line[3]), 64)
		if err == nil && ns <= 0 {
			err = errors.New("no time passed")
		}
		if err != nil {
			return nil, fmt.Errorf("micro: %s: %w", line[0], err)
		}
		cell := record.Cell{Scenario: record.Mask, Bytes: n, Cores: 1}
		samples = append(samples, sample(cell, string(line[2]), round, map[string]float64{record.BytesPerS: float64(n) * 1e9 / ns}))
	}
	if len(samples) == 0 {
		return nil, fmt.Errorf("micro: no benchmark of masking in %q", text)
	}
	return samples, nil
}

// sample is one that was measured once.
func sample(cell record.Cell, server string, round int, values map[string]float64) record.Sample {
	return record.Sample{Cell: cell, Server: server, Round: round, Attempt: 1, Kept: true, Values: values}
}
