package topics

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// Counts follow subscriptions to the topic and to patterns, and connections that end, well or not.
func TestCountsFollow(t *testing.T) {
	t.Parallel()
	s := serve(t, &engine.Server{})
	watcher := s.open()
	watcher.do(`{"type":"watch","topic":"a.b"}`)
	watcher.untilCount("a.b", 0)
	clients := make([]*client, 5)
	for i, pattern := range []string{"a.b", "a.*", ">", "*.b", "a.b"} {
		clients[i] = s.open()
		clients[i].do(`{"type":"subscribe","topic":"` + pattern + `"}`)
		watcher.untilCount("a.b", i+1)
	}
	clients[0].do(`{"type":"unsubscribe","topic":"a.b"}`)
	watcher.untilCount("a.b", 4)
	clients[1].do(`{"type":"unsubscribe","topic":"a.*"}`)
	watcher.untilCount("a.b", 3)
	clients[2].end()
	watcher.untilCount("a.b", 2)
	clients[3].Close()
	watcher.untilCount("a.b", 1)
	if err := clients[4].Conn.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	clients[4].Close() // by a reset
	watcher.untilCount("a.b", 0)
}

// One who watches later is told the count, and those who know it are not told again. Who does not watch any more is told nothing.
func TestLateWatcherAndUnwatch(t *testing.T) {
	t.Parallel()
	s := serve(t, &engine.Server{})
	first, second, other := s.open(), s.open(), s.open()
	first.do(`{"type":"watch","topic":"a"}`)
	first.expect(`{"type":"count","topic":"a","subscribers":0}`)
	second.do(`{"type":"watch","topic":"a"}`)
	second.expect(`{"type":"count","topic":"a","subscribers":0}`)
	second.do(`{"type":"unwatch","topic":"a"}`, `{"type":"watch","topic":"b"}`)
	second.expect(`{"type":"count","topic":"b","subscribers":0}`)
	other.do(`{"type":"subscribe","topic":"a"}`, `{"type":"subscribe","topic":"c"}`)
	first.expect(`{"type":"count","topic":"a","subscribers":1}`)
	first.end()
	s.poll("the first to be gone", func() bool { return len(s.watches) == 1 && s.watches["b"] != nil })
	second.ask(`{"type":"count","topic":"a"}`)
	second.expect(`{"type":"done","topic":"a","subscribers":1}`)
}

func TestWatchLimit(t *testing.T) {
	t.Parallel()
	for _, most := range []int{0, 3} {
		s := serve(t, &engine.Server{MaxSubscriptions: most})
		c := s.open()
		if most == 0 {
			most = engine.DefaultMaxSubscriptions
		}
		for i := range most {
			c.ask(fmt.Sprintf(`{"type":"watch","topic":"a.%d"}`, i))
		}
		c.ask(`{"type":"watch","topic":"b","id":1}`, `{"type":"watch","topic":"a.0","id":2}`, `{"type":"unwatch","topic":"a.0","id":3}`, `{"type":"watch","topic":"b","id":4}`)
		var answers []string
		for counts := 0; len(answers) < most+4; {
			if m := c.message(); strings.Contains(m, `"count"`) {
				if counts++; counts > most+1 {
					t.Fatalf("count %d: %s", counts, m)
				}
			} else {
				answers = append(answers, m)
			}
		}
		want := []string{`{"type":"error","id":1,"error":"too many topics are watched"}`, `{"type":"done","id":2}`, `{"type":"done","id":3}`, `{"type":"done","id":4}`}
		if !slices.Equal(answers[most:], want) {
			t.Errorf("%q, want %q", answers[most:], want)
		}
		s.poll("as many watches as may be", func() bool { return len(s.watches) == most })
	}
}

