package runner

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/wsloop/wsloop/benchmarks/internal/contender"
	"github.com/wsloop/wsloop/benchmarks/internal/program"
	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// startPatience is how long a server may take until it says where it listens.
const startPatience = 30 * time.Second

// process is a server that runs.
type process struct {
	p     *program.Program
	port  int
	cores int
}

// address is what every server prints, one way or another, once it listens.
var address = regexp.MustCompile(`(?:127\.0\.0\.1|0\.0\.0\.0|localhost|\[::1?\]):([0-9]+)`)

// start starts a server, and waits until it listens. Whoever starts it has to end it.
func start(ctx context.Context, s contender.Server, c record.Cell, cpus []int) (*process, error) {
	cores := max(1, c.Cores)
	p, err := program.Start(program.Spec{
		Command: s.Command(c), Env: s.Env(cores), CPUs: cpus,
	})
	if err != nil {
		return nil, err
	}
	port, err := announced(ctx, p)
	if err != nil {
		p.End()
		return nil, err
	}
	return &process{p, port, cores}, nil
}

// announced waits for the line with the address.
func announced(ctx context.Context, p *program.Program) (port int, err error) {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		line, err := p.Said.Line(ctx)
		if err != nil {
			return 0, fmt.Errorf("runner: the server told no address: %w\n%v", err, p.Said.Last())
		}
		if found := address.FindStringSubmatch(line); found != nil {
			return strconv.Atoi(found[1])
		}
	}
}
