package micro

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// killDelay is how long a program may take to end once it is not wanted any more.
const killDelay = 5 * time.Second

// command runs a program in dir to its end and returns what it wrote to its standard output. One that fails
// is an error with what it wrote to its standard error.
func command(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	return run(exec.CommandContext(ctx, name, args...), dir)
}

// onOneProcessor is command for a Go program that measures.
func onOneProcessor(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, name, args...)
	c.Env = append(os.Environ(), "GOMAXPROCS=1")
	return run(c, dir)
}

func run(c *exec.Cmd, dir string) ([]byte, error) {
	var stderr bytes.Buffer
	c.Dir, c.Stderr, c.WaitDelay = dir, &stderr, killDelay
	out, err := c.Output()
	if err != nil {
		said := strings.TrimSpace(stderr.String() + "\n" + string(out))
		return nil, fmt.Errorf("micro: %s: %w\n%s", strings.Join(c.Args, " "), err, said)
	}
	return out, nil
}
