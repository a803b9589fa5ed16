// Command bench measures wsloop beside other servers, and reports what it found.
//
//	bench run [flags]               measure; samples are lines of JSON
//	bench compare [flags] REF       the same for two versions of wsloop
//	bench report [flags] FILE       text, HTML or Markdown of what was measured
//
// Measuring needs Linux, a C compiler and two processors; reports need nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage: bench run [flags]
       bench compare [flags] REF
       bench report [flags] FILE
Flags of each: bench run -h`

// errUsage is for a wrong command line that was explained already.
var errUsage = errors.New("wrong usage")

// commands are the words that a command line may begin with.
var commands = map[string]func(ctx context.Context, args []string, stdout, stderr io.Writer) error{
	"run":     runCommand,
	"compare": compareCommand,
	"report":  reportCommand,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(execute(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// execute returns the exit status: 0, 1 for what failed, 2 for a wrong command line.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 || commands[args[0]] == nil {
		fmt.Fprintln(stderr, usage)
		return 2
	}
	switch err := commands[args[0]](ctx, args[1:], stdout, stderr); {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		return 2
	default:
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
}

// parse is fs.Parse with errors that execute understands; fs has told the user already.
func parse(fs *flag.FlagSet, args []string) error {
	if err := fs.Parse(args); err != nil && !errors.Is(err, flag.ErrHelp) {
		return errUsage
	} else if err != nil {
		return err
	}
	return nil
}
