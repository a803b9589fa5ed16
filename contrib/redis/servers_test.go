package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	client "github.com/redis/rueidis"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/contrib/internal/bridge"
	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
	"github.com/wsloop/wsloop/contrib/internal/bridgetest/suite"
)

func TestOptions(t *testing.T) {
	const good = "redis://127.0.0.1:6379"
	for _, o := range []Options{
		{},
		{URL: "redis://a:b:c"},
		{URL: "http://127.0.0.1"},
		{URL: "unix://"},
		{URL: good + "/x"},
		{URL: good + "?protocol=2"},
		{URL: good + "?master_set=m"},
		{URL: good, Prefix: "wsloop"},
		{URL: good, Prefix: "a.*."},
		{URL: good, Heartbeat: -1},
		{URL: good, Client: func(o *client.ClientOption) { o.ReplicaOnly = true }},
	} {
		if _, err := New(o); err == nil || !strings.HasPrefix(err.Error(), "redis: ") {
			t.Errorf("%+v: %v", o, err)
		}
	}
	o := Options{URL: "10.0.0.1, rediss://me:secret@[::1]:6380?addr=10.0.0.2:1,unix:///run/redis.sock", Name: "n"}
	servers, err := o.servers()
	if err != nil {
		t.Fatal(err)
	}
	var addresses []string
	for _, s := range servers {
		addresses = append(addresses, s.InitAddress...)
		if !s.DisableRetry || !s.ForceSingleClient || s.Dialer.Timeout != dialTimeout || s.ClientName != "n" {
			t.Errorf("%+v", s)
		}
	}
	if want := []string{"10.0.0.1:6379", "[::1]:6380", "10.0.0.2:1", "/run/redis.sock"}; !slices.Equal(addresses, want) {
		t.Errorf("%q, want %q", addresses, want)
	}
	if servers[1].TLSConfig == nil || servers[1].Username != "me" || servers[0].Username != "" {
		t.Errorf("%+v", servers)
	}
	b, err := New(Options{URL: good})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Publish("a", codec.OpcodeText, nil); err != ErrClosed {
		t.Errorf("before Open: %v", err)
	}
	for range 2 {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := b.Open(new(bridgetest.Recorder)); err == nil {
		t.Error("opened after Close")
	}
}

// through has a client connect elsewhere.
func through(address func() string) func(*client.ClientOption) {
	return func(o *client.ClientOption) {
		o.DialCtxFn = func(ctx context.Context, _ string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
			return d.DialContext(ctx, "tcp", address())
		}
	}
}

// TestFailover has a replica take the place of the master: it is refused before, and found afterwards.
func TestFailover(t *testing.T) {
	master := start(t, "--port", freePort, "--repl-diskless-sync-delay", "0")
	replica := start(t, "--replicaof", "127.0.0.1", master.ports[0])
	bridgetest.Eventually(t, "they are joined", func() bool {
		info, _ := replica.do(t, "INFO", "replication").ToString()
		return strings.Contains(info, "master_link_status:up")
	})
	url := replica.URL() + "," + master.URL()
	a, _ := opened(t, "a", Options{URL: url, Heartbeat: suite.Beat})
	b, got := opened(t, "b", Options{URL: url, Heartbeat: suite.Beat}, "x")
	suite.Await(t, master, "b", 1)
	bridgetest.Eventually(t, "both are ready", func() bool { return a.Ready() && b.Ready() })
	bridgetest.Eventually(t, "a message", func() bool { // such short heartbeats may have come too late
		bridgetest.Publish(a, "x", 0, 1)
		return got.Last() == "x 0"
	})
	alone, _ := opened(t, "alone", Options{URL: replica.URL()})
	bridgetest.Eventually(t, "a replica is refused", func() bool { return alone.Stats().Failures > 1 })
	gapsA, gapsB := a.Stats().Gaps, b.Stats().Gaps
	replica.do(t, "REPLICAOF", "NO", "ONE")
	master.do(t, "REPLICAOF", "127.0.0.1", "1") // where nobody is
	suite.Await(t, replica, "b", 1)
	bridgetest.Eventually(t, "both were told", func() bool { return a.Stats().Gaps > gapsA && b.Stats().Gaps > gapsB })
	bridgetest.Eventually(t, "another message", func() bool {
		bridgetest.Publish(a, "x", 1, 2)
		return got.Last() == "x 1"
	})
	bridgetest.Eventually(t, "the one that was a replica is taken", alone.Ready)
}

// TestCluster has bridges at different nodes of a Redis Cluster.
func TestCluster(t *testing.T) {
	var nodes [2]*server
	for i := range nodes {
		nodes[i] = start(t, "--port", freePort, "--cluster-enabled", "yes", "--cluster-port", freePort)
	}
	ids, _ := nodes[1].do(t, "CLUSTER", "MYID").ToString()
	nodes[0].do(t, "CLUSTER", "MEET", "127.0.0.1", nodes[1].ports[0], nodes[1].ports[1])
	bridgetest.Eventually(t, "they know each other", func() bool {
		known, _ := nodes[0].do(t, "CLUSTER", "NODES").ToString()
		return strings.Contains(known, ids) && !strings.Contains(known, "handshake")
	})
	a, _ := opened(t, "a", Options{URL: nodes[0].URL()})
	b, got := opened(t, "b", Options{URL: nodes[1].URL() + "," + nodes[0].URL()}, "x", "*", ">")
	suite.Await(t, nodes[1], "b", 3)
	bridgetest.Eventually(t, "a is ready", a.Ready)
	bridgetest.Eventually(t, "the first", func() bool { // the nodes have connections both ways on their own time
		bridgetest.Publish(a, "x", -1, 0)
		return got.Count() > 0
	})
	before, duplicates := got.Count(), b.Stats().Duplicates
	const n = 5000
	bridgetest.Publish(a, "x", 0, n)
	bridgetest.Eventually(t, "all", func() bool { return got.Last() == "x 4999" })
	if all := got.All(); !slices.Equal(all[len(all)-n:], bridgetest.Numbers("x", 0, n)) || b.Stats().Late != 0 || b.Stats().Duplicates < duplicates+2*n-2 {
		t.Errorf("%d, %d before: %+v", len(all), before, b.Stats())
	}
	nodes[1].Stop()
	suite.Await(t, nodes[0], "b", 3)
	bridgetest.Eventually(t, "the gap is told", func() bool { return b.Stats().Gaps == 1 })
	bridgetest.Publish(a, "x", n, n+1)
	bridgetest.Eventually(t, "what comes over the other", func() bool { return got.Last() == "x 5000" })
}

// TestTLS has a way to Redis that is encrypted.
func TestTLS(t *testing.T) {
	s := start(t)
	certified := httptest.NewTLSServer(nil)
	defer certified.Close()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: certified.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var accepted atomic.Int64
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			up, err := net.Dial("unix", s.path)
			if err != nil {
				c.Close()
				return
			}
			go relay(c, up)
			go relay(up, c)
		}
	}()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	b, got := opened(t, "b", Options{URL: "rediss://127.0.0.1:" + port, Client: func(o *client.ClientOption) {
		o.TLSConfig.RootCAs = certified.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	}}, "x")
	suite.Await(t, s, "b", 1)
	s.publish(t, "wsloop.x", suite.Forge(1, 1, "secret"))
	bridgetest.Eventually(t, "a message", func() bool { return got.Last() == "x secret" })
	if err := b.Close(); err != nil || accepted.Load() < 2 {
		t.Error(err, accepted.Load())
	}
}

