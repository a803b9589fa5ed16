package generator

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/wsloop/wsloop/benchmarks/internal/program"
)

// C is the generator in C, or that of TLS, which has the same flags and prints the same.
type C struct {
	Program string
	CPUs    []int // that it runs on
}

// Loop says what the generator does; it has a closed loop for each mode.
type Loop struct {
	Mode        string // of load: raw, ws, broadcast, broadcast-raw, connect, connect-raw; "" for that of TLS, which has but one
	Connections int
	Outstanding int // 0 where connections come and go
	Bytes       int
	Text        bool
	Seconds     float64
	Warmup      float64 // seconds
	Compressed  string  // file of messages to send, as package payload writes them; they have no Bytes then
	Takeover    bool    // with those: with context takeover in both directions
	Authority   string  // file of the certificate that the generator of TLS trusts
}

// peers are the flags for load that tell who sends what.
func (l Loop) peers() []string {
	args := []string{"-c", strconv.Itoa(l.Connections)}
	if l.Mode != "" {
		args = append([]string{"-m", l.Mode}, args...)
	}
	if l.Authority != "" {
		args = append(args, "-ca", l.Authority)
	}
	if l.Compressed == "" {
		return append(args, "-b", strconv.Itoa(l.Bytes))
	}
	args = append(args, "-z", l.Compressed)
	if l.Takeover {
		args = append(args, "-Z")
	}
	return args
}

// args are all flags for load.
func (l Loop) args() []string {
	args := append(l.peers(), "-t", decimal(l.Seconds), "-w", decimal(l.Warmup))
	if l.Outstanding > 0 {
		args = append(args, "-o", strconv.Itoa(l.Outstanding))
	}
	if l.Text {
		args = append(args, "-T")
	}
	return args
}

func decimal(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// Run measures a server, and returns the numbers that the generator prints, by their names there.
func (c C) Run(ctx context.Context, port, pid int, l Loop) (map[string]float64, error) {
	command := append([]string{c.Program, "-p", strconv.Itoa(port), "-P", strconv.Itoa(pid)}, l.args()...)
	p, err := program.Start(program.Spec{Command: command, CPUs: c.CPUs})
	if err != nil {
		return nil, err
	}
	defer p.End()
	if err := p.Wait(ctx); err != nil {
		return nil, err
	}
	line, err := p.Said.Line(ctx)
	if err != nil {
		return nil, fmt.Errorf("generator: no result: %w", err)
	}
	return parse(line)
}

// parse reads a line of key=value and leaves out what is no number.
func parse(line string) (map[string]float64, error) {
	values := make(map[string]float64)
	for _, field := range strings.Fields(line) {
		key, value, found := strings.Cut(field, "=")
		if !found {
			return nil, fmt.Errorf("generator: not a result: %q", line)
		}
		// NaN and infinities are no results, and there is no JSON for them.
		if v, err := strconv.ParseFloat(value, 64); err == nil && !math.IsNaN(v) && !math.IsInf(v, 0) {
			values[key] = v
		}
	}
	return values, nil
}

// A Holder holds connections that do nothing until they are told to.
type Holder struct {
	p           *program.Program
	connections int
}

// Hold opens the connections of a loop, which does not run, and returns when all are open. Whoever calls it has to End them.
func (c C) Hold(ctx context.Context, port int, l Loop) (*Holder, error) {
	command := append([]string{c.Program, "-p", strconv.Itoa(port), "-i"}, l.peers()...)
	p, err := program.Start(program.Spec{Command: command, CPUs: c.CPUs})
	if err != nil {
		return nil, err
	}
	h := &Holder{p, l.Connections}
	if err := h.expect(ctx, "open"); err != nil {
		h.End()
		return nil, err
	}
	return h, nil
}

// Echo echoes one message on each connection, one after the other.
func (h *Holder) Echo(ctx context.Context) error {
	if _, err := h.p.Stdin.Write([]byte("echo\n")); err != nil {
		return fmt.Errorf("generator: %w", err)
	}
	return h.expect(ctx, "echoed")
}

func (h *Holder) expect(ctx context.Context, word string) error {
	line, err := h.p.Said.Line(ctx)
	if err != nil {
		return fmt.Errorf("generator: it did not say %q: %w", word, err)
	}
	if want := fmt.Sprintf("%s %d", word, h.connections); line != want {
		return fmt.Errorf("generator: it said %q, expected %q", line, want)
	}
	return nil
}

// End closes the connections.
func (h *Holder) End() { h.p.End() }
