package redis

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	client "github.com/redis/rueidis"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
	"github.com/wsloop/wsloop/contrib/internal/bridgetest/suite"
)

// TestGlobs has names and patterns that mean something else in a glob.
func TestGlobs(t *testing.T) {
	s := start(t)
	prefix := `w[s]?\.`
	a, _ := opened(t, "a", Options{URL: s.URL(), Prefix: prefix})
	patterns := []string{`[ab].*`, `a?.>`, `\.*`, `a\?.*`, `[^a].>`, `x.[a-z]`, `deep.*.end`}
	var all []*bridgetest.Recorder
	for i, pattern := range patterns {
		_, got := opened(t, fmt.Sprint(i), Options{URL: s.URL(), Prefix: prefix}, pattern)
		suite.Await(t, s, fmt.Sprint(i), 1)
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

// TestLimit has more come at once than Redis keeps for a subscriber: it closes the connection, and a gap is told.
func TestLimit(t *testing.T) {
	s := start(t)
	b, got := opened(t, "b", Options{URL: s.URL()}, "x")
	suite.Await(t, s, "b", 1)
	s.publish(t, "wsloop.x", suite.Forge(1, 1, strings.Repeat("x", 100<<20)))
	bridgetest.Eventually(t, "the gap is told", func() bool { return got.Last() == "gap" })
	s.publish(t, "wsloop.x", suite.Forge(1, 2, "good"))
	bridgetest.Eventually(t, "the good one", func() bool { return b.Stats().Received == 1 && got.Last() == "x good" })
	if st := b.Stats(); st.Outages != 1 || st.Gaps != 1 || st.Received != 1 {
		t.Errorf("%+v", st)
	}
}

// TestForbidden has Redis refuse subscriptions and messages: that is told, and the rest goes on.
func TestForbidden(t *testing.T) {
	s := start(t)
	s.do(t, "ACL", "SETUSER", "u", "on", ">p", "resetchannels", "&wsloop.open", "&wsloop.all.*", "+@all")
	user := func(o *client.ClientOption) { o.Username, o.Password = "u", "p" }
	a, _ := opened(t, "a", Options{URL: s.URL(), Client: user})
	b, got := opened(t, "b", Options{URL: s.URL(), Client: user}, "secret", "open", "all.*", "*")
	bridgetest.Eventually(t, "both are told", func() bool { return b.Stats().Errors == 2 })
	suite.Await(t, s, "b", 2)
	bridgetest.Eventually(t, "both are ready", func() bool { return a.Ready() && b.Ready() })
	bridgetest.Publish(a, "secret", 0, 1)
	bridgetest.Publish(a, "open", 0, 1)
	bridgetest.Publish(a, "all.x", 0, 1)
	bridgetest.Eventually(t, "the open ones", func() bool { return got.Last() == "all.x 0" && suite.Sum(a) == 3 })
	if st := a.Stats(); got.Count() != 2 || st.Unsendable != 1 || st.Errors != 1 || st.Outages != 0 {
		t.Errorf("%q %+v", got.All(), st)
	}
	b.Interest("secret", false)
	b.Interest("all.*", false)
	suite.Await(t, s, "b", 1)
	wrong, _ := opened(t, "c", Options{URL: s.URL(), Client: func(o *client.ClientOption) { o.Username, o.Password = "u", "wrong" }})
	bridgetest.Eventually(t, "it goes on trying", func() bool { return wrong.Stats().Failures > 3 })
	if wrong.Ready() {
		t.Error("ready without a password")
	}
}

// TestEvilPattern has Redis compare a name with the worst of patterns, a thousand times.
func TestEvilPattern(t *testing.T) {
	s := start(t)
	a, _ := opened(t, "a", Options{URL: s.URL()})
	evil := strings.Repeat("*.", 31) + "b"
	_, got := opened(t, "b", Options{URL: s.URL()}, evil, "end")
	suite.Await(t, s, "b", 2)
	began := time.Now()
	bridgetest.Publish(a, strings.Repeat("aaa.", 63)+"a", 0, 1000)
	bridgetest.Publish(a, "end", 0, 1)
	bridgetest.Eventually(t, "the end", func() bool { return got.Last() == "end 0" })
	t.Logf("%v for each message", time.Since(began)/1000)
}
