package nats

import (
	"net/url"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
)

// clustered has a broker join others by their routes.
func clustered(others ...*server.Server) func(*server.Options) {
	return func(o *server.Options) {
		o.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: server.RANDOM_PORT}
		for _, other := range others {
			o.Routes = append(o.Routes, &url.URL{Scheme: "nats", Host: other.ClusterAddr().String()})
		}
	}
}

// known is what a broker has of a bridge, by its name.
func known(t *testing.T, s *server.Server, name string) (subscriptions int, sent int64) {
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

// awaitSubscriptions waits until a broker has as many of a bridge.
func awaitSubscriptions(t *testing.T, s *server.Server, name string, want int) {
	t.Helper()
	bridgetest.Eventually(t, "subscriptions of "+name, func() bool {
		got, _ := known(t, s, name)
		return got == want
	})
}
