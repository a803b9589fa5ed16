package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// parseServe reads the arguments of serve, and tells the user what is wrong with them.
func parseServe(args []string, stderr io.Writer) (*serveConfig, error) {
	config := &serveConfig{}
	flags := flag.NewFlagSet("wsloop serve", flag.ContinueOnError)
	flags.SetOutput(stderr)
	config.addFlags(flags)
	addLimits(flags, &config.server)
	addTimeouts(flags, &config.server)
	addPolicies(flags, &config.server)
	addTopics(flags, &config.server)
	config.addDeflate(flags)
	config.addSecure(flags)
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
	if !slices.Contains(driverNames, config.driver) {
		fmt.Fprintf(stderr, "wsloop serve: -driver %q is none of %s\n", config.driver, strings.Join(driverNames, ", "))
		return nil, errUsage
	}
	if config.deflates {
		config.server.Deflate = &config.deflate
	}
	config.server.Events = events(&config.server)
	if wrong := cmp.Or(config.checkProcs(), config.checkTopics(), config.checkSecure()); wrong != "" {
		fmt.Fprintln(stderr, "wsloop serve:", wrong)
		return nil, errUsage
	}
	return config, nil
}

// checkProcs says what is wrong with -procs, if anything, and sets the loops that each process has by default.
func (c *serveConfig) checkProcs() (wrong string) {
	switch {
	case c.stats < 0:
		return "-stats is negative"
	case c.procs < 0:
		return "-procs is negative"
	case c.procs == 0:
		return ""
	case c.unix != "":
		return "-procs shares a TCP port between processes, and a Unix socket cannot be shared: leave out -procs or -unix"
	case c.mode == "broadcast" || c.mode == "topics":
		return "-mode " + c.mode + " reaches the connections of one process only: leave out -procs"
	case c.server.Loops == 0:
		c.server.Loops = 1
	}
	return ""
}

// addFlags are what the server does and where.
func (c *serveConfig) addFlags(flags *flag.FlagSet) {
	s := &c.server
	flags.StringVar(&s.Addr, "addr", "localhost:8080", "TCP `address` to listen on; port 0 takes a free one")
	flags.StringVar(&c.unix, "unix", "", "listen on a Unix socket at this `path` instead")
	flags.StringVar(&c.mode, "mode", "echo", "echo, broadcast, topics or discard")
	flags.StringVar(&c.driver, "driver", "native", "native, or gnet: the event loops of that library, which Windows has in any case")
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
	flags.IntVar(&c.procs, "procs", 0, "`number` of processes that share the port, each with its own limits (default none: this process serves)")
	flags.DurationVar(&c.stats, "stats", 0, "time between two lines of statistics (default none)")
	flags.IntVar(&s.Loops, "loops", 0, "number of event loops (default one per processor, with -procs one per process)")
	flags.IntVar(&s.Workers, "workers", 0, "goroutines that run callbacks at once (default none: the loops run them)")
	flags.BoolVar(&s.ReusePort, "reuseport", false, "one listener per loop by SO_REUSEPORT")
	flags.DurationVar(&c.drain, "drain", 10*time.Second, "time that connections get to close after SIGTERM or Ctrl-C")
	flags.IntVar(&s.Drain.Rate, "drain-rate", engine.DefaultDrainRate, "connections to close in a second of it, as far as the time allows")
	flags.Func("drain-code", "close `code` of the drain: 1001 or 1012 (default 1001)", func(code string) error {
		n, err := strconv.ParseUint(code, 10, 16)
		s.Drain.Code = codec.StatusCode(n)
		return err
	})
}

// addLimits are sizes, numbers and rates.
func addLimits(flags *flag.FlagSet, s *engine.Server) {
	flags.Int64Var(&s.MaxMessageBytes, "max-message", engine.DefaultMaxMessageBytes, "largest message, in `bytes`")
	flags.IntVar(&s.MaxFragments, "max-fragments", engine.DefaultMaxFragments, "most frames of one message")
	flags.IntVar(&s.MaxHeadBytes, "max-head", engine.DefaultMaxHeadBytes, "largest request head, in `bytes`")
	flags.IntVar(&s.MaxHeaderLine, "max-header-line", engine.DefaultMaxHeaderLine, "longest line of it, in `bytes`")
	flags.IntVar(&s.MaxHeaders, "max-headers", engine.DefaultMaxHeaders, "most header fields in it")
	flags.IntVar(&s.MaxBufferedBytes, "max-buffered", engine.DefaultMaxBufferedBytes, "most `bytes` that may wait for one receiver")
	flags.Int64Var(&s.MaxMemoryBytes, "max-memory", 0, "most `bytes` of all buffers together (default 1 GiB, or half of GOMEMLIMIT)")
	flags.IntVar(&s.MaxConnections, "max-connections", engine.DefaultMaxConnections(), "most connections at once; the default is what the limit on descriptors leaves")
	flags.IntVar(&s.MaxInFlight, "max-in-flight", engine.DefaultMaxInFlight, "messages that may wait for a worker before a connection is not read")
	flags.IntVar(&s.MaxInFlightBytes, "max-in-flight-bytes", engine.DefaultMaxInFlightBytes, "`bytes` of them that may wait")
	flags.IntVar(&s.PerAddress.Connections, "per-address", 0, "most connections from one IPv4 address or IPv6 /64 (default no limit)")
	flags.Var((*rate)(&s.PerAddress.Handshakes), "per-address-rate", "`rate` of new connections from one of those")
	flags.IntVar(&s.PerPrefix.Connections, "per-prefix", 0, "most connections from one IPv4 /24 or IPv6 /48 (default no limit)")
	flags.Var((*rate)(&s.PerPrefix.Handshakes), "per-prefix-rate", "`rate` of new connections from one of those")
	flags.Var((*rate)(&s.MessageRate), "message-rate", "`rate` of messages from one connection: per second, as 100, or per second/at once, as 100/200")
	flags.Var((*rate)(&s.ByteRate), "byte-rate", "`rate` of bytes from one connection")
	flags.Var((*rate)(&s.ControlRate), "control-rate", fmt.Sprintf("`rate` of pings and pongs from one connection (default %d)", engine.DefaultControlRate))
}

