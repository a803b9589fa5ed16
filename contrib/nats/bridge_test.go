package nats

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	client "github.com/nats-io/nats.go"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/contrib/internal/bridge"
	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
	"github.com/wsloop/wsloop/contrib/nats/internal/natstest"
)

func TestInterest(t *testing.T) {
	s := natstest.Broker(t, nil)
	a, fromOthers := opened(t, "a", Options{URL: s.ClientURL()})
	b, got := opened(t, "b", Options{URL: s.ClientURL()}, "news.*")
	_, nothing := opened(t, "c", Options{URL: s.ClientURL()}, "talk.>")
	awaitSubscriptions(t, s, "b", 1)
	awaitSubscriptions(t, s, "c", 1)
	bridgetest.Eventually(t, "a is ready", a.Ready)
	bridgetest.Publish(a, "news.today", 0, 1000)
	bridgetest.Publish(a, "other", 0, 1000)
	bridgetest.Eventually(t, "1000 messages", func() bool { return got.Count() >= 1000 })
	if all := got.All(); !slices.Equal(all, bridgetest.Numbers("news.today", 0, 1000)) {
		t.Errorf("%d messages, the last is %q", len(all), got.Last())
	}
	b.Interest("news.*", false)
	awaitSubscriptions(t, s, "b", 0)
	bridgetest.Publish(a, "news.today", 1000, 2000)
	b.Interest("news.*", true)
	b.Interest("news.*", false)
	b.Interest("end", true)
	awaitSubscriptions(t, s, "b", 1)
	bridgetest.Publish(a, "end", 0, 1)
	bridgetest.Eventually(t, "the end", func() bool { return got.Last() == "end 0" })
	bridgetest.Eventually(t, "all is counted", func() bool { return a.Stats().Carried == 3001 && b.Stats().Received == 1001 })
	for name, want := range map[string]int64{"a": 0, "b": 1001, "c": 0} {
		if _, sent := known(t, s, name); sent != want {
			t.Errorf("NATS sent %s %d messages, want %d", name, sent, want)
		}
	}
	if n := fromOthers.Count() + nothing.Count(); n != 0 || got.Count() != 1001 {
		t.Errorf("%d messages that nobody wanted, %d that were", n, got.Count())
	}
	if n := sums(a); n != 3001 {
		t.Errorf("counted %d", n)
	}
	if st := b.Stats(); st.Received != 1001 || st.Gaps != 0 || st.Outages != 0 || st.Wanted != 1 || st.Subscribed != 1 {
		t.Errorf("%+v", st)
	}
}

// TestOverlap has many patterns match: NATS sends a message once for each, and it is delivered once.
func TestOverlap(t *testing.T) {
	s := natstest.Broker(t, nil)
	a, _ := opened(t, "a", Options{URL: s.ClientURL()})
	b, got := opened(t, "b", Options{URL: s.ClientURL()}, "x.y", "x.*", "*.y", "*.*", "x.>", ">")
	awaitSubscriptions(t, s, "b", 6)
	const n = 20000
	bridgetest.Publish(a, "x.y", 0, n)
	bridgetest.Eventually(t, "all", func() bool { return b.Stats().Received >= n })
	bridgetest.Eventually(t, "the last duplicate", func() bool { return b.Stats().Duplicates == 5*n })
	if !slices.Equal(got.All(), bridgetest.Numbers("x.y", 0, n)) {
		t.Error("not each once and in order")
	}
	if st := b.Stats(); st.Received != n || st.Late != 0 || st.Overrun != 0 {
		t.Errorf("%+v", st)
	}
}

