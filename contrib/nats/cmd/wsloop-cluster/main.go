// Command wsloop-cluster serves topics to WebSocket clients, together with others of its kind, over NATS.
//
//	wsloop-cluster serve -addr :8080 -nats nats://10.0.0.5:4222
//	wsloop-cluster serve -addr :8080 -nats embedded -cluster-port 6222 -cluster-routes nats://10.0.0.6:6222,nats://10.0.0.7:6222
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage: wsloop-cluster serve [flags]

"wsloop-cluster serve -h" lists the flags.
`

// errUsage says that the arguments were wrong and that the user has been told.
var errUsage = errors.New("usage")

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	switch err := run(os.Args[1:], signals, os.Stdout, os.Stderr); {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "wsloop-cluster:", err)
		os.Exit(1)
	}
}

func run(args []string, signals <-chan os.Signal, stdout, stderr io.Writer) error {
	if len(args) == 0 || args[0] != "serve" {
		fmt.Fprint(stderr, usage)
		return errUsage
	}
	c, err := parse(args[1:], stderr)
	if err != nil {
		return err
	}
	return c.serve(signals, stdout)
}
