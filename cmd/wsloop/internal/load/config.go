package load

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Scenarios are what connections may do; docs/load.md describes them.
const (
	Echo      = "echo"
	Idle      = "idle"
	Broadcast = "broadcast"
	Churn     = "churn"
	Slow      = "slow"
)

// Scenarios lists them.
var Scenarios = []string{Echo, Idle, Broadcast, Churn, Slow}

// Defaults of a Config.
const (
	DefaultConnections   = 100
	DefaultSize          = 64
	DefaultPending       = 500
	DefaultTimeout       = 10 * time.Second
	DefaultDuration      = 10 * time.Second
	DefaultWarmup        = time.Second
	DefaultDrain         = 2 * time.Second
	DefaultBroadcastRate = 10
)

// Config is what a run does. It is all that a process needs to run its share, and nothing in it is bound to
// this one.
type Config struct {
	URLs         []string     `json:"urls"`              // targets, in turn
	Unix         string       `json:"unix,omitempty"`    // path of a socket to connect to instead of the host of the URLs
	Sources      []netip.Addr `json:"sources,omitempty"` // local addresses, in turn
	Subprotocols []string     `json:"subprotocols,omitempty"`
	Deflate      bool         `json:"deflate,omitempty"` // offer permessage-deflate
	Origin       string       `json:"origin,omitempty"`
	Header       []Field      `json:"header,omitempty"`
	Scenario     string       `json:"scenario"`

	Connections int           `json:"connections"`     // of this share
	First       int           `json:"first,omitempty"` // number of the first of them in the whole run
	Loops       int           `json:"loops,omitempty"`
	ConnectRate float64       `json:"connect_rate,omitempty"` // per second; 0: as fast as it goes
	Pending     int           `json:"pending,omitempty"`      // attempts on their way at a time
	Timeout     time.Duration `json:"timeout_ns,omitempty"`   // for connecting and the handshake
	Keepalive   time.Duration `json:"keepalive_ns,omitempty"` // silence after which a ping is sent; 0: none is

	Rate        float64 `json:"rate,omitempty"`          // messages per second of all active connections
	RatePerConn float64 `json:"rate_per_conn,omitempty"` // of each
	Outstanding int     `json:"outstanding,omitempty"`   // messages of a connection on their way, without a rate
	Active      float64 `json:"active,omitempty"`        // share of the connections that echo
	Slow        float64 `json:"slow,omitempty"`          // share of the receivers that read nothing

	Size      int    `json:"size,omitempty"`    // bytes of a payload, unless there is one
	Payload   []byte `json:"payload,omitempty"` // nil: Size bytes are made up
	Text      bool   `json:"text,omitempty"`
	Fragments int    `json:"fragments,omitempty"` // frames of a message, the last of them empty

	Warmup   time.Duration `json:"warmup_ns,omitempty"`
	Duration time.Duration `json:"duration_ns"`
	Drain    time.Duration `json:"drain_ns,omitempty"` // for answers, and again for closing handshakes

	ServerPIDs []int `json:"server_pids,omitempty"` // whose cost is measured by Run
}

// Field is a header field of the opening handshake.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Complete sets what was left open, and says what cannot be.
func (c *Config) Complete() error {
	c.Connections = orElse(c.Connections, DefaultConnections)
	c.Loops = min(orElse(c.Loops, 1), max(c.Connections, 1))
	c.Pending = orElse(c.Pending, DefaultPending)
	c.Timeout = orElse(c.Timeout, DefaultTimeout)
	c.Duration = orElse(c.Duration, DefaultDuration)
	c.Scenario = orElse(c.Scenario, Echo)
	if c.Payload != nil {
		c.Size = len(c.Payload)
	}
	switch {
	case c.Scenario == Echo && c.Active == 0:
		c.Active = 1
	case c.Scenario == Slow && c.Slow == 0:
		c.Slow = 0.1
	}
	if c.Rate == 0 && c.RatePerConn == 0 && c.Outstanding == 0 {
		if c.broadcasts() {
			c.Rate = DefaultBroadcastRate
		} else {
			c.Outstanding = 1
		}
	}
	return errors.Join(c.checkNumbers(), c.checkMessages(), c.checkTargets())
}