func TestOrder(t *testing.T) {
	s := natstest.Broker(t, nil)
	const nodes, topics, each = 3, 4, 2000
	var bridges []*Bridge
	var recorders []*bridgetest.Recorder
	for i := range nodes {
		b, r := opened(t, fmt.Sprint(i), Options{URL: s.ClientURL()}, "t.*", "t.>")
		bridges, recorders = append(bridges, b), append(recorders, r)
	}
	for i := range nodes {
		awaitSubscriptions(t, s, fmt.Sprint(i), 2)
	}
	var wg sync.WaitGroup
	for i, b := range bridges {
		for topic := range topics {
			wg.Go(func() {
				for n := range each {
					b.Publish(fmt.Sprintf("t.%d", topic), codec.OpcodeBinary, fmt.Appendf(nil, "%d %d", i, n))
				}
			})
		}
	}
	wg.Wait()
	for i, r := range recorders {
		bridgetest.Eventually(t, "all messages of others", func() bool { return r.Count() >= (nodes-1)*topics*each })
		next := make(map[string]int)
		for _, m := range r.All() {
			at := strings.LastIndexByte(m, ' ')
			if want := fmt.Sprint(next[m[:at]]); m[at+1:] != want {
				t.Fatalf("node %d: %q, want %s", i, m, want)
			}
			next[m[:at]]++
		}
		if len(next) != (nodes-1)*topics { // none of its own
			t.Errorf("node %d got %d streams", i, len(next))
		}
		if st := bridges[i].Stats(); st.Echoes != 0 {
			t.Errorf("NATS sent %d messages back", st.Echoes)
		}
	}
}

