package nats

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	client "github.com/nats-io/nats.go"

	"github.com/wsloop/wsloop/contrib/internal/bridge"
)

// Defaults of Options.
const (
	DefaultPrefix          = bridge.DefaultPrefix
	DefaultMaxMessageBytes = bridge.DefaultMaxMessageBytes
	DefaultMaxQueued       = bridge.DefaultMaxQueued
	DefaultMaxQueuedBytes  = bridge.DefaultMaxQueuedBytes
	DefaultHeartbeat       = bridge.DefaultHeartbeat
	DefaultMaxBackoff      = bridge.DefaultMaxBackoff
	DefaultCloseTimeout    = bridge.DefaultCloseTimeout
)

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

// common are the options that all bridges have, with defaults.
func (o *Options) common() (bridge.Options, error) {
	common, err := bridge.Options{
		Broker: "NATS", Prefix: o.Prefix, MaxMessageBytes: o.MaxMessageBytes, MaxQueued: o.MaxQueued, MaxQueuedBytes: o.MaxQueuedBytes,
		Heartbeat: o.Heartbeat, MaxBackoff: o.MaxBackoff, CloseTimeout: o.CloseTimeout, Logger: o.Logger,
	}.WithDefaults()
	if err == nil && strings.HasPrefix(common.Prefix, "$") {
		err = fmt.Errorf("wrong Options.Prefix %q: subjects with $ are those of NATS itself", common.Prefix)
	}
	if err != nil {
		return common, fmt.Errorf("nats: %w", err)
	}
	return common, nil
}

// connection are the options of nats.go for one connection: it never reconnects, because the bridge does, with a queue and subscriptions
// that it knows.
func (o *Options) connection() (client.Options, error) {
	c := client.GetDefaultOptions()
	c.Name = o.Name
	for _, option := range o.Client {
		if option == nil {
			continue
		}
		if err := option(&c); err != nil {
			return c, fmt.Errorf("nats: Options.Client: %w", err)
		}
	}
	if c.InProcessServer != nil {
		return c, errors.New("nats: Options.Client: InProcessServer is not supported, because such a connection cannot be given up")
	}
	servers, user, err := addresses(o.URL)
	if err != nil {
		return c, fmt.Errorf("nats: Options.URL: %w", err)
	}
	if user != nil && c.User == "" && c.Token == "" { // the servers that NATS tells of have none in their URLs
		c.User = user.Username()
		c.Password, _ = user.Password()
	}
	c.Url, c.Servers = "", servers
	c.NoEcho = true
	c.AllowReconnect, c.RetryOnFailedConnect, c.ReconnectBufSize = false, false, -1
	c.PingInterval = -1  // the bridge has a heartbeat of its own
	c.FlusherTimeout = 0 // nor does a write have a deadline: see link.Do
	c.ConnectedCB, c.ReconnectedCB, c.ReconnectErrCB, c.DiscoveredServersCB, c.LameDuckModeHandler = nil, nil, nil, nil, nil
	c.DisconnectedErrCB = nil
	return c, nil
}

// addresses splits Options.URL. user is that of the first server with a name and a password.
func addresses(list string) (servers []string, user *url.Userinfo, err error) {
	if list == "" {
		return nil, nil, errors.New("it is empty")
	}
	for server := range strings.SplitSeq(list, ",") {
		u, err := address(server)
		if err != nil {
			return nil, nil, err
		}
		if _, both := u.User.Password(); both && user == nil {
			user = u.User
		}
		servers = append(servers, u.String())
	}
	return servers, user, nil
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
