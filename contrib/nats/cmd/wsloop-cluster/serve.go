package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/wsloop/wsloop/contrib/nats"
	"github.com/wsloop/wsloop/engine"
	"github.com/wsloop/wsloop/internal/topics"
)

// node is a server, its bridge, and what watches them.
type node struct {
	server engine.Server
	bridge *nats.Bridge
}

// serve runs a node until a signal, and then drains it; a second signal ends the drain.
func (c *config) serve(signals <-chan os.Signal, stdout io.Writer) error {
	if c.bridge.URL == embedded {
		broker, err := c.startBroker()
		if err != nil {
			return err
		}
		defer stopBroker(broker)
		c.bridge.URL = broker.ClientURL()
		fmt.Fprintf(stdout, "wsloop-cluster: NATS on %s\n", broker.ClientURL())
		if c.clusterPort != 0 {
			fmt.Fprintf(stdout, "wsloop-cluster: routes on nats://%s\n", broker.ClusterAddr())
		}
	}
	n := &node{}
	var err error
	if n.bridge, err = nats.New(c.bridge); err != nil {
		return err
	}
	n.server = engine.Server{Addr: c.addr, Bridge: n.bridge, MaxMessageBytes: c.maxMessage}
	n.server.Events = topics.New(&n.server).Events()
	closeAdmin, err := n.admin(c.admin, stdout)
	if err != nil {
		return err
	}
	defer closeAdmin()
	listeners, err := n.server.Listen("tcp", c.addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "wsloop-cluster: topics on ws://%s/\n", listeners[0].Addr())
	return n.until(signals, listeners, c.drain, stdout)
}

func (n *node) until(signals <-chan os.Signal, listeners []net.Listener, drain time.Duration, stdout io.Writer) error {
	served := make(chan error, 1)
	go func() { served <- n.server.Serve(listeners...) }()
	select {
	case err := <-served:
		return err
	case s := <-signals:
		fmt.Fprintf(stdout, "wsloop-cluster: %v: closing %d connections\n", s, n.server.Stats().Connections)
	}
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-signals:
			cancel()
		case <-done:
		}
	}()
	if err := n.server.Shutdown(ctx); err != nil {
		return fmt.Errorf("connections were cut off: %w", err)
	}
	if err := <-served; !errors.Is(err, engine.ErrServerClosed) {
		return err
	}
	return nil
}

// admin serves /ready, which is 200 while messages go to other nodes and come from them, and /stats.
func (n *node) admin(addr string, stdout io.Writer) (closeAdmin func(), err error) {
	if addr == "" {
		return func() {}, nil
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/ready", func(w http.ResponseWriter, _ *http.Request) {
		if !n.bridge.Ready() {
			http.Error(w, "NATS is away: messages reach this node's clients only", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	mux.HandleFunc("/stats", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(stats{n.server.Stats(), n.bridge.Stats()})
	})
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go s.Serve(ln)
	fmt.Fprintf(stdout, "wsloop-cluster: /ready and /stats on http://%s/\n", ln.Addr())
	return func() { s.Close() }, nil
}

// stats are what /stats tells.
type stats struct {
	Server engine.Stats
	Bridge nats.Stats
}