// raw is a connection with NATS that is no bridge.
func raw(t *testing.T, s *server.Server) *client.Conn {
	t.Helper()
	c, err := client.Connect(s.ClientURL(), client.Timeout(bridgetest.Patience))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// forge makes an envelope.
func forge(origin, sequence uint64, payload string) []byte {
	return bridge.Seal(codec.OpcodeText, origin, sequence, []byte(payload))
}

func TestRefused(t *testing.T) {
	s := natstest.Broker(t, func(o *server.Options) {
		o.MaxPayload, o.MaxPending, o.WriteDeadline = 101<<20, 256<<20, bridgetest.Patience
	})
	b, got := opened(t, "b", Options{URL: s.ClientURL()}, ">")
	awaitSubscriptions(t, s, "b", 1)
	c := raw(t, s)
	send := func(data []byte) {
		if err := c.Publish("wsloop.a", data); err != nil {
			t.Fatal(err)
		}
	}
	wrongVersion, wrongOpcode := forge(1, 1, "x"), forge(1, 2, "x")
	wrongVersion[0], wrongOpcode[1] = 2, byte(codec.OpcodeClose)
	send(nil)
	send([]byte("hello"))
	send(wrongVersion)
	send(wrongOpcode)
	send(forge(1, 3, strings.Repeat("x", DefaultMaxMessageBytes+1)))
	send(forge(1, 4, strings.Repeat("x", 100<<20)))
	send(forge(b.common.Origin(), 5, "echo"))
	send(forge(1, 6, "good"))
	bridgetest.Eventually(t, "the good one", func() bool { return b.Stats().Received == 1 && got.Last() == "a good" })
	if st := b.Stats(); st.Refused != 6 || st.Echoes != 1 || st.Received != 1 || st.Outages != 0 {
		t.Errorf("%+v", st)
	}
	got.Refuse(errors.New("no"))
	send(forge(1, 7, "bad"))
	bridgetest.Eventually(t, "what the receiver refuses is counted", func() bool { return b.Stats().Refused == 7 })
}

// TestLate has messages come again and out of order, as in a NATS cluster when their server moves.
func TestLate(t *testing.T) {
	s := natstest.Broker(t, nil)
	b, got := opened(t, "b", Options{URL: s.ClientURL()}, ">")
	awaitSubscriptions(t, s, "b", 1)
	c := raw(t, s)
	for _, sequence := range []uint64{1, 3, 3, 2, 3, 4, 1} {
		c.Publish("wsloop.a", forge(9, sequence, fmt.Sprint(sequence)))
	}
	c.Publish("wsloop.a", forge(8, 1, "other"))
	bridgetest.Eventually(t, "all is judged", func() bool { return b.Stats().Late == 2 && b.Stats().Received == 4 && b.Stats().Gaps > 0 })
	all := slices.DeleteFunc(got.All(), func(m string) bool { return m == "gap" })
	if !slices.Equal(all, []string{"a 1", "a 3", "a 4", "a other"}) || b.Stats().Duplicates != 2 {
		t.Errorf("%q %+v", all, b.Stats())
	}
}

// TestOverrun has more come than is delivered: NATS sees no slow client, and the rest is in order.
func TestOverrun(t *testing.T) {
	s := natstest.Broker(t, nil)
	a, _ := opened(t, "a", Options{URL: s.ClientURL()})
	b, got := opened(t, "b", Options{URL: s.ClientURL(), MaxQueued: 100}, "x", "*")
	release := got.Hold()
	defer release()
	awaitSubscriptions(t, s, "b", 2)
	const n = 50000
	bridgetest.Publish(a, "x", 0, n)
	bridgetest.Eventually(t, "all has come", func() bool { return b.Stats().Duplicates == n })
	release()
	bridgetest.Eventually(t, "the last", func() bool { return got.Last() == fmt.Sprintf("x %d", n-1) })
	bridgetest.Eventually(t, "all is counted", func() bool { return b.Stats().Received+b.Stats().Overrun == n })
	st := b.Stats()
	if st.Overrun == 0 || st.Gaps == 0 || st.Outages != 0 || st.Errors != 0 {
		t.Errorf("%+v", st)
	}
	all := got.All()
	at := slices.Index(all, "gap")
	if tail := all[len(all)-100:]; at < 0 || at > len(all)-100 || !slices.Equal(tail, bridgetest.Numbers("x", n-100, n)) {
		t.Errorf("gap at %d of %d, then %q", at, len(all), tail)
	}
}

func TestTooLong(t *testing.T) {
	s := natstest.Broker(t, func(o *server.Options) { o.MaxPayload = 1000 })
	a, _ := opened(t, "a", Options{URL: s.ClientURL()})
	_, got := opened(t, "b", Options{URL: s.ClientURL()}, "x")
	awaitSubscriptions(t, s, "b", 1)
	bridgetest.Eventually(t, "a is ready", a.Ready)
	if err := a.Publish("x", codec.OpcodeText, make([]byte, 1000-EnvelopeBytes+1)); err != ErrTooLong {
		t.Error(err)
	}
	if err := a.Publish("x", codec.OpcodeText, make([]byte, 1000-EnvelopeBytes)); err != nil {
		t.Error(err)
	}
	if err := a.Publish("bad name\r\nPUB", codec.OpcodeText, nil); err != nil {
		t.Error(err)
	}
	bridgetest.Eventually(t, "the one that is not", func() bool { return got.Count() == 1 })
	bridgetest.Eventually(t, "all are counted", func() bool { return a.Stats().Carried == 1 && a.Stats().Unsendable == 1 })
	if n := sums(a); n != 3 {
		t.Errorf("counted %d", n)
	}
}

// TestForbidden has NATS refuse a subscription, and the library another: both are told, and the rest goes on.
func TestForbidden(t *testing.T) {
	s := natstest.Broker(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "u", Password: "p", Permissions: &server.Permissions{
			Subscribe: &server.SubjectPermission{Allow: []string{"wsloop.open"}},
		}}}
	})
	url := "nats://u:p@" + s.Addr().String()
	a, _ := opened(t, "a", Options{URL: url})
	b, got := opened(t, "b", Options{URL: url}, "secret", "open", "a b")
	bridgetest.Eventually(t, "both are told", func() bool { return b.Stats().Errors == 2 })
	bridgetest.Eventually(t, "a is ready", a.Ready)
	awaitSubscriptions(t, s, "b", 1)
	bridgetest.Publish(a, "secret", 0, 1)
	bridgetest.Publish(a, "open", 0, 1)
	bridgetest.Eventually(t, "the open one", func() bool { return got.Last() == "open 0" })
	if got.Count() != 1 {
		t.Errorf("%q", got.All())
	}
	wrong, _ := opened(t, "c", Options{URL: "nats://u:wrong@" + s.Addr().String()})
	bridgetest.Eventually(t, "it goes on trying", func() bool { return wrong.Stats().Failures > 3 })
	if wrong.Ready() {
		t.Error("ready without a password")
	}
}

