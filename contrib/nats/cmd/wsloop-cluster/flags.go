package main

import (
	"flag"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/wsloop/wsloop/contrib/nats"
	"github.com/wsloop/wsloop/engine"
)

// embedded, as the URL of NATS, has each node run a NATS server in its own process.
const embedded = "embedded"

// config is what the flags say.
type config struct {
	addr   string
	admin  string
	drain  time.Duration
	bridge nats.Options

	natsPort    int // of the embedded server, on 127.0.0.1
	clusterHost string
	clusterPort int // 0 for a NATS server that joins no others, -1 for any
	routes      []*url.URL
	maxMessage  int64
}

func parse(args []string, stderr io.Writer) (*config, error) {
	c := &config{}
	var routes string
	f := flag.NewFlagSet("wsloop-cluster serve", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&c.addr, "addr", "localhost:8080", "`address` for WebSocket clients")
	f.StringVar(&c.admin, "admin", "", "`address` for /ready and /stats over HTTP; none if empty")
	f.StringVar(&c.bridge.URL, "nats", embedded, "`URL` of NATS, several with commas between them, or embedded")
	f.StringVar(&c.bridge.Prefix, "prefix", nats.DefaultPrefix, "what stands before topics in NATS; the same on all nodes")
	f.StringVar(&c.bridge.Name, "name", "wsloop", "`name` of this node in NATS")
	f.DurationVar(&c.bridge.Heartbeat, "heartbeat", nats.DefaultHeartbeat, "how often NATS is asked whether it is there")
	f.IntVar(&c.natsPort, "nats-port", 0, "`port` of the embedded NATS on 127.0.0.1; any if 0")
	f.StringVar(&c.clusterHost, "cluster-host", "0.0.0.0", "`host` on which the embedded NATS waits for those of other nodes")
	f.IntVar(&c.clusterPort, "cluster-port", 0, "`port` for that; none if 0, any if -1")
	f.StringVar(&routes, "cluster-routes", "", "`URLs` of the embedded NATS of other nodes, with commas between them")
	f.Int64Var(&c.maxMessage, "max-message", engine.DefaultMaxMessageBytes, "longest message in `bytes`")
	f.DurationVar(&c.drain, "drain", 30*time.Second, "how long closing all connections may take")
	if err := f.Parse(args); err != nil {
		if err == flag.ErrHelp {
			return nil, err
		}
		return nil, errUsage
	}
	if err := c.check(routes, f.Args()); err != nil {
		fmt.Fprintln(stderr, "wsloop-cluster:", err)
		return nil, errUsage
	}
	return c, nil
}

func (c *config) check(routes string, rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("unexpected argument %q", rest[0])
	}
	if c.maxMessage <= 0 || c.maxMessage > maxPayload {
		return fmt.Errorf("-max-message %d is not between 1 and %d", c.maxMessage, maxPayload)
	}
	c.bridge.MaxMessageBytes = int(c.maxMessage)
	if routes == "" {
		return nil
	}
	if c.bridge.URL != embedded || c.clusterPort == 0 {
		return fmt.Errorf("-cluster-routes needs -nats embedded and -cluster-port")
	}
	for route := range strings.SplitSeq(routes, ",") {
		u, err := url.Parse(strings.TrimSpace(route))
		if err != nil || u.Host == "" {
			return fmt.Errorf("-cluster-routes: %q is no URL", route)
		}
		c.routes = append(c.routes, u)
	}
	return nil
}
