package generator

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/wsloop/wsloop/benchmarks/internal/program"
)

// pacing has the kernel switch between the pacer and the loop: on one processor of Go's, a loop that is busy holds the pacer up
// for milliseconds.
const pacing = "GOMAXPROCS=2"

// Wsloop is `wsloop load`, which counts latency from when a message was to be sent.
type Wsloop struct {
	Program string
	Work    string // a directory for its reports
	CPUs    []int  // that it runs on
}

// Pace is an open loop.
type Pace struct {
	Connections int
	Bytes       int
	Text        bool
	Rate        float64 // messages a second of all connections together
	Seconds     float64
	Warmup      float64 // seconds
}

// args are the flags for wsloop load.
func (p Pace) args() []string {
	args := []string{
		"-c", strconv.Itoa(p.Connections), "-size", strconv.Itoa(p.Bytes), "-rate", decimal(p.Rate),
		"-duration", span(p.Seconds), "-warmup", span(p.Warmup),
	}
	if p.Text {
		args = append(args, "-text")
	}
	return args
}

func span(seconds float64) string { return time.Duration(seconds * float64(time.Second)).String() }

// Run measures a server. It returns the figures of the report, by their names there, what the generator used of processors in
// its life, and its warnings. A message that got no answer, or a lost connection, is an error.
func (w Wsloop) Run(ctx context.Context, port, pid int, pace Pace) (figures map[string]float64, cpu time.Duration, warnings []string, err error) {
	file := filepath.Join(w.Work, "load.json")
	command := append([]string{w.Program, "load", "-quiet", "-json", file, "-server-pid", strconv.Itoa(pid)}, pace.args()...)
	command = append(command, fmt.Sprintf("ws://127.0.0.1:%d/", port))
	p, err := program.Start(program.Spec{Command: command, CPUs: w.CPUs, Env: []string{pacing}})
	if err != nil {
		return nil, 0, nil, err
	}
	defer p.End()
	if err := p.Wait(ctx); err != nil {
		return nil, 0, nil, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, 0, nil, fmt.Errorf("generator: %w", err)
	}
	_ = os.Remove(file) // the next run's is not to be taken for this one's
	figures, warnings, err = parseReport(text)
	return figures, p.CPU(), warnings, err
}

// parseReport reads the named numbers of a report.
func parseReport(text []byte) (map[string]float64, []string, error) {
	var r struct {
		Errors    map[string]uint64
		Generator struct{ Warnings []string }
		Figures   map[string]struct{ Value float64 }
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, nil, fmt.Errorf("generator: report: %w", err)
	}
	figures := make(map[string]float64)
	for name, f := range r.Figures {
		figures[name] = f.Value
	}
	if figures["errors"] > 0 || figures["lost"] > 0 || figures["failed"] > 0 {
		var causes []string
		for cause, n := range r.Errors {
			causes = append(causes, fmt.Sprintf("%s: %d", cause, n))
		}
		return nil, nil, fmt.Errorf("generator: %g errors, %g connections failed, %g lost (%s)",
			figures["errors"], figures["failed"], figures["lost"], strings.Join(causes, ", "))
	}
	return figures, r.Generator.Warnings, nil
}
