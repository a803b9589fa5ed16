package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/wsloop/wsloop/cmd/wsloop/internal/load"
	findings "github.com/wsloop/wsloop/cmd/wsloop/internal/report"
)

// loadChildCommand runs a child of load -procs. It takes no flags: its share comes on the standard input.
const loadChildCommand = "child"

// generate does the run, here or in children.
func (c *loadConfig) generate(ctx context.Context, command []string, live *load.Live, stderr io.Writer) (*findings.Report, error) {
	if c.procs == 0 {
		return load.Run(ctx, c.run, command, live)
	}
	executable, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return load.RunProcs(ctx, c.run, c.procs, func() *exec.Cmd {
		cmd := exec.Command(executable, "load", loadChildCommand)
		cmd.Stderr = stderr
		return cmd
	}, command, live)
}

// loadChild runs a share. A terminal sends its signals to all processes at once, and they are the parent's affair.
func loadChild(stdout io.Writer) error {
	signal.Ignore(syscall.SIGTERM, os.Interrupt)
	return load.RunChild(os.Stdin, stdout)
}

// checkLimits says what the machine has too little of, and fails if the run cannot succeed with that.
func (c *loadConfig) checkLimits(ctx context.Context, stderr io.Writer) (err error) {
	n := load.Look(ctx, &c.run, c.procs)
	all := n.Check()
	for _, s := range all {
		fmt.Fprintln(stderr, "wsloop load:", s)
		if s.Fatal {
			err = errUsage
		}
	}
	if c.onlyCheck {
		if line := n.UnknownLine(); line != "" {
			fmt.Fprintln(stderr, "wsloop load:", line)
		}
		if len(all) == 0 {
			fmt.Fprintln(stderr, "wsloop load: nothing that is known is short")
		}
	}
	return err
}