func (c *Config) checkTargets() error {
	switch {
	case len(c.URLs) == 0:
		return errors.New("there is no URL to connect to, such as ws://localhost:8080/")
	case c.Unix != "" && len(c.Sources) > 0:
		return errors.New("-src is for TCP: leave out -src or -unix")
	case !slices.Contains(Scenarios, c.Scenario):
		return fmt.Errorf("-scenario %q is none of %s", c.Scenario, strings.Join(Scenarios, ", "))
	}
	return nil
}

func (c *Config) checkNumbers() error {
	for _, n := range []struct {
		flag  string
		value float64
	}{
		{"c", float64(c.Connections)},
		{"loops", float64(c.Loops)},
		{"pending", float64(c.Pending)},
		{"connect-rate", c.ConnectRate},
		{"timeout", float64(c.Timeout)},
		{"keepalive", float64(c.Keepalive)},
		{"rate", c.Rate},
		{"rate-per-conn", c.RatePerConn},
		{"outstanding", float64(c.Outstanding)},
		{"size", float64(c.Size)},
		{"fragments", float64(c.Fragments)},
		{"warmup", float64(c.Warmup)},
		{"duration", float64(c.Duration)},
		{"drain", float64(c.Drain)},
		{"active", c.Active},
		{"slow", c.Slow},
	} {
		if !(n.value >= 0) || math.IsInf(n.value, 0) {
			return fmt.Errorf("-%s is negative, or no number", n.flag)
		}
	}
	if c.Active > 1 || c.Slow > 1 {
		return errors.New("-active and -slow are shares, 100% at most")
	}
	return nil
}

func (c *Config) checkMessages() error {
	given := 0
	for _, is := range []bool{c.Rate > 0, c.RatePerConn > 0, c.Outstanding > 0} {
		if is {
			given++
		}
	}
	switch {
	case given > 1:
		return errors.New("-rate, -rate-per-conn and -outstanding exclude each other")
	case c.Scenario == Churn && c.Outstanding != 1:
		return errors.New("in churn the pace is -connect-rate: leave out -rate, -rate-per-conn and -outstanding")
	case c.Text && !utf8.Valid(c.Payload):
		return errors.New("the payload is not valid UTF-8: leave out -text")
	case c.broadcasts() && c.Size < c.stampBytes():
		return fmt.Errorf("broadcast writes the time into each message, which takes %d bytes: -size %d is too small", c.stampBytes(), c.Size)
	case c.broadcasts() && c.Text && !utf8.Valid(stamped(c.Payload)):
		return errors.New("the times that broadcast writes into each message end inside a character of the payload")
	case c.Fragments == 1:
		return errors.New("-fragments takes 2 or more: the last frame is empty, and one frame needs no flag")
	case c.Size > math.MaxInt32/4:
		return errors.New("a message may have 512 MiB at most")
	}
	return nil
}

func (c *Config) broadcasts() bool { return c.Scenario == Broadcast || c.Scenario == Slow }

// closedLoop says whether a message leaves when another was answered, and not at a time of its own.
func (c *Config) closedLoop() bool { return c.Outstanding > 0 }

// Share is the part number i of n of a complete Config, for one of n processes. Connections and rates are divided, and so are
// sources, if there is one for each, and what may be on its way; in a broadcast the first part sends alone.
func (c *Config) Share(i, n int) Config {
	share := *c
	from, to := part(c.Connections, i, n), part(c.Connections, i+1, n)
	share.First, share.Connections = c.First+from, to-from
	share.ConnectRate *= portion(share.Connections, c.Connections)
	share.Pending = max(1, part(c.Pending, i+1, n)-part(c.Pending, i, n))
	share.Loops = max(min(c.Loops, share.Connections), 1)
	if len(c.Sources) >= n {
		share.Sources = c.Sources[part(len(c.Sources), i, n):part(len(c.Sources), i+1, n)]
	}
	if !c.broadcasts() {
		share.Rate *= portion(share.activeOf(share.Connections), c.activeOf(c.Connections))
	}
	return share
}

// activeOf is how many connections of this share send, if so many are open. Those of all shares add up to the share that
// was asked for, rounded up.
func (c *Config) activeOf(open int) int {
	upTo := func(n int) int { return int(math.Ceil(float64(n)*c.Active - 1e-9)) }
	return min(upTo(c.First+open)-upTo(c.First), open)
}

func portion(of, whole int) float64 { return float64(of) / float64(max(whole, 1)) }

// part is where the part number i of n parts begins.
func part(of, i, n int) int { return int(int64(of) * int64(i) / int64(n)) }

func orElse[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}
