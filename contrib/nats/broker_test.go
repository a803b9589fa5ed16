package nats

import (
	"net/url"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	client "github.com/nats-io/nats.go"

	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
	"github.com/wsloop/wsloop/contrib/internal/bridgetest/suite"
	"github.com/wsloop/wsloop/contrib/nats/internal/natstest"
)

// running is a NATS that runs.
type running struct {
	*server.Server
	raw *client.Conn // for Publish
}

var _ suite.Broker = (*running)(nil)

// start runs one until the end of the test.
func start(t *testing.T, change func(*server.Options)) *running {
	t.Helper()
	return &running{Server: natstest.Broker(t, change)}
}

// startFor is start for suite.Kind.
func startFor(t *testing.T, messageBytes int) suite.Broker {
	t.Helper()
	return start(t, func(o *server.Options) {
		if messageBytes > 0 {
			o.MaxPayload, o.MaxPending, o.WriteDeadline = int32(messageBytes), 256<<20, bridgetest.Patience
		}
	})
}

func (s *running) URL() string { return s.ClientURL() }

func (s *running) Address() string { return s.Addr().String() }

func (s *running) Stop() { natstest.Stop(s.Server) }

// Subscriptions are how many it has of a bridge, by its name.
func (s *running) Subscriptions(t *testing.T, name string) int {
	t.Helper()
	n, _ := s.known(t, name)
	return n
}

// Publish injects a message.
func (s *running) Publish(t *testing.T, name, data string) {
	t.Helper()
	if s.raw == nil {
		c, err := client.Connect(s.ClientURL(), client.Timeout(bridgetest.Patience))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		s.raw = c
	}
	if err := s.raw.Publish(name, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

// known is what a broker has of a bridge, by its name.
func (s *running) known(t *testing.T, name string) (subscriptions int, sent int64) {
	t.Helper()
	info, err := s.Connz(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range info.Conns {
		if c.Name == name {
			subscriptions += int(c.NumSubs)
			sent += c.OutMsgs
		}
	}
	return subscriptions, sent
}

// clustered has a broker join others by their routes.
func clustered(others ...*running) func(*server.Options) {
	return func(o *server.Options) {
		o.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: server.RANDOM_PORT}
		for _, other := range others {
			o.Routes = append(o.Routes, &url.URL{Scheme: "nats", Host: other.ClusterAddr().String()})
		}
	}
}
