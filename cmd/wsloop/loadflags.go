package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/wsloop/wsloop/cmd/wsloop/internal/load"
	findings "github.com/wsloop/wsloop/cmd/wsloop/internal/report"
)

// loadConfig is what the flags of load say.
type loadConfig struct {
	run        load.Config
	procs      int // processes to run in; 0 for this one
	onlyCheck  bool
	quiet      bool
	payload    string // path of a file
	files      []reportFile
	thresholds []findings.Threshold
}

const loadUsage = `usage: wsloop load [flags] URL...
       wsloop load compare a.json b.json

The exit status is 1 if no connection was opened or a process of -procs ended early, 2 if the flags are wrong or the machine has
too little for the run, and 3 if a -fail is true of it.

`

// parseLoad reads the arguments of load, and tells the user what is wrong with them.
func parseLoad(args []string, stderr io.Writer) (*loadConfig, error) {
	c := &loadConfig{}
	flags := flag.NewFlagSet("wsloop load", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, loadUsage)
		flags.PrintDefaults()
	}
	c.addTargets(flags)
	c.addMessages(flags)
	c.addPhases(flags)
	c.addReports(flags)
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, errUsage
	}
	c.run.URLs = flags.Args()
	err := c.readPayload()
	if err == nil {
		err = c.run.Complete()
	}
	if err == nil && (c.procs < 0 || c.procs > c.run.Connections) {
		err = errors.New("-procs is negative, or greater than the number of connections")
	}
	if err != nil {
		fmt.Fprintln(stderr, "wsloop load:", err)
		return nil, errUsage
	}
	return c, nil
}

func (c *loadConfig) readPayload() (err error) {
	if c.payload == "" {
		return nil
	}
	if c.run.Payload, err = os.ReadFile(c.payload); c.run.Payload == nil {
		c.run.Payload = []byte{}
	}
	return err
}

// addTargets are where connections go, and how they are opened.
func (c *loadConfig) addTargets(flags *flag.FlagSet) {
	r := &c.run
	flags.IntVar(&r.Connections, "c", load.DefaultConnections, "`number` of connections")
	flags.StringVar(&r.Unix, "unix", "", "connect to the Unix socket at this `path` instead of the host of the URL")
	flags.Func("src", "local `addresses` to connect from in turn: some, or a range, as in 127.0.1.1-127.0.1.20", func(s string) (err error) {
		r.Sources, err = parseAddresses(s)
		return err
	})
	flags.Func("subprotocol", "a subprotocol `name` to offer, may be repeated", func(name string) error {
		r.Subprotocols = append(r.Subprotocols, name)
		return nil
	})
	flags.StringVar(&r.Origin, "origin", "", "`origin` of the page that seems to connect")
	flags.Func("header", "a `field` of the request, as 'Name: value', may be repeated", func(s string) error {
		name, value, found := strings.Cut(s, ":")
		if !found {
			return errors.New("is not like 'Name: value'")
		}
		r.Header = append(r.Header, load.Field{Name: name, Value: strings.TrimSpace(value)})
		return nil
	})
	flags.Float64Var(&r.ConnectRate, "connect-rate", 0, "connections to begin in a second (default as fast as it goes)")
	flags.IntVar(&r.Pending, "pending", load.DefaultPending, "`number` of connections that may be on their way at a time")
	flags.DurationVar(&r.Timeout, "timeout", load.DefaultTimeout, "time for connecting and the opening handshake")
	flags.DurationVar(&r.Keepalive, "keepalive", 0, "silence after which a ping is sent (default none is)")
	flags.IntVar(&r.Loops, "loops", 1, "`number` of event loops of a process")
	flags.IntVar(&c.procs, "procs", 0, "`number` of processes that share the run, each with its own limits (default none: this process does it)")
	flags.BoolVar(&c.onlyCheck, "check", false, "only check whether the limits of this machine, and of -server-pid, allow the run: exit status 2 if not")
}