// addTimeouts are the deadlines. 0s means the default for them too.
func addTimeouts(flags *flag.FlagSet, s *engine.Server) {
	for _, f := range []struct {
		to      *time.Duration
		name    string
		usage   string
		initial time.Duration
	}{
		{&s.HandshakeTimeout, "handshake-timeout", "time for the opening handshake", engine.DefaultHandshakeTimeout},
		{&s.IdleTimeout, "idle-timeout", "time without a message after which a connection is closed", engine.Never},
		{&s.PingInterval, "ping-interval", "silence after which a peer is sent a ping", engine.DefaultPingInterval},
		{&s.PongTimeout, "pong-timeout", "time for its answer", engine.DefaultPongTimeout},
		{&s.WriteTimeout, "write-timeout", "time in which a peer must take some of what waits for it", engine.DefaultWriteTimeout},
		{&s.MaxLifetime, "max-lifetime", "time after which a connection is closed in any case", engine.Never},
		{&s.CloseTimeout, "close-timeout", "time for the closing handshake", engine.DefaultCloseTimeout},
		{&s.SlowCallback, "slow-callback", "time after which a callback that holds up its loop is logged", engine.DefaultSlowCallback},
	} {
		*f.to = f.initial
		flags.Var((*timeout)(f.to), f.name, f.usage+", a `duration` or never")
	}
}

// addPolicies are what happens beyond the limits.
func addPolicies(flags *flag.FlagSet, s *engine.Server) {
	flags.Func("overflow", "what happens to messages beyond -max-buffered: close, drop-newest, drop-oldest or keep-latest (default close)",
		func(name string) (err error) {
			s.Overflow.Policy, err = policy(name, engine.OverflowClose, engine.OverflowKeepLatest)
			return err
		})
	flags.DurationVar(&s.Overflow.TTL, "message-ttl", 0, "time that a message may wait for its receiver (default for ever)")
	flags.Func("on-rate", "what happens to connections beyond a rate: close, or pause, which does not read them for a while (default close)",
		func(name string) (err error) {
			s.OnRate, err = policy(name, engine.RateClose, engine.RatePause)
			return err
		})
}

// addDeflate are those of permessage-deflate.
func (c *serveConfig) addDeflate(flags *flag.FlagSet) {
	d := &c.deflate
	flags.BoolVar(&c.deflates, "deflate", false, "agree to permessage-deflate")
	flags.IntVar(&d.Level, "deflate-level", 0, "`level` of compression with it: 0, the fastest, to 9")
	flags.IntVar(&d.Threshold, "deflate-threshold", 0, "shortest message that is compressed, in `bytes` (default 256, or 32 with takeover)")
	flags.BoolVar(&d.ServerContextTakeover, "deflate-takeover", false, "let what is sent refer to earlier messages, for 2 KiB each connection")
	flags.BoolVar(&d.ClientContextTakeover, "deflate-client-takeover", false, "let clients refer to earlier messages, for up to 32 KiB each connection")
}

// policy finds the one of a name among those from first to last.
func policy[P interface {
	~uint8
	fmt.Stringer
}](name string, first, last P) (P, error) {
	for p := first; p <= last; p++ {
		if p.String() == name {
			return p, nil
		}
	}
	return 0, errors.New("there is no such policy")
}

// rate is a flag for an engine.Rate: "100", or "100/200" for 100 per second and 200 at once.
type rate engine.Rate

// String implements flag.Value.
func (r *rate) String() string {
	switch {
	case r.PerSecond == 0:
		return ""
	case r.Burst == 0:
		return strconv.Itoa(r.PerSecond)
	}
	return fmt.Sprintf("%d/%d", r.PerSecond, r.Burst)
}

// Set implements flag.Value.
func (r *rate) Set(s string) (err error) {
	perSecond, burst, both := strings.Cut(s, "/")
	if r.PerSecond, err = strconv.Atoi(perSecond); err == nil && both {
		r.Burst, err = strconv.Atoi(burst)
	}
	if err != nil {
		return errors.New("is neither like 100 nor like 100/200")
	}
	return nil
}

// timeout is a flag for a time.Duration that can be engine.Never.
type timeout time.Duration

// String implements flag.Value.
func (t *timeout) String() string {
	if time.Duration(*t) == engine.Never {
		return "never"
	}
	return time.Duration(*t).String()
}

// Set implements flag.Value.
func (t *timeout) Set(s string) error {
	if s == "never" {
		*t = timeout(engine.Never)
		return nil
	}
	d, err := time.ParseDuration(s)
	*t = timeout(d)
	return err
}
