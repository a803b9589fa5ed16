package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/wsloop/wsloop/benchmarks/internal/report"
)

// compareCommand measures a version of wsloop beside the checkout's, and prints the ratios.
func compareCommand(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	f := newRunFlags("bench compare", "compare", stderr)
	if err := parse(f.set, args); err != nil {
		return err
	}
	if f.set.NArg() != 1 {
		fmt.Fprintln(stderr, "bench: compare needs one revision of git")
		return errUsage
	}
	if f.out == "" {
		work, err := os.MkdirTemp("", "wsloop-compare")
		if err != nil {
			return err
		}
		defer os.RemoveAll(work)
		f.out = filepath.Join(work, "samples.jsonl")
	}
	if err := f.measure(ctx, f.set.Arg(0), stdout, stderr); err != nil {
		return err
	}
	return write(f.out, func(r *report.Report) error {
		return r.Compare(stdout)
	})
}