// addMessages are what connections do.
func (c *loadConfig) addMessages(flags *flag.FlagSet) {
	r := &c.run
	flags.StringVar(&r.Scenario, "scenario", load.Echo, "what connections do: "+strings.Join(load.Scenarios, ", "))
	flags.Float64Var(&r.Rate, "rate", 0, "messages per second of all connections together")
	flags.Float64Var(&r.RatePerConn, "rate-per-conn", 0, "messages per second of each connection")
	flags.IntVar(&r.Outstanding, "outstanding", 0, "`number` of messages that each connection keeps on their way, without a rate (default 1, if there is none)")
	flags.Var((*share)(&r.Active), "active", "`share` of the connections that send, as 1% (default 100%, in idle none)")
	flags.Var((*share)(&r.Slow), "slow", "`share` of the receivers that read nothing in slow (default 10%)")
	flags.IntVar(&r.Size, "size", load.DefaultSize, "`bytes` of a message")
	flags.StringVar(&c.payload, "payload", "", "send the bytes of this `file`")
	flags.BoolVar(&r.Text, "text", false, "send text messages")
	flags.BoolVar(&r.Deflate, "deflate", false, "offer permessage-deflate, with context takeover in both directions")
	flags.IntVar(&r.Fragments, "fragments", 0, "`number` of frames of a message, the last of them empty (default one frame)")
}

// addPhases are how long.
func (c *loadConfig) addPhases(flags *flag.FlagSet) {
	r := &c.run
	flags.DurationVar(&r.Warmup, "warmup", load.DefaultWarmup, "time to send before the measurement")
	flags.DurationVar(&r.Duration, "duration", load.DefaultDuration, "time to measure")
	flags.DurationVar(&r.Drain, "drain", load.DefaultDrain, "time to wait for answers at the end, and again for closing handshakes")
}

// addReports are what is told of the run.
func (c *loadConfig) addReports(flags *flag.FlagSet) {
	flags.BoolVar(&c.quiet, "quiet", false, "write no line of status each second")
	for _, f := range []struct {
		name, what string
		form       func(r *findings.Report, w io.Writer) error
	}{
		{"json", "the report as JSON", (*findings.Report).WriteJSON},
		{"csv", "a line for each second", (*findings.Report).WriteCSV},
		{"hgrm", "the corrected latencies as HdrHistogram writes them", func(r *findings.Report, w io.Writer) error {
			return findings.WriteHGRM(w, r.Latency.Corrected)
		}},
		{"html", "a page", (*findings.Report).WriteHTML},
	} {
		path := flags.String(f.name, "", "write "+f.what+" to this `file`; - is the standard output")
		c.files = append(c.files, reportFile{path, f.form})
	}
	flags.Func("fail", "exit with status 3 if this `bound` is passed, as p99>5ms; may be repeated", func(s string) error {
		t, err := findings.ParseThreshold(s)
		c.thresholds = append(c.thresholds, t)
		return err
	})
	flags.Func("server-pid", "`process` of the server, or several with commas: measure their processor time and memory", func(s string) error {
		for _, field := range strings.Split(s, ",") {
			pid, err := strconv.Atoi(strings.TrimSpace(field))
			if err != nil || pid <= 0 {
				return fmt.Errorf("%q is no process", field)
			}
			c.run.ServerPIDs = append(c.run.ServerPIDs, pid)
		}
		return nil
	})
}

// maxAddresses is more than anybody needs.
const maxAddresses = 1 << 16

// parseAddresses reads addresses and ranges, with commas between.
func parseAddresses(s string) (all []netip.Addr, err error) {
	for _, field := range strings.Split(s, ",") {
		from, to, isRange := strings.Cut(strings.TrimSpace(field), "-")
		first, err := netip.ParseAddr(from)
		if err != nil {
			return nil, err
		}
		last := first
		if isRange {
			if last, err = netip.ParseAddr(to); err != nil {
				return nil, err
			}
		}
		if last.Less(first) || last.BitLen() != first.BitLen() {
			return nil, fmt.Errorf("%q is no range", field)
		}
		for addr := first; addr.Compare(last) <= 0; addr = addr.Next() {
			if len(all) == maxAddresses {
				return nil, fmt.Errorf("%q has more than %d addresses", s, maxAddresses)
			}
			all = append(all, addr)
			if addr == last {
				break
			}
		}
	}
	return all, nil
}

// share is a flag for a part of 1, written in percent.
type share float64

// String implements flag.Value.
func (s *share) String() string { return strconv.FormatFloat(float64(*s)*100, 'g', -1, 64) + "%" }

// Set implements flag.Value.
func (s *share) Set(text string) error {
	number, found := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(number, 64)
	if !found || err != nil || !(v > 0 && v <= 100) {
		return errors.New("is no share like 1%")
	}
	*s = share(v / 100)
	return nil
}
