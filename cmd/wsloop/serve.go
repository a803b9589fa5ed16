package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/wsloop/wsloop/engine"
)

// serveConfig is what the flags of serve say.
type serveConfig struct {
	server engine.Server
	mode   string
	unix   string
	drain  time.Duration
}

func serve(args []string, stdout, stderr io.Writer) error {
	config, err := parseServe(args, stderr)
	if err != nil {
		return err
	}
	network, address := "tcp", config.server.Addr
	if config.unix != "" {
		network, address = "unix", config.unix
	}
	listeners, err := config.server.Listen(network, address)
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(signals)
	announce(stdout, config.mode, listeners[0].Addr())
	return serveUntil(signals, config, listeners, stdout)
}

// announce prints where the server is. The last host:port of the first line is its
// address, which scripts rely on.
func announce(w io.Writer, mode string, addr net.Addr) {
	if addr.Network() == "unix" {
		fmt.Fprintf(w, "wsloop: %s on ws+unix://%s\n", mode, addr)
		return
	}
	fmt.Fprintf(w, "wsloop: %s on ws://%s/\n", mode, addr)
	fmt.Fprintf(w, "wsloop: open http://%s/ in a browser to try it, stop with Ctrl-C\n", addr)
}

// serveUntil serves until a signal, and then drains; a second signal ends the drain.
func serveUntil(signals <-chan os.Signal, config *serveConfig, listeners []net.Listener, stdout io.Writer) error {
	served := make(chan error, 1)
	go func() { served <- config.server.Serve(listeners...) }()
	select {
	case err := <-served:
		return err
	case s := <-signals:
		fmt.Fprintf(stdout, "wsloop: %v: closing %d connections\n", s, config.server.Stats().Connections)
	}
	ctx, cancel := context.WithTimeout(context.Background(), config.drain)
	defer cancel()
	go func() {
		<-signals
		cancel()
	}()
	switch err := config.server.Shutdown(ctx); {
	case errors.Is(err, context.Canceled):
		return errors.New("second signal: connections cut off")
	case err != nil:
		return fmt.Errorf("drain: connections cut off after %v", config.drain)
	}
	if err := <-served; !errors.Is(err, engine.ErrServerClosed) {
		return err
	}
	return nil
}

func parseServe(args []string, stderr io.Writer) (*serveConfig, error) {
	config := &serveConfig{}
	s := &config.server
	flags := flag.NewFlagSet("wsloop serve", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.Addr, "addr", "localhost:8080", "TCP `address` to listen on; port 0 takes a free one")
	flags.StringVar(&config.unix, "unix", "", "listen on a Unix socket at this `path` instead")
	flags.StringVar(&config.mode, "mode", "echo", "echo, broadcast or discard")
	flags.Func("origin", "origin `pattern` that pages may have, may be repeated; * allows all (default the server's own host)",
		func(pattern string) error {
			s.Origins = append(s.Origins, pattern)
			return nil
		})
	flags.Func("subprotocol", "a subprotocol `name` to agree to, may be repeated, in order of preference",
		func(name string) error {
			s.Subprotocols = append(s.Subprotocols, name)
			return nil
		})
	flags.IntVar(&s.Loops, "loops", 0, "number of event loops (default one per processor)")
	flags.BoolVar(&s.ReusePort, "reuseport", false, "one listener per loop by SO_REUSEPORT")
	flags.Int64Var(&s.MaxMessageBytes, "max-message", engine.DefaultMaxMessageBytes, "largest message, in `bytes`")
	flags.IntVar(&s.MaxFragments, "max-fragments", engine.DefaultMaxFragments, "most frames of one message")
	flags.IntVar(&s.MaxHeadBytes, "max-head", engine.DefaultMaxHeadBytes, "largest request head, in `bytes`")
	flags.IntVar(&s.MaxHeaderLine, "max-header-line", engine.DefaultMaxHeaderLine, "longest line of it, in `bytes`")
	flags.IntVar(&s.MaxHeaders, "max-headers", engine.DefaultMaxHeaders, "most header fields in it")
	flags.IntVar(&s.MaxBufferedBytes, "max-buffered", engine.DefaultMaxBufferedBytes, "most `bytes` that may wait for one receiver")
	flags.DurationVar(&s.HandshakeTimeout, "handshake-timeout", engine.DefaultHandshakeTimeout, "time for the opening handshake")
	flags.DurationVar(&s.CloseTimeout, "close-timeout", engine.DefaultCloseTimeout, "time for the closing handshake")
	flags.DurationVar(&config.drain, "drain", 10*time.Second, "time that connections get to close after SIGTERM or Ctrl-C")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, errUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "wsloop serve: unexpected argument %q\n", flags.Arg(0))
		return nil, errUsage
	}
	events, ok := modes[config.mode]
	if !ok {
		fmt.Fprintf(stderr, "wsloop serve: -mode %q is none of %s\n", config.mode, strings.Join(modeNames, ", "))
		return nil, errUsage
	}
	s.Events = events()
	return config, nil
}