// While many subscribe, unsubscribe, come and go at once, whoever watches hears of it, and in the end what is so.
func TestCountsConverge(t *testing.T) {
	t.Parallel()
	s := serve(t, &engine.Server{})
	topics := []string{"a.1", "a.2", "b"}
	patterns := append([]string{"a.*", ">", "*"}, topics...)
	// counts reads what a watcher is told until it is as wanted.
	counts := func(c *client, want map[string]int) {
		c.t.Helper()
		for got := make(map[string]int); !maps.Equal(got, want); {
			var name string
			var n int
			message := c.message()
			if _, err := fmt.Sscanf(strings.NewReplacer(`"`, " ", ",", " ").Replace(message), "{ type : count topic : %s subscribers :%d}", &name, &n); err != nil {
				c.t.Fatal(message, err)
			}
			got[name] = n
		}
	}
	var watchers []*client
	for range 3 {
		c := s.open()
		for _, topic := range topics {
			c.ask(`{"type":"watch","topic":"` + topic + `"}`)
		}
		watchers = append(watchers, c)
	}
	for _, c := range watchers {
		n := 0
		for answers := 0; answers < len(topics); {
			if c.message() == `{"type":"done"}` {
				answers++
			} else {
				n++
			}
		}
		for range len(topics) - n {
			c.message()
		}
	}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			random := rand.New(rand.NewPCG(7, uint64(i)))
			for range 6 {
				c := s.open()
				for range 40 {
					c.ask(fmt.Sprintf(`{"type":%q,"topic":%q}`, []string{"subscribe", "subscribe", "unsubscribe"}[random.IntN(3)], patterns[random.IntN(len(patterns))]))
					c.message()
				}
				c.Close()
			}
		})
	}
	group.Wait()
	final := []*client{s.open(), s.open(), s.open()}
	final[0].do(`{"type":"subscribe","topic":"a.*"}`)
	final[1].do(`{"type":"subscribe","topic":"a.2"}`)
	final[2].do(`{"type":"subscribe","topic":"b"}`, `{"type":"subscribe","topic":">"}`)
	for _, c := range watchers {
		counts(c, map[string]int{"a.1": 2, "a.2": 3, "b": 1})
		// The first of these was last told of the same counts that it would be told now.
		c.ask(`{"type":"publish","topic":"c","data":1}`)
		c.expect(`{"type":"done","sent":1,"queued":0,"dropped":0}`)
	}
}

// watcherOf waits for the one who watches a topic.
func (s *served) watcherOf(topic string) (c engine.Conn) {
	s.t.Helper()
	s.poll("a watcher", func() bool {
		all := slices.Collect(maps.Keys(s.watches[topic]))
		if len(all) > 0 {
			c = all[0]
		}
		return len(all) > 0
	})
	return c
}

// A count that a watcher could not be sent, because its peer was slow, comes when the peer is not.
func TestSlowWatcher(t *testing.T) {
	t.Parallel()
	server := &engine.Server{Loops: 1, MaxBufferedBytes: 64 << 10, Overflow: engine.Overflow{Policy: engine.OverflowDropNewest}, WriteTimeout: engine.Never}
	s := serve(t, server)
	slow, other := s.open(), s.open()
	slow.do(`{"type":"subscribe","topic":"flood"}`, `{"type":"watch","topic":"a"}`)
	slow.expect(`{"type":"count","topic":"a","subscribers":0}`)
	conn := s.watcherOf("a")
	healthy := s.open()
	healthy.do(`{"type":"watch","topic":"a"}`)
	healthy.untilCount("a", 0)
	n := 0
	for start, refused := time.Now(), false; !refused; {
		flood(t, server, other)
		s.open().do(`{"type":"subscribe","topic":"a"}`)
		n++
		healthy.untilCount("a", n)
		s.poll("the count", func() bool {
			refused = s.watches["a"][conn].count != n
			return true
		})
		if time.Since(start) > patience {
			t.Fatal("the slow one is always told")
		}
	}
	for want := fmt.Sprintf(`{"type":"count","topic":"a","subscribers":%d}`, n); slow.message() != want; {
		continue
	}
}

