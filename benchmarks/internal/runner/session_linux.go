package runner

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/wsloop/wsloop/benchmarks/internal/contender"
	"github.com/wsloop/wsloop/benchmarks/internal/machine"
	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// A Session is one run, from building the programs to the last sample.
type Session struct {
	Root   string // of the checkout
	Plan   Plan
	Before string // a git revision of wsloop to measure as well; "" for none
	Out    io.Writer
	Say    func(format string, args ...any) // tells whoever watches
}

// Root finds the checkout that a directory is in.
func Root(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "benchmarks", "go.mod")); err == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("runner: %s is not in a checkout of wsloop", dir)
		}
	}
}

// Run prepares everything and measures.
func (s Session) Run(ctx context.Context) error {
	began := time.Now().UTC()
	work, err := os.MkdirTemp("", "wsloop-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	shop := contender.Workshop{Root: s.Root, Work: work}
	descriptors, err := raiseDescriptors()
	if err != nil {
		return err
	}
	if shrunk := s.Plan.Shrink(descriptors); shrunk > 0 {
		s.Say("shrunk to %d idle connections: there are %d descriptors", shrunk, descriptors)
	}

	s.Say("preparing the load generators")
	bench, err := NewBench(ctx, s.Plan, shop)
	if err != nil {
		return err
	}
	servers, err := s.prepare(ctx, shop, bench)
	if err != nil {
		return err
	}
	commit, modified := shop.Commit(ctx)
	run := record.Run{
		ID: began.Format("20060102T150405.000Z"), Began: began, Suite: s.Plan.Suite, Commit: commit, Modified: modified,
		Machine: machine.Describe(), Rounds: s.Plan.Rounds, Seconds: s.Plan.Seconds, Servers: s.about(ctx, shop, servers),
	}
	journal, err := NewJournal(s.Out, run)
	if err != nil {
		return err
	}
	bench.Journal, bench.Say = journal, s.Say
	r := Runner{Plan: s.Plan, Servers: servers, Measurer: bench, Journal: journal, Say: s.Say}
	return r.Run(ctx)
}

// prepare builds the servers, and the one whose throughput is the pace even if it is not measured.
func (s Session) prepare(ctx context.Context, shop contender.Workshop, bench *Bench) ([]contender.Server, error) {
	servers := contender.Prepare(ctx, shop, s.Plan.Servers, s.Say)
	if s.Before != "" {
		s.Say("preparing wsloop of %s", s.Before)
		before, err := contender.BeforeFrom(ctx, shop, s.Before)
		if err != nil {
			return nil, err
		}
		servers = append(servers, before)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for _, server := range servers {
		if server.Name == contender.Ceiling {
			bench.Ceiling = server
		}
	}
	if s.Plan.Has(record.Latency) && bench.Ceiling.Name == "" {
		bench.Ceiling = contender.Prepare(ctx, shop, []string{contender.Ceiling}, s.Say)[0]
	}
	return servers, nil
}

// about is what the run says of its servers, and of libraries of which only a part is measured.
func (s Session) about(ctx context.Context, shop contender.Workshop, servers []contender.Server) map[string]record.Server {
	about := make(map[string]record.Server)
	libraries := contender.Libraries(ctx, shop)
	if s.Plan.Has(record.Mask) {
		maps.Copy(about, libraries)
	}
	if s.Plan.Has(record.Allocs) || s.Plan.Has(record.Collect) {
		about[contender.Ours] = libraries[contender.Ours]
	}
	for _, server := range servers {
		about[server.Name] = record.Server{Role: server.Role, Version: server.Version}
	}
	return about
}

// raiseDescriptors raises the limit on descriptors as far as it goes, for this process and, as it was asked for, for its
// children. Servers do not all do that themselves.
func raiseDescriptors() (uint64, error) {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return 0, err
	}
	files.Cur = files.Max
	return files.Max, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &files)
}
