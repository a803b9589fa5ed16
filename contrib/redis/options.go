package redis

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	client "github.com/redis/rueidis"

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

// dialTimeout is how long a server may take to accept a connection, and again to answer the first command, unless Options.Client says.
const dialTimeout = 2 * time.Second

// Options say how a Bridge reaches Redis. Zero means the default.
type Options struct {
	// URL is that of Redis, or several with commas between them, of which one at a time is used: nodes of one cluster, or a
	// master and its replicas. Schemes are redis (if left out), rediss for TLS, and unix.
	URL string
	// Prefix stands before the names of topics in Redis: tokens, each with a dot behind it. All servers that are to be joined
	// need the same.
	Prefix string
	// Name is what Redis calls the connections when they are listed.
	Name string
	// Client changes how a connection is made, such as its credentials, TLS and Dialer. It is called by New, for each URL. Settings of
	// pools, caches, retries and RESP have no effect.
	Client func(*client.ClientOption)

	// MaxMessageBytes bounds payloads in both directions. It should be that of the Server.
	MaxMessageBytes int
	// MaxQueued and MaxQueuedBytes bound what waits to be sent, and as much again what waits to be delivered, in messages and bytes. Beyond,
	// the oldest is dropped.
	MaxQueued, MaxQueuedBytes int

	// Heartbeat is how often Redis is asked whether it is there, and still a master. Without an answer for one and a half of
	// these the connections are given up.
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
		Broker: "Redis", Prefix: o.Prefix, MaxMessageBytes: o.MaxMessageBytes, MaxQueued: o.MaxQueued, MaxQueuedBytes: o.MaxQueuedBytes,
		Heartbeat: o.Heartbeat, MaxBackoff: o.MaxBackoff, CloseTimeout: o.CloseTimeout, Logger: o.Logger,
	}.WithDefaults()
	if err != nil {
		return common, fmt.Errorf("redis: %w", err)
	}
	return common, nil
}

// servers are the options of the client library for each address in the URL.
func (o *Options) servers() (servers []client.ClientOption, err error) {
	if o.URL == "" {
		return nil, errors.New("redis: Options.URL is empty")
	}
	for url := range strings.SplitSeq(o.URL, ",") {
		url = strings.TrimSpace(url)
		if !strings.Contains(url, "://") {
			url = "redis://" + url
		}
		server, err := client.ParseURL(url)
		if err != nil {
			return nil, fmt.Errorf("redis: Options.URL: %w", err)
		}
		server.ClientName = o.Name
		if o.Client != nil {
			o.Client(&server)
		}
		if server.Sentinel.MasterSet != "" || server.AlwaysRESP2 || server.DialFn != nil || server.ReplicaOnly {
			return nil, errors.New("redis: Options: Sentinel, RESP2, DialFn and ReplicaOnly are not supported")
		}
		for _, address := range server.InitAddress {
			if address == "" || strings.HasPrefix(address, ":") {
				return nil, fmt.Errorf("redis: Options.URL: %q has no host", url)
			}
			one := settled(server)
			one.InitAddress = []string{address}
			servers = append(servers, one)
		}
	}
	return servers, nil
}

// settled are the options of a client that has two connections at most, does not make others in their place, repeats nothing, and leaves
// heartbeats to the bridge.
func settled(o client.ClientOption) client.ClientOption {
	if o.Dialer.Timeout <= 0 {
		o.Dialer.Timeout = dialTimeout
	}
	o.ForceSingleClient, o.Standalone = true, client.StandaloneOption{}
	o.PipelineMultiplex, o.AlwaysPipelining, o.DisableAutoPipelining = -1, true, false
	o.BlockingPipeline = -1 // however many commands
	o.DisableRetry, o.DisableCache, o.OnInvalidations = true, true, nil
	o.ConnWriteTimeout, o.ConnLifetime = -1, 0
	return o
}
