package redis

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	client "github.com/redis/rueidis"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/contrib/internal/bridge"
	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
)

func TestInterest(t *testing.T) {
	s := start(t)
	a, fromOthers := opened(t, "a", Options{URL: s.url()})
	b, got := opened(t, "b", Options{URL: s.url()}, "news.*")
	c, nothing := opened(t, "c", Options{URL: s.url()}, "talk.>", "news.tomorrow")
	s.await(t, "b", 1)
	s.await(t, "c", 2)
	bridgetest.Eventually(t, "a is ready", a.Ready)
	bridgetest.Publish(a, "news.today", 0, 1000)
	bridgetest.Publish(a, "other", 0, 1000)
	bridgetest.Eventually(t, "1000 messages", func() bool { return got.Count() >= 1000 })
	if all := got.All(); !slices.Equal(all, bridgetest.Numbers("news.today", 0, 1000)) {
		t.Errorf("%d messages, the last is %q", len(all), got.Last())
	}
	b.Interest("news.*", false)
	s.await(t, "b", 0)
	bridgetest.Publish(a, "news.today", 1000, 2000)
	b.Interest("news.*", true)
	b.Interest("news.*", false)
	b.Interest("end", true)
	s.await(t, "b", 1)
	bridgetest.Publish(a, "end", 0, 1)
	bridgetest.Eventually(t, "the end", func() bool { return got.Last() == "end 0" })
	bridgetest.Eventually(t, "all is counted", func() bool { return a.Stats().Carried == 3001 && b.Stats().Received == 1001 })
	if n := fromOthers.Count() + nothing.Count(); n != 0 || got.Count() != 1001 {
		t.Errorf("%d messages that nobody wanted, %d that were", n, got.Count())
	}
	if n := sums(a); n != 3001 {
		t.Errorf("counted %d", n)
	}
	if st := b.Stats(); st.Received != 1001 || st.Gaps != 0 || st.Outages != 0 || st.Wanted != 1 || st.Subscribed != 1 {
		t.Errorf("%+v", st)
	}
	if st := c.Stats(); st.Received+st.Unwanted+st.Refused != 0 {
		t.Errorf("Redis sent what nobody there wants: %+v", st)
	}
	for channel, want := range map[string]int64{"wsloop.other": 0, "wsloop.news.today": 0, "wsloop.talk.a": 1, "wsloop.end": 1} {
		if n := s.publish(t, channel, "x"); n != want {
			t.Errorf("Redis sent %s to %d", channel, n)
		}
	}
}

// TestOverlap has many patterns match: Redis sends a message once for each, and it is delivered once.
func TestOverlap(t *testing.T) {
	s := start(t)
	a, _ := opened(t, "a", Options{URL: s.url()})
	b, got := opened(t, "b", Options{URL: s.url()}, "x.y", "x.*", "*.y", "*.*", "x.>", ">", "*")
	s.await(t, "b", 7)
	const n = 20000
	bridgetest.Publish(a, "x.y", 0, n)
	bridgetest.Eventually(t, "all", func() bool { return b.Stats().Received >= n })
	bridgetest.Eventually(t, "the last copy", func() bool { return b.Stats().Duplicates == 5*n && b.Stats().Unwanted == n })
	if !slices.Equal(got.All(), bridgetest.Numbers("x.y", 0, n)) {
		t.Error("not each once and in order")
	}
	if st := b.Stats(); st.Received != n || st.Late != 0 || st.Overrun != 0 {
		t.Errorf("%+v", st)
	}
}

// TestGlobs has names and patterns that mean something else in a glob.
func TestGlobs(t *testing.T) {
	s := start(t)
	prefix := `w[s]?\.`
	a, _ := opened(t, "a", Options{URL: s.url(), Prefix: prefix})
	patterns := []string{`[ab].*`, `a?.>`, `\.*`, `a\?.*`, `[^a].>`, `x.[a-z]`, `deep.*.end`}
	var all []*bridgetest.Recorder
	for i, pattern := range patterns {
		_, got := opened(t, fmt.Sprint(i), Options{URL: s.url(), Prefix: prefix}, pattern)
		s.await(t, fmt.Sprint(i), 1)
		all = append(all, got)
	}
	names := []string{
		`[ab].x`, `a.x`, `a?.x`, `ab.x`, `ab.x.y`, `a?.x.y`, `\.x`, `.x`, `a\?.x`, `a\b.x`, `[^a].x`, `b.x`, `x.[a-z]`, `x.b`,
		`deep.x.end`, `deep.x.y.end`, `deep.end`, `[ab].x.y`, `[ab].`, `é.x`,
	}
	for _, name := range names {
		a.Publish(name, codec.OpcodeText, nil)
	}
	for i, pattern := range patterns {
		last := strings.NewReplacer("*", "last", ">", "last").Replace(pattern)
		a.Publish(last, codec.OpcodeText, nil)
		var want []string
		for _, name := range append(names, last) {
			if wants(pattern, name) {
				want = append(want, name+" ")
			}
		}
		bridgetest.Eventually(t, "the last of "+pattern, func() bool { return all[i].Count() >= len(want) })
		if got := all[i].All(); !slices.Equal(got, want) {
			t.Errorf("%q got %q, want %q", pattern, got, want)
		}
	}
}