// A count that waited for a slow watcher, and gave way to later messages there, is sent again.
func TestDroppedCount(t *testing.T) {
	t.Parallel()
	server := &engine.Server{MaxBufferedBytes: 64 << 10, Overflow: engine.Overflow{Policy: engine.OverflowDropOldest}, WriteTimeout: engine.Never}
	s := serve(t, server)
	slow := s.open()
	slow.do(`{"type":"subscribe","topic":"flood"}`, `{"type":"watch","topic":"a"}`)
	slow.expect(`{"type":"count","topic":"a","subscribers":0}`)
	conn := s.watcherOf("a")
	publish := func(times int) {
		for range times {
			if _, err := server.Publish("flood", codec.OpcodeText, []byte(strings.Repeat("x", 16<<10))); err != nil {
				t.Fatal(err)
			}
		}
	}
	n := 0
	for start, queued := time.Now(), false; !queued; {
		publish(256)
		s.open().do(`{"type":"subscribe","topic":"a"}`)
		n++
		s.poll("the count", func() bool {
			queued = s.watches["a"][conn].queued
			return s.watches["a"][conn].count == n
		})
		if time.Since(start) > patience {
			t.Fatal("no count waits for the slow one")
		}
	}
	publish(16)         // more than there is room for
	s.tellCount("a", n) // and now there is no room for it again
	for want := fmt.Sprintf(`{"type":"count","topic":"a","subscribers":%d}`, n); slow.message() != want; {
		continue
	}
	s.poll("the count to be known", func() bool { return s.watches["a"][conn] == told{n, false} })
}

// Counts come between the answers to watch and unwatch, however soon they are told.
func TestAnswerBeforeCounts(t *testing.T) {
	t.Parallel()
	s := serve(t, &engine.Server{})
	c := s.open()
	c.do(`{"type":"watch","topic":"a"}`)
	c.expect(`{"type":"count","topic":"a","subscribers":0}`)
	watcher := []engine.Conn{s.watcherOf("a")}
	c.do(`{"type":"unwatch","topic":"a"}`)
	count := s.prepare([]byte(`{"type":"count"}`))
	var group sync.WaitGroup
	defer group.Wait()
	done := make(chan struct{})
	defer close(done)
	group.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				s.tell(watcher, count, "a", 0)
			}
		}
	})
	const each = 200
	pairs := slices.Repeat([]string{`{"type":"watch","topic":"a","id":1}`, `{"type":"unwatch","topic":"a","id":2}`}, each)
	counts := 0
	for start := time.Now(); counts < 500 && time.Since(start) < patience; {
		c.ask(pairs...)
		watches := false
		for answers := 0; answers < 2*each; {
			switch m := c.message(); m {
			case `{"type":"done","id":1}`, `{"type":"done","id":2}`:
				answers++
				watches = m == `{"type":"done","id":1}`
			default:
				counts++
				if !watches {
					t.Fatalf("%s comes while nothing is watched", m)
				}
			}
		}
	}
	if counts == 0 {
		t.Error("there was no count")
	}
}

// When many join a topic at once and watch it, each is told a few counts, and not one for everybody who joins.
func TestCountsAreNoStorm(t *testing.T) {
	t.Parallel()
	const n = 200
	s := serve(t, &engine.Server{})
	start := time.Now()
	var all []*client
	for range n {
		c := s.open()
		c.ask(`{"type":"watch","topic":"a"}`, `{"type":"subscribe","topic":"a"}`)
		all = append(all, c)
	}
	counts := 0
	for _, c := range all {
		for m := ""; m != fmt.Sprintf(`{"type":"count","topic":"a","subscribers":%d}`, n); {
			if m = c.message(); strings.Contains(m, "count") {
				counts++
			}
		}
	}
	if most := n * (2 + int(time.Since(start)/countInterval)); counts > most {
		t.Errorf("%d counts, want at most %d", counts, most)
	}
}

// flood publishes until the one subscriber, whose sockets are full, has no room for the shortest message. No room says that only if it
// still is so when the loop has had a turn: before, what is published waits for its end. other is a client of the same loop.
func flood(t *testing.T, server *engine.Server, other *client) {
	t.Helper()
	start := time.Now()
	for _, size := range []int{16 << 10, 1 << 10, 100, 1} {
		for full := false; ; {
			p, err := server.Publish("flood", codec.OpcodeText, []byte(strings.Repeat("x", size)))
			if err != nil || time.Since(start) > patience {
				t.Fatal(p, err)
			}
			if p.Dropped > 0 && full {
				break
			}
			if full = p.Dropped > 0; full {
				other.do(`{"type":"subscribe","topic":"turn"}`)
			}
		}
	}
}
