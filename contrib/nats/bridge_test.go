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
	"github.com/wsloop/wsloop/contrib/nats/internal/natstest"
)

func TestInterest(t *testing.T) {
	s := natstest.Broker(t, nil)
	a, fromOthers := opened(t, "a", Options{URL: s.ClientURL()})
	b, got := opened(t, "b", Options{URL: s.ClientURL()}, "news.*")
	_, nothing := opened(t, "c", Options{URL: s.ClientURL()}, "talk.>")
	awaitSubscriptions(t, s, "b", 1)
	awaitSubscriptions(t, s, "c", 1)
	eventually(t, "a is ready", a.Ready)
	publish(a, "news.today", 0, 1000)
	publish(a, "other", 0, 1000)
	eventually(t, "1000 messages", func() bool { return got.count() >= 1000 })
	if all := got.all(); !slices.Equal(all, numbers("news.today", 0, 1000)) {
		t.Errorf("%d messages, the last is %q", len(all), got.last())
	}
	b.Interest("news.*", false)
	awaitSubscriptions(t, s, "b", 0)
	publish(a, "news.today", 1000, 2000)
	b.Interest("news.*", true)
	b.Interest("news.*", false)
	b.Interest("end", true)
	awaitSubscriptions(t, s, "b", 1)
	publish(a, "end", 0, 1)
	eventually(t, "the end", func() bool { return got.last() == "end 0" })
	eventually(t, "all is confirmed", func() bool { return a.Stats().Carried == 3001 })
	for name, want := range map[string]int64{"a": 0, "b": 1001, "c": 0} {
		if _, sent := known(t, s, name); sent != want {
			t.Errorf("NATS sent %s %d messages, want %d", name, sent, want)
		}
	}
	if n := fromOthers.count() + nothing.count(); n != 0 || got.count() != 1001 {
		t.Errorf("%d messages that nobody wanted, %d that were", n, got.count())
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
	publish(a, "x.y", 0, n)
	eventually(t, "all", func() bool { return got.count() >= n })
	eventually(t, "the last duplicate", func() bool { return b.Stats().Duplicates == 5*n })
	if !slices.Equal(got.all(), numbers("x.y", 0, n)) {
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
	var recorders []*recorder
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
		eventually(t, "all messages of others", func() bool { return r.count() >= (nodes-1)*topics*each })
		next := make(map[string]int)
		for _, m := range r.all() {
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
	c, err := client.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// forge makes an envelope.
func forge(origin, sequence uint64, payload string) []byte {
	data := seal(codec.OpcodeText, origin, []byte(payload))
	setSequence(data, sequence)
	return data
}

func TestRefused(t *testing.T) {
	s := natstest.Broker(t, func(o *server.Options) {
		o.MaxPayload, o.MaxPending = 101<<20, 256<<20
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
	send(forge(b.origin, 5, "echo"))
	send(forge(1, 6, "good"))
	eventually(t, "the good one", func() bool { return got.last() == "a good" })
	if st := b.Stats(); st.Refused != 6 || st.Echoes != 1 || st.Received != 1 || st.Outages != 0 {
		t.Errorf("%+v", st)
	}
	got.mu.Lock()
	got.refuse = errors.New("no")
	got.mu.Unlock()
	send(forge(1, 7, "bad"))
	eventually(t, "what the receiver refuses is counted", func() bool { return b.Stats().Refused == 7 })
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
	eventually(t, "all is judged", func() bool { return b.Stats().Late == 2 && b.Stats().Received == 4 && b.Stats().Gaps > 0 })
	all := slices.DeleteFunc(got.all(), func(m string) bool { return m == "gap" })
	if !slices.Equal(all, []string{"a 1", "a 3", "a 4", "a other"}) || b.Stats().Duplicates != 2 {
		t.Errorf("%q %+v", all, b.Stats())
	}
}

// TestOverrun has more come than is delivered: NATS sees no slow client, and the rest is in order.
func TestOverrun(t *testing.T) {
	s := natstest.Broker(t, nil)
	a, _ := opened(t, "a", Options{URL: s.ClientURL()})
	b, got := opened(t, "b", Options{URL: s.ClientURL(), MaxQueued: 100}, "x", "*")
	hold := make(chan struct{})
	release := sync.OnceFunc(func() { close(hold) })
	defer release()
	got.mu.Lock()
	got.hold = hold
	got.mu.Unlock()
	awaitSubscriptions(t, s, "b", 2)
	const n = 50000
	publish(a, "x", 0, n)
	eventually(t, "all has come", func() bool { return b.Stats().Duplicates == n })
	release()
	eventually(t, "the last", func() bool { return got.last() == fmt.Sprintf("x %d", n-1) })
	st := b.Stats()
	if st.Received+st.Overrun != n || st.Overrun == 0 || st.Gaps == 0 || st.Outages != 0 || st.Errors != 0 {
		t.Errorf("%+v", st)
	}
	all := got.all()
	at := slices.Index(all, "gap")
	if tail := all[len(all)-100:]; at < 0 || at > len(all)-100 || !slices.Equal(tail, numbers("x", n-100, n)) {
		t.Errorf("gap at %d of %d, then %q", at, len(all), tail)
	}
}

func TestTooLong(t *testing.T) {
	s := natstest.Broker(t, func(o *server.Options) { o.MaxPayload = 1000 })
	a, _ := opened(t, "a", Options{URL: s.ClientURL()})
	_, got := opened(t, "b", Options{URL: s.ClientURL()}, "x")
	awaitSubscriptions(t, s, "b", 1)
	eventually(t, "a is ready", a.Ready)
	if err := a.Publish("x", codec.OpcodeText, make([]byte, 1000-EnvelopeBytes+1)); err != ErrTooLong {
		t.Error(err)
	}
	if err := a.Publish("x", codec.OpcodeText, make([]byte, 1000-EnvelopeBytes)); err != nil {
		t.Error(err)
	}
	if err := a.Publish("bad name\r\nPUB", codec.OpcodeText, nil); err != nil {
		t.Error(err)
	}
	eventually(t, "the one that is not", func() bool { return got.count() == 1 })
	eventually(t, "all are counted", func() bool { return a.Stats().Carried == 1 && a.Stats().Unsendable == 1 })
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
	eventually(t, "both are told", func() bool { return b.Stats().Errors == 2 })
	awaitSubscriptions(t, s, "b", 1)
	publish(a, "secret", 0, 1)
	publish(a, "open", 0, 1)
	eventually(t, "the open one", func() bool { return got.last() == "open 0" })
	if got.count() != 1 {
		t.Errorf("%q", got.all())
	}
	wrong, _ := opened(t, "c", Options{URL: "nats://u:wrong@" + s.Addr().String()})
	eventually(t, "it goes on trying", func() bool { return wrong.Stats().Failures > 3 })
	if wrong.Ready() {
		t.Error("ready without a password")
	}
}

func TestCloseSends(t *testing.T) {
	s := natstest.Broker(t, nil)
	a, _ := opened(t, "a", Options{URL: s.ClientURL(), CloseTimeout: patience})
	_, got := opened(t, "b", Options{URL: s.ClientURL()}, "x")
	awaitSubscriptions(t, s, "b", 1)
	eventually(t, "a is ready", a.Ready)
	const n = 30000
	publish(a, "x", 0, n)
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
	eventually(t, "all", func() bool { return got.count() >= n })
	if !slices.Equal(got.all(), numbers("x", 0, n)) || a.Stats().Carried != n {
		t.Errorf("%d, %+v", got.count(), a.Stats())
	}
}

// TestCloseDelivers nothing once it has returned.
func TestCloseDelivers(t *testing.T) {
	s := natstest.Broker(t, nil)
	a, _ := opened(t, "a", Options{URL: s.ClientURL()})
	b, got := opened(t, "b", Options{URL: s.ClientURL()}, "x")
	awaitSubscriptions(t, s, "b", 1)
	publish(a, "x", 0, 20000)
	eventually(t, "some", func() bool { return got.count() > 10 })
	b.Close()
	n := got.count()
	eventually(t, "all is sent", func() bool { return a.Stats().Queued == 0 })
	if got.count() != n {
		t.Errorf("%d messages after Close", got.count()-n)
	}
}

// TestManyPatterns subscribes to more than fit into a round, and again after an outage.
func TestManyPatterns(t *testing.T) {
	s := natstest.Broker(t, nil)
	g := natstest.NewGate(t, s.Addr().String())
	b, got := opened(t, "b", Options{URL: g.URL()})
	const n = 5 * roundPatterns / 2
	for i := range n {
		b.Interest(fmt.Sprintf("p.%d.*", i), true)
	}
	awaitSubscriptions(t, s, "b", n)
	g.Set(natstest.Faults{})
	eventually(t, "away", func() bool { return !b.Ready() })
	b.Interest("p.0.*", false)
	b.Interest("q", true)
	g.Set(natstest.Faults{Target: s.Addr().String()})
	eventually(t, "ready", b.Ready)
	if subs, _ := known(t, s, "b"); subs != n { // at once: it is not ready before
		t.Errorf("%d subscriptions", subs)
	}
	eventually(t, "the gap is told", func() bool { return got.last() == "gap" })
	a, _ := opened(t, "a", Options{URL: s.ClientURL()})
	publish(a, "p.0.x", 0, 1)
	publish(a, fmt.Sprintf("p.%d.x", n-1), 0, 1)
	publish(a, "q", 0, 1)
	eventually(t, "the last", func() bool { return got.last() == "q 0" })
	if got.count() != 3 {
		t.Errorf("%q", got.all())
	}
}

// TestMoves has a bridge find another server of a NATS cluster, of which the first one told.
func TestMoves(t *testing.T) {
	first := natstest.Broker(t, clustered())
	second := natstest.Broker(t, clustered(first))
	eventually(t, "a cluster", func() bool { return first.NumRoutes() > 0 && second.NumRoutes() > 0 })
	a, _ := opened(t, "a", Options{URL: second.ClientURL()})
	b, got := opened(t, "b", Options{URL: first.ClientURL()}, "x", "*")
	awaitSubscriptions(t, first, "b", 2)
	// Interest spreads among the servers of NATS on its own time.
	eventually(t, "over a route", func() bool {
		publish(a, "x", 0, 1)
		return got.count() > 0
	})
	natstest.Stop(first)
	awaitSubscriptions(t, second, "b", 2)
	eventually(t, "the gap is told", func() bool { return slices.Contains(got.all(), "gap") })
	publish(a, "x", 1, 2)
	eventually(t, "what comes over the other", func() bool { return got.last() == "x 1" })
	if st := b.Stats(); st.Late != 0 || st.Outages != 1 || st.Gaps != 1 {
		t.Errorf("%+v", st)
	}
}
