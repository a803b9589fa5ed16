package bridge

import (
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"
)

// Defaults of Options.
const (
	DefaultPrefix          = "wsloop."
	DefaultMaxMessageBytes = 1 << 20
	DefaultMaxQueued       = 1 << 16
	DefaultMaxQueuedBytes  = 64 << 20
	DefaultHeartbeat       = 5 * time.Second
	DefaultMaxBackoff      = 15 * time.Second
	DefaultCloseTimeout    = time.Second
)

// maxBackoff bounds Options.MaxBackoff.
const maxBackoff = 30 * time.Second

// Options of a Bridge. Zero means the default.
type Options struct {
	// Broker is what the log calls it.
	Broker string
	// Prefix stands before the names of topics at the broker: tokens, each with a dot behind it.
	Prefix string

	// MaxMessageBytes bounds payloads in both directions.
	MaxMessageBytes int
	// MaxQueued and MaxQueuedBytes bound what waits to be sent, and as much again what waits to be delivered, in messages and bytes. Beyond,
	// the oldest is dropped.
	MaxQueued, MaxQueuedBytes int

	// Heartbeat is how often the broker is asked whether it is there.
	Heartbeat time.Duration
	// MaxBackoff is the longest pause between two attempts to connect, 30 s at most. They start at an eighth of a second, double, and
	// are shortened at random by up to a half.
	MaxBackoff time.Duration
	// CloseTimeout is how long Close may take to send what is queued.
	CloseTimeout time.Duration

	// Logger is told of outages and refusals; slog.Default if nil.
	Logger *slog.Logger
}

// WithDefaults checks the options and fills in what is not set. An error says which option, without the package.
func (o Options) WithDefaults() (Options, error) {
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	if err := checkPrefix(o.Prefix); err != nil {
		return o, err
	}
	for _, n := range []struct {
		name  string
		value *int
		or    int
	}{
		{"MaxMessageBytes", &o.MaxMessageBytes, DefaultMaxMessageBytes},
		{"MaxQueued", &o.MaxQueued, DefaultMaxQueued},
		{"MaxQueuedBytes", &o.MaxQueuedBytes, DefaultMaxQueuedBytes},
	} {
		if err := orDefault(n.name, n.value, n.or); err != nil {
			return o, err
		}
	}
	for _, d := range []struct {
		name  string
		value *time.Duration
		or    time.Duration
	}{
		{"Heartbeat", &o.Heartbeat, DefaultHeartbeat},
		{"MaxBackoff", &o.MaxBackoff, DefaultMaxBackoff},
		{"CloseTimeout", &o.CloseTimeout, DefaultCloseTimeout},
	} {
		if err := orDefault(d.name, d.value, d.or); err != nil {
			return o, err
		}
	}
	o.MaxBackoff = min(o.MaxBackoff, maxBackoff)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o, nil
}

func orDefault[T int | time.Duration](name string, value *T, or T) error {
	if *value < 0 {
		return fmt.Errorf("negative Options.%s", name)
	}
	if *value == 0 {
		*value = or
	}
	return nil
}

// checkPrefix says whether names of topics can follow a prefix.
func checkPrefix(prefix string) error {
	tokens, found := strings.CutSuffix(prefix, ".")
	if !found || !utf8.ValidString(prefix) || len(prefix) > 256 {
		return fmt.Errorf("wrong Options.Prefix %q: not UTF-8, longer than 256 bytes, or without a dot at its end", prefix)
	}
	for token := range strings.SplitSeq(tokens, ".") {
		if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '*' || r == '>' }) {
			return fmt.Errorf("wrong Options.Prefix %q: an empty token, a wildcard, a blank or a control character", prefix)
		}
	}
	return nil
}

// patience is how long the broker may take to answer. With the time until it is asked, that is less than three heartbeats.
func (o *Options) patience() time.Duration { return o.Heartbeat * 3 / 2 }
