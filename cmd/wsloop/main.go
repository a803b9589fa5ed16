// Command wsloop runs a WebSocket server on the wsloop engine, or makes load for any.
//
//	wsloop serve [flags]
//	wsloop load [flags] URL...
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

const usage = `usage: wsloop <command> [flags]

commands:
  serve    run a WebSocket server; without flags an echo server on localhost:8080
  load     open connections to a WebSocket server, send, and report latency and throughput

"wsloop <command> -h" lists the flags of a command.
`

// errUsage says that the arguments were wrong and that the user has been told.
var errUsage = errors.New("usage")

func main() {
	switch err := run(os.Args[1:], os.Stdout, os.Stderr); {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	case errors.Is(err, errThreshold):
		os.Exit(3)
	default:
		fmt.Fprintln(os.Stderr, "wsloop:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return errUsage
	}
	switch args[0] {
	case "serve":
		return serve(args[1:], stdout, stderr)
	case "load":
		return loadCommand(args[1:], stdout, stderr)
	case childCommand:
		return serveChild(args[1:], stderr)
	case "help", "-h", "-help", "--help":
		fmt.Fprint(stdout, usage)
		return nil
	}
	fmt.Fprintf(stderr, "wsloop: unknown command %q\n%s", args[0], usage)
	return errUsage
}
