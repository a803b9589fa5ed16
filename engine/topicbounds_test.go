package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

// Subscriptions count in the memory budget and take no more than their part of it, whatever is subscribed to. One that is
// refused leaves nothing behind, and those that are there go on.
func TestSubscriptionsAreBounded(t *testing.T) {
	for name, pattern := range map[string]func(conn, i int) string{
		"long":    func(conn, i int) string { return fmt.Sprint(conn, ".", i, ".", strings.Repeat("x", 200)) },
		"short":   func(conn, i int) string { return fmt.Sprint(conn, ".", i) },
		"shared":  func(_, i int) string { return fmt.Sprint(i) },
		"stars":   func(conn, i int) string { return fmt.Sprint(conn, ".", i, strings.Repeat(".*", 6)) },
		"between": func(conn, i int) string { return fmt.Sprint(i, ".*.", conn, ".a.b.c.d.>") },
	} {
		t.Run(name, func(t *testing.T) {
			const most = 4 << 20
			tr, h := newTrace(), &hook{}
			told, wanted := 0, map[string]bool{}
			h.interest = func(pattern string, want bool) { wanted[pattern] = want }
			s := &Server{Events: tr.events(), MaxMemoryBytes: most, Bridge: h}
			s.Events.Subscribed = func(Conn, string) { told++ }
			s.Events.Unsubscribed = func(Conn, string) { told-- }
			m := newBridged(t, s)
			before := s.Stats().Memory
			var all []Conn
			refused := ""
			for refused == "" {
				c := m.conn(tr)
				all = append(all, c)
				for i := range DefaultMaxSubscriptions {
					if err := c.Subscribe(pattern(len(all), i)); errors.Is(err, ErrMemory) {
						refused = pattern(len(all), i)
						break
					} else if err != nil {
						t.Fatal(err)
					}
				}
			}
			stats := s.Stats()
			held := stats.Memory - before
			if held > most/2 || s.topics.bytes.Load() > most/4+most/32 || s.topics.bytes.Load() < most/8 || held < s.topics.bytes.Load() {
				t.Errorf("%d bytes are counted, %d of subscriptions", held, s.topics.bytes.Load())
			}
			last := all[len(all)-1]
			if stats.RefusedSubscriptions != 1 || int(stats.Subscriptions) != told || last.Subscribed(refused) || slices.Contains(last.Subscriptions(), refused) {
				t.Errorf("%d refused, %d there, %d told", stats.RefusedSubscriptions, stats.Subscriptions, told)
			}
			if name != "shared" && wanted[refused] {
				t.Error("what was refused is wanted")
			}
			if !all[0].Subscribed(pattern(1, 0)) || s.topics.bytes.Load() != int64(m.engine.topics.Bytes()) {
				t.Error("what was there is not as it was")
			}
			for _, c := range all[:2] {
				c.Abort()
			}
			m.turn()
			subscribe(t, last, refused)
			if !last.Unsubscribe(refused) {
				t.Error("what found room is not there")
			}
			for _, c := range all {
				c.Abort()
			}
			m.turn()
			m.engine.trim()
			if got := s.Stats(); got.Subscriptions != 0 || s.topics.bytes.Load() != 0 || m.engine.topicsMetered != 0 || told != 0 || got.Memory > before+minOutboxBytes*4 {
				t.Errorf("%d subscriptions, %d bytes, memory %d, before %d", got.Subscriptions, s.topics.bytes.Load(), got.Memory, before)
			}
		})
	}
}

// While the budget is used up, nobody subscribes.
func TestSubscribeWithoutMemory(t *testing.T) {
	tr := newTrace()
	s := &Server{Events: tr.events(), MaxMemoryBytes: 4 << 20}
	m := newMemory(t, s)
	c := m.conn(tr)
	subscribe(t, c, "first")
	s.budget.held.Add(4 << 20)
	if err := c.Subscribe("second"); !errors.Is(err, ErrMemory) || c.Subscribed("second") {
		t.Errorf("%v", err)
	}
	subscribe(t, c, "first") // again
	s.budget.held.Add(-4 << 20)
	subscribe(t, c, "second")
}

// Subscriptions and retained messages leave enough of the memory for connections.
func TestTopicsShareMemory(t *testing.T) {
	const memory = 64 << 20
	for retained, want := range map[int64]int64{0: memory / 4, 1: memory / 4, memory / 2: memory / 8, memory / 8 * 3: memory / 4} {
		s := &Server{MaxMemoryBytes: memory, MaxRetainedBytes: retained}
		newMemory(t, s)
		if got := s.topics.most; got != want {
			t.Errorf("beside %d bytes of messages, subscriptions may have %d, want %d", retained, got, want)
		}
	}
}