func TestOrder(t *testing.T) {
	s := start(t)
	const nodes, topics, each = 3, 4, 2000
	var bridges []*Bridge
	var recorders []*bridgetest.Recorder
	for i := range nodes {
		b, r := opened(t, fmt.Sprint(i), Options{URL: s.url()}, "t.*", "t.>")
		bridges, recorders = append(bridges, b), append(recorders, r)
	}
	for i := range nodes {
		s.await(t, fmt.Sprint(i), 2)
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
		bridgetest.Eventually(t, "all of its own came back and were dropped", func() bool { return bridges[i].Stats().Echoes == 2*topics*each })
	}
}

// forge makes an envelope.
func forge(origin, sequence uint64, payload string) string {
	return string(bridge.Seal(codec.OpcodeText, origin, sequence, []byte(payload)))
}

// TestRefused injects what no bridge sends.
func TestRefused(t *testing.T) {
	s := start(t, "--client-output-buffer-limit", "pubsub 256mb 256mb 0")
	b, got := opened(t, "b", Options{URL: s.url()}, ">")
	s.await(t, "b", 1)
	send := func(data string) { s.publish(t, "wsloop.a", data) }
	send("")
	send("hello")
	send("\x02" + forge(1, 1, "x")[1:])
	send("\x01\x08" + forge(1, 2, "x")[2:])
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

// TestLimit has more come at once than Redis keeps for a subscriber: it closes the connection, and a gap is told.
func TestLimit(t *testing.T) {
	s := start(t)
	b, got := opened(t, "b", Options{URL: s.url()}, "x")
	s.await(t, "b", 1)
	s.publish(t, "wsloop.x", forge(1, 1, strings.Repeat("x", 100<<20)))
	bridgetest.Eventually(t, "the gap is told", func() bool { return got.Last() == "gap" })
	s.publish(t, "wsloop.x", forge(1, 2, "good"))
	bridgetest.Eventually(t, "the good one", func() bool { return b.Stats().Received == 1 && got.Last() == "x good" })
	if st := b.Stats(); st.Outages != 1 || st.Gaps != 1 || st.Received != 1 {
		t.Errorf("%+v", st)
	}
}

// TestLate has messages come again and out of order, as when their server has connected again.
func TestLate(t *testing.T) {
	s := start(t)
	b, got := opened(t, "b", Options{URL: s.url()}, ">")
	s.await(t, "b", 1)
	for _, sequence := range []uint64{1, 3, 3, 2, 3, 4, 1} {
		s.publish(t, "wsloop.a", forge(9, sequence, fmt.Sprint(sequence)))
	}
	s.publish(t, "wsloop.a", forge(8, 1, "other"))
	bridgetest.Eventually(t, "all is judged", func() bool { return b.Stats().Late == 2 && b.Stats().Received == 4 && b.Stats().Gaps > 0 })
	all := slices.DeleteFunc(got.All(), func(m string) bool { return m == "gap" })
	if !slices.Equal(all, []string{"a 1", "a 3", "a 4", "a other"}) || b.Stats().Duplicates != 2 {
		t.Errorf("%q %+v", all, b.Stats())
	}
}

// TestOverrun has more come than is delivered: Redis sees no slow client, and the rest is in order.
func TestOverrun(t *testing.T) {
	s := start(t)
	a, _ := opened(t, "a", Options{URL: s.url()})
	b, got := opened(t, "b", Options{URL: s.url(), MaxQueued: 100}, "x", "*")
	release := got.Hold()
	defer release()
	s.await(t, "b", 2)
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

// TestForbidden has Redis refuse subscriptions and messages: that is told, and the rest goes on.
func TestForbidden(t *testing.T) {
	s := start(t)
	s.do(t, "ACL", "SETUSER", "u", "on", ">p", "resetchannels", "&wsloop.open", "&wsloop.all.*", "+@all")
	user := func(o *client.ClientOption) { o.Username, o.Password = "u", "p" }
	a, _ := opened(t, "a", Options{URL: s.url(), Client: user})
	b, got := opened(t, "b", Options{URL: s.url(), Client: user}, "secret", "open", "all.*", "*")
	bridgetest.Eventually(t, "both are told", func() bool { return b.Stats().Errors == 2 })
	s.await(t, "b", 2)
	bridgetest.Eventually(t, "both are ready", func() bool { return a.Ready() && b.Ready() })
	bridgetest.Publish(a, "secret", 0, 1)
	bridgetest.Publish(a, "open", 0, 1)
	bridgetest.Publish(a, "all.x", 0, 1)
	bridgetest.Eventually(t, "the open ones", func() bool { return got.Last() == "all.x 0" && sums(a) == 3 })
	if st := a.Stats(); got.Count() != 2 || st.Unsendable != 1 || st.Errors != 1 || st.Outages != 0 {
		t.Errorf("%q %+v", got.All(), st)
	}
	b.Interest("secret", false)
	b.Interest("all.*", false)
	s.await(t, "b", 1)
	wrong, _ := opened(t, "c", Options{URL: s.url(), Client: func(o *client.ClientOption) { o.Username, o.Password = "u", "wrong" }})
	bridgetest.Eventually(t, "it goes on trying", func() bool { return wrong.Stats().Failures > 3 })
	if wrong.Ready() {
		t.Error("ready without a password")
	}
}

func TestCloseSends(t *testing.T) {
	s := start(t)
	a, _ := opened(t, "a", Options{URL: s.url(), CloseTimeout: bridgetest.Patience})
	_, got := opened(t, "b", Options{URL: s.url()}, "x")
	s.await(t, "b", 1)
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
	s := start(t)
	a, _ := opened(t, "a", Options{URL: s.url()})
	b, got := opened(t, "b", Options{URL: s.url()}, "x")
	s.await(t, "b", 1)
	bridgetest.Publish(a, "x", 0, 20000)
	bridgetest.Eventually(t, "some", func() bool { return got.Count() > 10 })
	b.Close()
	n := got.Count()
	bridgetest.Eventually(t, "all is sent", func() bool { return a.Stats().Queued == 0 })
	if got.Count() != n {
		t.Errorf("%d messages after Close", got.Count()-n)
	}
	s.await(t, "b", 0)
}

// TestManyPatterns subscribes to more than fit into a round, and again after an outage.
func TestManyPatterns(t *testing.T) {
	s := start(t)
	g := bridgetest.NewGate(t, s.path)
	b, got := opened(t, "b", Options{URL: g.Address()})
	const n = 2560
	for i := range n {
		b.Interest(fmt.Sprintf("p.%d.*", i), true)
	}
	s.await(t, "b", n)
	bridgetest.Eventually(t, "confirmed", b.Ready)
	g.Set(bridgetest.Faults{})
	bridgetest.Eventually(t, "away", func() bool { return !b.Ready() })
	b.Interest("p.0.*", false)
	b.Interest("q", true)
	g.Set(bridgetest.Faults{Target: s.path})
	bridgetest.Eventually(t, "ready", b.Ready)
	if subs := s.subscriptions(t, "b"); subs != n { // at once: it is not ready before
		t.Errorf("%d subscriptions", subs)
	}
	bridgetest.Eventually(t, "the gap is told", func() bool { return got.Last() == "gap" })
	a, _ := opened(t, "a", Options{URL: s.url()})
	bridgetest.Publish(a, "p.0.x", 0, 1)
	bridgetest.Publish(a, fmt.Sprintf("p.%d.x", n-1), 0, 1)
	bridgetest.Publish(a, "q", 0, 1)
	bridgetest.Eventually(t, "the last", func() bool { return got.Last() == "q 0" })
	if got.Count() != 3 {
		t.Errorf("%q", got.All())
	}
}

// TestEvilPattern has Redis compare a name with the worst of patterns, a thousand times.
func TestEvilPattern(t *testing.T) {
	s := start(t)
	a, _ := opened(t, "a", Options{URL: s.url()})
	evil := strings.Repeat("*.", 31) + "b"
	_, got := opened(t, "b", Options{URL: s.url()}, evil, "end")
	s.await(t, "b", 2)
	began := time.Now()
	bridgetest.Publish(a, strings.Repeat("aaa.", 63)+"a", 0, 1000)
	bridgetest.Publish(a, "end", 0, 1)
	bridgetest.Eventually(t, "the end", func() bool { return got.Last() == "end 0" })
	t.Logf("%v for each message", time.Since(began)/1000)
}
