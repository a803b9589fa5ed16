package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/wsloop/wsloop/engine"
	"github.com/wsloop/wsloop/poller/tlsdriver"
)

// serveConfig is what the flags of serve say.
type serveConfig struct {
	server engine.Server
	mode   string
	driver string // one of driverNames

	deflates bool // deflate is to be used
	deflate  engine.Deflate

	pair         tlsdriver.KeyPair       // of wss
	certificates *tlsdriver.Certificates // nil for ws
	reloads      time.Duration           // between two looks at their files
	proxied      bool                    // nobody but proxies may connect

	manager manager
	unix    string
	drain   time.Duration
	procs   int           // processes to serve in; 0 for this one
	stats   time.Duration // between two lines of statistics; 0 for none
}

func serve(args []string, stdout, stderr io.Writer) error {
	config, err := parseServe(args, stderr)
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(signals)
	if config.manager, err = findManager(); err != nil {
		return err
	}
	defer config.manager.watch()()
	if config.procs > 0 {
		if len(config.manager.sockets) > 0 {
			return errSocketsAndProcs
		}
		return serveProcs(config, args, signals, stdout, stderr)
	}
	config.server.Drain.Progress = func(left int) { fmt.Fprintf(stdout, "wsloop: %d connections left\n", left) }
	listeners, addrs, err := config.listen()
	if err != nil {
		return err
	}
	for _, addr := range addrs {
		announce(stdout, config, addr)
	}
	if most := config.server.MaxConnections; most != engine.Unlimited {
		fmt.Fprintf(stdout, "wsloop: at most %d connections\n", most)
	}
	config.manager.ready()
	return serveUntil(signals, config, listeners, stdout)
}

// announce prints where the server is. The last host:port of the first line is its
// address, which scripts rely on.
func announce(w io.Writer, c *serveConfig, addr net.Addr) {
	if addr.Network() == "unix" {
		fmt.Fprintf(w, "wsloop: %s on ws+unix://%s\n", c.mode, addr)
	} else {
		secure := ""
		if c.certificates != nil {
			secure = "s"
		}
		fmt.Fprintf(w, "wsloop: %s on ws%s://%s/\n", c.mode, secure, addr)
		fmt.Fprintf(w, "wsloop: open http%s://%s/ in a browser to try it, stop with Ctrl-C\n", secure, addr)
	}
}

// serveUntil serves until a signal, and then drains; a second signal ends the drain.
func serveUntil(signals <-chan os.Signal, config *serveConfig, listeners []net.Listener, stdout io.Writer) error {
	served := make(chan error, 1)
	go func() { served <- config.run(listeners...) }()
	ticks, stop := every(config.stats)
	defer stop()
	for {
		select {
		case err := <-served:
			return err
		case <-ticks:
			printStats(stdout, config.server.Stats())
		case s := <-signals:
			config.manager.stopping()
			fmt.Fprintf(stdout, "wsloop: %v: closing %d connections\n", s, config.server.Stats().Connections)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			go func() {
				<-signals
				cancel()
			}()
			return config.shutDown(ctx, served)
		}
	}
}

// shutDown drains for the time of -drain at most, and waits for the end of Serve, which served tells. ctx ends on a
// second signal.
func (c *serveConfig) shutDown(ctx context.Context, served <-chan error) error {
	ctx, cancel := context.WithTimeout(ctx, c.drain)
	defer cancel()
	switch err := c.server.Shutdown(ctx); {
	case errors.Is(err, context.Canceled):
		return errSecondSignal
	case err != nil:
		return fmt.Errorf("drain: connections cut off after %v", c.drain)
	}
	if err := <-served; !errors.Is(err, engine.ErrServerClosed) {
		return err
	}
	return nil
}

var errSecondSignal = errors.New("second signal: connections cut off")
