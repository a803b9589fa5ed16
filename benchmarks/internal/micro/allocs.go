package micro

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/wsloop/wsloop/benchmarks/internal/record"
)

// allocsCell keeps the server busy: ten million messages pass in seconds.
var allocsCell = record.Cell{Scenario: record.Allocs, Connections: 100, Outstanding: 16, Bytes: 125, Cores: 1}

// The load generator runs at least leastLoad at a time, and a bit longer than the messages that are left should take,
// so that few runs do. Each has connections of its own.
const (
	leastLoad = 200 * time.Millisecond
	longer    = 1.1
)

// Allocs has a whole process, ../../servers/wsloop, echo at least so many messages in two halves, and returns one sample with what the
// runtime counted in it meanwhile. load is the load generator, built. The first connections come and go before it counts.
func Allocs(ctx context.Context, dir, load string, messages int) ([]record.Sample, error) {
	work, err := os.MkdirTemp("", "wsloop-micro")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	program := filepath.Join(work, "server")
	if _, err := command(ctx, dir, "go", "build", "-o", program, "./servers/wsloop"); err != nil {
		return nil, err
	}
	s, err := startServer(ctx, program)
	if err != nil {
		return nil, err
	}
	defer s.end()
	values, err := halves(ctx, s, generator(load, s), messages)
	if err != nil {
		return nil, err
	}
	return []record.Sample{sample(allocsCell, "wsloop", 1, values)}, nil
}

var errNoMessage = errors.New("micro: load was made, and no message echoed")

// A counter says what has been counted since the server began.
type counter interface{ count() (counts, error) }

// halves makes load until the messages have been echoed, and reads the counters before, in the middle and after.
func halves(ctx context.Context, c counter, load func(context.Context, time.Duration) error, messages int) (map[string]float64, error) {
	if err := load(ctx, leastLoad); err != nil {
		return nil, err
	}
	before, err := c.count()
	if err != nil {
		return nil, err
	}
	if before.Messages == 0 {
		return nil, errNoMessage
	}
	perSecond := float64(before.Messages) / leastLoad.Seconds()
	half := uint64(messages+1) / 2
	middle, err := loadUntil(ctx, c, load, before, before.Messages+half, perSecond)
	if err != nil {
		return nil, err
	}
	after, err := loadUntil(ctx, c, load, middle, middle.Messages+half, perSecond)
	if err != nil {
		return nil, err
	}
	return map[string]float64{
		record.Messages:      float64(after.Messages - before.Messages),
		record.Mallocs:       float64(after.Mallocs - before.Mallocs),
		record.Cycles:        float64(after.Cycles - before.Cycles),
		record.FirstMessages: float64(middle.Messages - before.Messages),
		record.FirstMallocs:  float64(middle.Mallocs - before.Mallocs),
		record.FirstCycles:   float64(middle.Cycles - before.Cycles),
	}, nil
}

// loadUntil makes load until the server has echoed so many messages, now being what it has counted.
func loadUntil(ctx context.Context, c counter, load func(context.Context, time.Duration) error, now counts, messages uint64, perSecond float64) (counts, error) {
	for now.Messages < messages {
		seconds := longer * float64(messages-now.Messages) / perSecond
		if err := load(ctx, max(leastLoad, time.Duration(seconds*float64(time.Second)))); err != nil {
			return counts{}, err
		}
		next, err := c.count()
		if err != nil {
			return counts{}, err
		}
		if next.Messages == now.Messages {
			return counts{}, errNoMessage
		}
		now = next
	}
	return now, nil
}

// generator makes load for a time. The generator checks an answer on each connection byte by byte, and the lengths of the others.
func generator(program string, s *server) func(context.Context, time.Duration) error {
	return func(ctx context.Context, d time.Duration) error {
		_, err := command(ctx, "", program, "-m", "ws", "-p", s.port, "-P", strconv.Itoa(s.process.Process.Pid), "-w", "0",
			"-c", strconv.Itoa(allocsCell.Connections), "-o", strconv.Itoa(allocsCell.Outstanding), "-b", strconv.Itoa(allocsCell.Bytes),
			"-t", strconv.FormatFloat(d.Seconds(), 'f', 3, 64))
		return err
	}
}
