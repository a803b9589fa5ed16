package nats

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	client "github.com/nats-io/nats.go"
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

// Options say how a Bridge reaches NATS. Zero means the default.
type Options struct {
	// URL is that of NATS, or several with commas between them, of one cluster.
	URL string
	// Prefix stands before the names of topics in NATS: tokens, each with a dot behind it. All servers that are to be joined
	// need the same.
	Prefix string
	// Name is what NATS calls the connection when it is watched.
	Name string
	// Client are further options for the connection, such as credentials and TLS. Those for reconnecting, pings and callbacks have no effect.
	Client []client.Option

	// MaxMessageBytes bounds payloads in both directions. It should be that of the Server.
	MaxMessageBytes int
	// MaxQueued and MaxQueuedBytes bound what waits to be sent, and as much again what waits to be delivered, in messages and bytes. Beyond,
	// the oldest is dropped.
	MaxQueued, MaxQueuedBytes int

	// Heartbeat is how often NATS is asked whether it is there. Without an answer for one and a half of these the connection is given up.
	Heartbeat time.Duration
	// MaxBackoff is the longest pause between two attempts to connect, 30 s at most. They start at an eighth of a second, double, and
	// are shortened at random by up to a half.
	MaxBackoff time.Duration
	// CloseTimeout is how long Close may take to send what is queued.
	CloseTimeout time.Duration

	// Logger is told of outages and refusals; slog.Default if nil.
	Logger *slog.Logger
}

// withDefaults checks the options and fills in what is not set.
func (o Options) withDefaults() (Options, error) {
	if o.URL == "" {
		return o, errors.New("nats: Options.URL is empty")
	}
	for server := range strings.SplitSeq(o.URL, ",") {
		if _, err := address(server); err != nil {
			return o, fmt.Errorf("nats: Options.URL: %w", err)
		}
	}
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
		return fmt.Errorf("nats: Options.%s is negative", name)
	}
	if *value == 0 {
		*value = or
	}
	return nil
}

// address is the URL of one server, whose scheme may be left out.
func address(server string) (*url.URL, error) {
	server = strings.TrimSpace(server)
	if !strings.Contains(server, "://") {
		server = "nats://" + server
	}
	u, err := url.Parse(server)
	if err == nil && u.Hostname() == "" {
		err = fmt.Errorf("%q has no host", server)
	}
	return u, err
}

// addresses splits Options.URL. user is that of the first server with a name and a password.
func addresses(list string) (servers []string, user *url.Userinfo) {
	for server := range strings.SplitSeq(list, ",") {
		u, _ := address(server) // was checked
		if _, both := u.User.Password(); both && user == nil {
			user = u.User
		}
		servers = append(servers, u.String())
	}
	return servers, user
}

// checkPrefix says whether names of topics can follow a prefix.
func checkPrefix(prefix string) error {
	tokens, found := strings.CutSuffix(prefix, ".")
	if !found || !utf8.ValidString(prefix) || len(prefix) > 256 {
		return fmt.Errorf("nats: Options.Prefix %q: not UTF-8, longer than 256 bytes, or without a dot at its end", prefix)
	}
	for token := range strings.SplitSeq(tokens, ".") {
		if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '*' || r == '>' }) {
			return fmt.Errorf("nats: Options.Prefix %q: an empty token, a wildcard, a blank or a control character", prefix)
		}
	}
	if strings.HasPrefix(prefix, "$") {
		return fmt.Errorf("nats: Options.Prefix %q: subjects with $ are those of NATS itself", prefix)
	}
	return nil
}

// patience is how long NATS may take to answer. With the time until it is asked, that is less than three heartbeats.
func (o *Options) patience() time.Duration { return o.Heartbeat * 3 / 2 }

// connection are the options of nats.go for one connection: it never reconnects, because the bridge does, with a queue and subscriptions
// that it knows.
func (b *Bridge) connection(gone func()) (client.Options, error) {
	o := client.GetDefaultOptions()
	o.Name = b.options.Name
	for _, option := range b.options.Client {
		if option == nil {
			continue
		}
		if err := option(&o); err != nil {
			return o, fmt.Errorf("nats: Options.Client: %w", err)
		}
	}
	if o.InProcessServer != nil {
		return o, errors.New("nats: Options.Client: InProcessServer is not supported, because such a connection cannot be given up")
	}
	servers, user := addresses(b.options.URL)
	if user != nil && o.User == "" && o.Token == "" { // the servers that NATS tells of have none in their URLs
		o.User = user.Username()
		o.Password, _ = user.Password()
	}
	o.Url, o.Servers = "", append(servers, b.others...)
	o.NoEcho = true
	o.AllowReconnect, o.RetryOnFailedConnect, o.ReconnectBufSize = false, false, -1
	o.PingInterval = -1  // the bridge has a heartbeat of its own
	o.FlusherTimeout = 0 // nor does a write have a deadline: see link.guard
	o.CustomDialer = &dialer{bridge: b, under: o.CustomDialer, timeout: o.Timeout}
	o.ConnectedCB, o.ReconnectedCB, o.ReconnectErrCB, o.DiscoveredServersCB, o.LameDuckModeHandler = nil, nil, nil, nil, nil
	o.DisconnectedErrCB, o.ClosedCB = nil, func(*client.Conn) { gone() }
	o.AsyncErrorCB = func(_ *client.Conn, sub *client.Subscription, err error) { b.refusedBy(sub, err) }
	return o, nil
}
