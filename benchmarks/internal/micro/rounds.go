package micro

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"time"
)

// benchTime is how long each benchmark runs in a round. A round is short, so that what changes on the machine
// changes between rounds.
const benchTime = 50 * time.Millisecond

// Text runs the benchmarks of package micro whose name matches pattern, in so many rounds, each of them a process, and
// writes what they print: input for benchstat, which compares with -col /lib.
func Text(ctx context.Context, dir, pattern string, rounds int, out io.Writer) error {
	return benchmark(ctx, dir, pattern, rounds, func(_ int, text []byte) error {
		_, err := out.Write(text)
		return err
	})
}

// benchmark builds the benchmarks once, and hands what each round printed to took.
func benchmark(ctx context.Context, dir, pattern string, rounds int, took func(round int, text []byte) error) error {
	work, err := os.MkdirTemp("", "wsloop-micro")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	program, err := build(ctx, dir, work)
	if err != nil {
		return err
	}
	for round := 1; round <= rounds; round++ {
		// What does not mask is not to be measured: the functions that are exposed are tested here only.
		text, err := onOneProcessor(ctx, work, program,
			"-test.run", "^TestMaskers$", "-test.bench", pattern, "-test.benchtime", benchTime.String())
		if err != nil {
			return err
		}
		if err := took(round, text); err != nil {
			return err
		}
	}
	return nil
}

// build compiles the benchmarks, and those of functions that libraries keep to themselves, to a program in work.
func build(ctx context.Context, dir, work string) (program string, err error) {
	modfile, err := expose(ctx, dir, work)
	if err != nil {
		return "", err
	}
	program = filepath.Join(work, "micro.test")
	_, err = command(ctx, dir, "go", "test", "-c", "-modfile", modfile, "-tags", "exposed", "-o", program, "./micro")
	return program, err
}