// Patterns with wildcards have to be short, names need not.
func TestWildcardTokens(t *testing.T) {
	tokens := strings.Repeat("a.", 31)
	// patterns have n tokens.
	patterns := func(n int) []string {
		return []string{tokens[:2*(n-1)] + "*", "*." + tokens[:2*(n-1)-1], tokens[:2*(n-1)] + ">"}
	}
	for most, want := range map[int]int{0: DefaultMaxWildcardTokens, 3: 3, Unlimited: 32} {
		tr := newTrace()
		s := &Server{Events: tr.events(), MaxWildcardTokens: most}
		m := newMemory(t, s)
		c := m.conn(tr)
		subscribe(t, c, tokens+"a")
		subscribe(t, c, patterns(want)...)
		for n := want + 1; n <= 32; n++ {
			for _, pattern := range patterns(n) {
				if err := c.Subscribe(pattern); !errors.As(err, new(*TopicError)) || c.Subscribed(pattern) {
					t.Errorf("limit %d, %s: %v", most, pattern, err)
				}
			}
		}
	}
	if err := (&Server{MaxWildcardTokens: -1}).check(); !errors.As(err, new(*ConfigError)) {
		t.Error(err)
	}
}

func TestSubscribed(t *testing.T) {
	tr := newTrace()
	s := &Server{Events: tr.events()}
	m := newMemory(t, s)
	a, b := m.conn(tr), m.conn(tr)
	subscribe(t, a, "x.*", "y")
	subscribe(t, b, "z")
	has := func(c Conn, want ...string) {
		t.Helper()
		for _, pattern := range []string{"x.*", "y", "z", "x.1", "", "..", ">"} {
			if got := c.Subscribed(pattern); got != slices.Contains(want, pattern) {
				t.Errorf("%v, %q: %v", c, pattern, got)
			}
		}
	}
	has(a, "x.*", "y")
	has(b, "z")
	a.Unsubscribe("y")
	has(a, "x.*")
	a.Abort()
	m.turn()
	has(a)
	has(m.conn(tr)) // in its slot
	has(Conn{})
}

// waking is a driver's loop that tells of Wake.
type waking struct {
	*memory
	woken func()
}

func (w *waking) Wake() { w.woken() }

// A loop that has something to send is woken once, and its lock is free then.
func TestPublishWakesUnlocked(t *testing.T) {
	tr := newTrace()
	s := &Server{Events: tr.events()}
	m := newMemory(t, s)
	for range 3 {
		subscribe(t, m.conn(tr), "all")
	}
	woken := 0
	m.engine.driver = &waking{m, func() {
		woken++
		if !m.engine.mu.TryLock() {
			t.Error("loop.mu is held")
			return
		}
		m.engine.mu.Unlock()
	}}
	for name, want := range map[string]int{"all": 1, "nobody": 0} {
		woken = 0
		if publish(t, s, name, "hello"); woken != want {
			t.Errorf("%s: woken %d times, want %d", name, woken, want)
		}
	}
}

// A message is compressed once for all subscribers who agreed on the same window.
func TestPublishCompressed(t *testing.T) {
	tr := newTrace()
	s := &Server{Events: tr.events(), Deflate: &Deflate{}}
	m := newMemory(t, s)
	var all []Conn
	for _, fields := range [][]string{{offer}, {offer}, nil, {offer + "; server_max_window_bits=9"}} {
		c, _ := m.openDeflate(t, tr, fields...)
		subscribe(t, c, "all")
		all = append(all, c)
	}
	message := story(2000)
	p := &publication{name: "all", op: codec.OpcodeText, payload: []byte(message)}
	if got, err := s.publish(p); err != nil || got.Sent != len(all) {
		t.Fatalf("%+v %v", got, err)
	}
	if n := len(m.engine.outbox.bytes); n > len(message)*5/4 {
		t.Errorf("%d bytes in the outbox", n)
	}
	m.turn()
	for i, c := range all {
		out := m.take(c.token)
		h, n, _ := codec.ParseHeader(out)
		got := string(out[n : n+int(h.PayloadLen)])
		if compressed := out[0] == 0xc1; compressed != (i != 2) {
			t.Errorf("%d: compressed %v", i, compressed)
		} else if compressed {
			got = expand(t, []byte(got), nil)
		}
		if got != message {
			t.Errorf("%d gets %d bytes", i, len(got))
		}
	}
}
