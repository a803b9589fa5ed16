package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/wsloop/wsloop/benchmarks/internal/contender"
	"github.com/wsloop/wsloop/benchmarks/internal/runner"
)

// runFlags are those of run and compare.
type runFlags struct {
	set     *flag.FlagSet
	suite   string
	cells   list
	servers list
	rounds  int
	seconds float64
	out     string
	add     bool
}

func newRunFlags(name, suite string, stderr io.Writer) *runFlags {
	f := &runFlags{set: flag.NewFlagSet(name, flag.ContinueOnError)}
	f.set.SetOutput(stderr)
	f.set.StringVar(&f.suite, "suite", suite, "what to measure: "+strings.Join(runner.Suites, ", "))
	f.set.Var(&f.cells, "cells", "only cells whose `name` begins so, as echo/1000/ or idle; may be repeated")
	f.set.Var(&f.servers, "servers", "only these `names`: "+strings.Join(contender.Names(), ", "))
	f.set.IntVar(&f.rounds, "rounds", 0, "rounds of each cell, instead of the suite's")
	f.set.Float64Var(&f.seconds, "seconds", 0, "seconds of each measurement, instead of the suite's")
	f.set.StringVar(&f.out, "out", "", "`file` for the samples, which must not be there yet; default: the standard output")
	f.set.BoolVar(&f.add, "append", false, "append to that file")
	return f
}

// plan is the suite as the flags change it.
func (f *runFlags) plan() (runner.Plan, error) {
	p, err := runner.Suite(f.suite)
	if err != nil {
		return p, err
	}
	if len(f.cells) > 0 {
		if err := p.Choose(f.cells); err != nil {
			return p, err
		}
	}
	if len(f.servers) > 0 {
		p.Servers = f.servers
		p.Suite = "custom"
	}
	for _, name := range p.Servers {
		if !slices.Contains(contender.Names(), name) {
			return p, fmt.Errorf("no server %q; there are %s", name, strings.Join(contender.Names(), ", "))
		}
	}
	if f.rounds < 0 || f.seconds < 0 {
		return p, fmt.Errorf("%d rounds of %g seconds", f.rounds, f.seconds)
	}
	if f.rounds > 0 {
		p.Rounds = f.rounds
	}
	if f.seconds > 0 {
		p.Seconds = f.seconds
	}
	return p, nil
}

// open opens what the samples are written to.
func (f *runFlags) open(stdout io.Writer) (io.WriteCloser, error) {
	if f.out == "" {
		return keepOpen{stdout}, nil
	}
	if !f.add {
		return os.OpenFile(f.out, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o644)
	}
	file, err := os.OpenFile(f.out, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	if err := endsWithLine(file); err != nil {
		_ = file.Close() // nothing was written
		return nil, err
	}
	return file, nil
}

// endsWithLine returns an error if the last line of a file has no end, as that of a run that was killed: what is appended
// would make one line with it, which nobody can read.
func endsWithLine(file *os.File) error {
	about, err := file.Stat()
	if err != nil || about.Size() == 0 {
		return err
	}
	last := make([]byte, 1)
	if _, err := file.ReadAt(last, about.Size()-1); err != nil {
		return err
	}
	if last[0] != '\n' {
		return fmt.Errorf("%s: the last line is not whole; remove it before something is appended", file.Name())
	}
	return nil
}

// keepOpen is a writer that others close.
type keepOpen struct{ io.Writer }

func (keepOpen) Close() error { return nil }

// measure runs the plan of the flags, beside another version of wsloop if there is one.
func (f *runFlags) measure(ctx context.Context, before string, stdout, stderr io.Writer) error {
	plan, err := f.plan()
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return errUsage
	}
	root, err := runner.Root(".")
	if err != nil {
		return err
	}
	out, err := f.open(stdout)
	if err != nil {
		return err
	}
	began := time.Now()
	s := runner.Session{Root: root, Plan: plan, Before: before, Out: out, Say: func(format string, args ...any) {
		fmt.Fprintf(stderr, "%5.0fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}}
	if err := s.Run(ctx); err != nil {
		_ = out.Close() // the first error is the one that matters
		return err
	}
	return out.Close()
}

func runCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newRunFlags("bench run", "short", stderr)
	if err := parse(f.set, args); err != nil {
		return err
	}
	if f.set.NArg() > 0 {
		fmt.Fprintf(stderr, "bench: unexpected argument %q\n", f.set.Arg(0))
		return errUsage
	}
	return f.measure(ctx, "", stdout, stderr)
}