func relay(to, from net.Conn) {
	io.Copy(to, from)
	to.Close()
	from.Close()
}

// TestOld has somebody answer who is no Redis of today.
func TestOld(t *testing.T) {
	for _, test := range []struct{ name, answer string }{
		{"no HELLO", "-ERR unknown command 'HELLO'\r\n"},
		{"RESP2", "*4\r\n$5\r\nproto\r\n:2\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"},
		{"sentinel", "%3\r\n$5\r\nproto\r\n:3\r\n$4\r\nmode\r\n$8\r\nsentinel\r\n$4\r\nrole\r\n$8\r\nsentinel\r\n"},
		{"HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			go func() {
				for {
					c, err := ln.Accept()
					if err != nil {
						return
					}
					go func() {
						defer c.Close()
						buffer := make([]byte, 1<<10)
						for {
							n, err := c.Read(buffer)
							if err != nil {
								return
							}
							for range strings.Count(string(buffer[:n]), "*") {
								c.Write([]byte(test.answer))
							}
						}
					}()
				}
			}()
			b, _ := opened(t, "b", Options{URL: ln.Addr().String(), MaxBackoff: time.Millisecond}, "x")
			bridgetest.Eventually(t, "attempts", func() bool { return b.Stats().Failures > 2 })
			if st := b.Stats(); st.Ready || st.Gaps != 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// TestSealedLink has the client library find that one of its connections has ended: it makes no other one, and nothing more is sent.
func TestSealedLink(t *testing.T) {
	s := start(t)
	o := Options{URL: s.URL()}
	servers, err := o.servers()
	if err != nil {
		t.Fatal(err)
	}
	common, err := o.common()
	if err != nil {
		t.Fatal(err)
	}
	b := &broker{servers: servers, prefix: common.Prefix, heartbeat: common.Heartbeat}
	b.bridge = bridge.New(common, b)
	l, err := b.connect(t.Context(), servers[0])
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s.do(t, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	<-l.Gone()
	bridgetest.Eventually(t, "no other connection", func() bool {
		return errors.Is(l.publish.Do(t.Context(), l.publish.B().Ping().Build()).Error(), errSealed)
	})
	r := &bridge.Round{Messages: []bridge.Message{{Name: "x", Fate: bridge.Missed}}}
	if err := l.Do(t.Context(), r); err == nil || r.Messages[0].Fate != bridge.Missed {
		t.Errorf("%v, %v", err, r.Messages[0].Fate)
	}
}

// TestSealed has connections be made while, and after, a link is sealed.
func TestSealed(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var s sockets
	s.init(t.Context())
	dial := s.dialer(nil)
	again := s.dialer(func(ctx context.Context, address string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
		s.seal()
		return d.DialContext(ctx, "tcp", address)
	})
	d := &net.Dialer{Timeout: bridgetest.Patience}
	c, err := dial(t.Context(), ln.Addr().String(), d, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, dial := range []dialFunc{again, dial} {
		if _, err := dial(t.Context(), ln.Addr().String(), d, nil); !errors.Is(err, errSealed) {
			t.Error(err)
		}
	}
	s.close()
	if _, err := c.Read(make([]byte, 1)); err == nil || s.reason() == nil {
		t.Error(err)
	}
	<-s.gone
}