func TestCloseSends(t *testing.T) {
	s := natstest.Broker(t, nil)
	a, _ := opened(t, "a", Options{URL: s.ClientURL(), CloseTimeout: bridgetest.Patience})
	_, got := opened(t, "b", Options{URL: s.ClientURL()}, "x")
	awaitSubscriptions(t, s, "b", 1)
	bridgetest.Eventually(t, "a is ready", a.Ready)
	const n = 30000
	bridgetest.Publish(a, "x", 0, n)
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if err := a.Publish("x", codec.OpcodeText, nil); err != ErrClosed || a.Ready() {
		t.Error(err)
	}
	a.Interest("late", true)
	if got := sums(a); got != n+1 {
		t.Errorf("counted %d", got)
	}
	bridgetest.Eventually(t, "all", func() bool { return got.Count() >= n })
	if !slices.Equal(got.All(), bridgetest.Numbers("x", 0, n)) || a.Stats().Carried != n {
		t.Errorf("%d, %+v", got.Count(), a.Stats())
	}
}

// TestCloseDelivers nothing once it has returned.
func TestCloseDelivers(t *testing.T) {
	s := natstest.Broker(t, nil)
	a, _ := opened(t, "a", Options{URL: s.ClientURL()})
	b, got := opened(t, "b", Options{URL: s.ClientURL()}, "x")
	awaitSubscriptions(t, s, "b", 1)
	bridgetest.Publish(a, "x", 0, 20000)
	bridgetest.Eventually(t, "some", func() bool { return got.Count() > 10 })
	b.Close()
	n := got.Count()
	bridgetest.Eventually(t, "all is sent", func() bool { return a.Stats().Queued == 0 })
	if got.Count() != n {
		t.Errorf("%d messages after Close", got.Count()-n)
	}
}

// TestManyPatterns subscribes to more than fit into a round, which is 1024, and again after an outage.
func TestManyPatterns(t *testing.T) {
	s := natstest.Broker(t, nil)
	g := bridgetest.NewGate(t, s.Addr().String())
	b, got := opened(t, "b", Options{URL: "nats://" + g.Address()})
	const n = 2560
	for i := range n {
		b.Interest(fmt.Sprintf("p.%d.*", i), true)
	}
	awaitSubscriptions(t, s, "b", n)
	bridgetest.Eventually(t, "confirmed", b.Ready)
	g.Set(bridgetest.Faults{})
	bridgetest.Eventually(t, "away", func() bool { return !b.Ready() })
	b.Interest("p.0.*", false)
	b.Interest("q", true)
	g.Set(bridgetest.Faults{Target: s.Addr().String()})
	bridgetest.Eventually(t, "ready", b.Ready)
	if subs, _ := known(t, s, "b"); subs != n { // at once: it is not ready before
		t.Errorf("%d subscriptions", subs)
	}
	bridgetest.Eventually(t, "the gap is told", func() bool { return got.Last() == "gap" })
	a, _ := opened(t, "a", Options{URL: s.ClientURL()})
	bridgetest.Publish(a, "p.0.x", 0, 1)
	bridgetest.Publish(a, fmt.Sprintf("p.%d.x", n-1), 0, 1)
	bridgetest.Publish(a, "q", 0, 1)
	bridgetest.Eventually(t, "the last", func() bool { return got.Last() == "q 0" })
	if got.Count() != 3 {
		t.Errorf("%q", got.All())
	}
}

// TestMoves has a bridge find another server of a NATS cluster, of which the first one told.
func TestMoves(t *testing.T) {
	first := natstest.Broker(t, clustered())
	second := natstest.Broker(t, clustered(first))
	bridgetest.Eventually(t, "a cluster", func() bool { return first.NumRoutes() > 0 && second.NumRoutes() > 0 })
	a, _ := opened(t, "a", Options{URL: second.ClientURL()})
	b, got := opened(t, "b", Options{URL: first.ClientURL()}, "x", "*")
	awaitSubscriptions(t, first, "b", 2)
	// Interest spreads among the servers of NATS on its own time.
	bridgetest.Eventually(t, "over a route", func() bool {
		bridgetest.Publish(a, "x", 0, 1)
		return got.Count() > 0
	})
	natstest.Stop(first)
	awaitSubscriptions(t, second, "b", 2)
	bridgetest.Eventually(t, "the gap is told", func() bool { return slices.Contains(got.All(), "gap") })
	bridgetest.Publish(a, "x", 1, 2)
	bridgetest.Eventually(t, "what comes over the other", func() bool { return got.Last() == "x 1" })
	if st := b.Stats(); st.Late != 0 || st.Outages != 1 || st.Gaps != 1 {
		t.Errorf("%+v", st)
	}
}
