package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

// text is a text message as trace frames show it.
func text(payload string) string { return frame{true, codec.OpcodeText, []byte(payload)}.String() }

func subscribe(t testing.TB, c Conn, patterns ...string) {
	t.Helper()
	for _, pattern := range patterns {
		if err := c.Subscribe(pattern); err != nil {
			t.Fatalf("%q: %v", pattern, err)
		}
	}
}

func TestSubscribe(t *testing.T) {
	tr := newTrace()
	s := &Server{Events: tr.events(), MaxSubscriptions: 3}
	var told []string
	s.Events.Subscribed = func(_ Conn, pattern string) { told = append(told, "+"+pattern) }
	s.Events.Unsubscribed = func(_ Conn, pattern string) { told = append(told, "-"+pattern) }
	expectTold := func(want ...string) {
		t.Helper()
		if !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		told = nil
	}
	m := newMemory(t, s)
	a, b := m.conn(tr), m.conn(tr)
	subscribe(t, a, "rooms.1", "rooms.*", "rooms.1") // the last is none
	subscribe(t, b, "rooms.2", "rooms.>", "news")
	expectTold("+rooms.1", "+rooms.*", "+rooms.2", "+rooms.>", "+news")
	if err := b.Subscribe("one.too.many"); !errors.Is(err, ErrSubscriptions) {
		t.Errorf("%v, want ErrSubscriptions", err)
	}
	for _, bad := range []string{"", ".", "a..b", "a b", "a\x00", "a.>.b", "a*", strings.Repeat("x", 1<<20), "\xff", "../"} {
		if err := a.Subscribe(bad); !errors.As(err, new(*TopicError)) {
			t.Errorf("%.20q: %v", bad, err)
		}
		if _, err := s.Publish(bad, codec.OpcodeText, nil); !errors.As(err, new(*TopicError)) {
			t.Errorf("publishing to %.20q: %v", bad, err)
		}
	}
	if _, err := s.Publish("rooms.*", codec.OpcodeText, nil); !errors.As(err, new(*TopicError)) {
		t.Errorf("publishing to a pattern: %v", err)
	}
	if _, err := s.Publish("rooms", codec.OpcodePing, nil); !errors.Is(err, ErrOpcode) {
		t.Errorf("publishing a ping: %v", err)
	}
	for name, want := range map[string]int{"rooms.1": 2, "rooms.2": 2, "rooms.1.x": 1, "news": 1, "rooms": 0, "old": 0, "bad name": 0} {
		if n := s.Subscribers(name); n != want {
			t.Errorf("%d subscribers of %s, want %d", n, name, want)
		}
	}
	if got := a.Subscriptions(); len(got) != 2 || !slices.Contains(got, "rooms.1") || !slices.Contains(got, "rooms.*") {
		t.Errorf("subscriptions %q", got)
	}
	if n := s.Stats().Subscriptions; n != 5 {
		t.Errorf("%d subscriptions are counted, want 5", n)
	}
	if !a.Unsubscribe("rooms.1") || a.Unsubscribe("rooms.1") || a.Unsubscribe("rooms.2") {
		t.Error("Unsubscribe says the wrong thing")
	}
	expectTold("-rooms.1")
	b.Abort()
	m.turn()
	slices.Sort(told)
	expectTold("-news", "-rooms.2", "-rooms.>")
	if n := s.Stats().Subscriptions; n != 1 || s.Subscribers("rooms.2") != 1 {
		t.Errorf("%d subscriptions, %d subscribers", n, s.Subscribers("rooms.2"))
	}
	for _, gone := range []Conn{b, {}} {
		if err := gone.Subscribe("x"); !errors.Is(err, ErrClosed) {
			t.Errorf("a connection that is gone: %v", err)
		}
		if gone.Unsubscribe("news") || gone.Subscriptions() != nil {
			t.Error("a connection that is gone has subscriptions")
		}
	}
	// After Close nothing begins.
	if err := a.Close(codec.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
	if err := a.Subscribe("late"); !errors.Is(err, ErrClosed) {
		t.Errorf("a closing connection: %v", err)
	}
}

func TestPublishInOrder(t *testing.T) {
	tr := newTrace()
	s := &Server{Events: tr.events()}
	m := newMemory(t, s)
	a, b, c := m.conn(tr), m.conn(tr), m.conn(tr)
	subscribe(t, a, "x.*", "x.1", "x.>") // which all match, and count once
	subscribe(t, b, "x.2")
	subscribe(t, c, ">")
	publish := func(p Published, err error) func(want Published) {
		return func(want Published) {
			t.Helper()
			if err != nil || p != want {
				t.Errorf("%+v %v, want %+v", p, err, want)
			}
		}
	}
	publish(s.Publish("x.1", codec.OpcodeText, []byte("1")))(Published{Sent: 2})
	publish(s.Publish("x.2", codec.OpcodeText, []byte("2")))(Published{Sent: 3})
	publish(a.Publish("x.1", codec.OpcodeText, []byte("3")))(Published{Sent: 1})
	publish(s.Publish("y", codec.OpcodeText, []byte("4")))(Published{Sent: 1})
	b.Unsubscribe("x.2")
	publish(s.Publish("x.2", codec.OpcodeText, []byte("5")))(Published{Sent: 2})
	m.turn()
	m.expectFrames(t, a, text("1"), text("2"), text("5"))
	m.expectFrames(t, b, text("2"))
	m.expectFrames(t, c, text("1"), text("2"), text("3"), text("4"), text("5"))
	if _, err := (Conn{}).Publish("x.1", codec.OpcodeText, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("the zero Conn publishes: %v", err)
	}
	if _, err := new(Server).Publish("x", codec.OpcodeText, nil); !errors.Is(err, ErrServerClosed) {
		t.Errorf("a server that does not serve publishes: %v", err)
	}
	stats := s.Stats()
	if stats.Published != 5 || stats.Deliveries != 9 || stats.Undelivered != 0 {
		t.Errorf("%d published, %d delivered, %d not", stats.Published, stats.Deliveries, stats.Undelivered)
	}
}

// A message lies in the outbox once for all, and a connection amid one in fragments does not get it.
func TestPublishLiesOnce(t *testing.T) {
	tr := newTrace()
	s := &Server{Events: tr.events()}
	m := newMemory(t, s)
	for i := range 3 * fanOutChunk {
		c := m.conn(tr)
		subscribe(t, c, "all")
		if i == 700 {
			if _, err := c.NewWriter(codec.OpcodeText); err != nil {
				t.Fatal(err)
			}
		}
	}
	p, err := s.Publish("all", codec.OpcodeText, []byte("hello"))
	if want := (Published{Sent: 3*fanOutChunk - 1, Dropped: 1}); err != nil || p != want || p.Receivers() != want.Sent {
		t.Errorf("%+v %v, want %+v", p, err, want)
	}
	if n := len(m.engine.outbox.bytes); n != len("xxhello") {
		t.Errorf("%d bytes in the outbox", n)
	}
	if n := s.Stats().Undelivered; n != 1 {
		t.Errorf("%d undelivered", n)
	}
}

func TestTopicPolicies(t *testing.T) {
	for _, test := range []struct {
		name string
		rule Topic
		send int
		want []int // of ten messages, with room for five
		last Published
	}{
		{"conflate", Topic{Pattern: "prices.*", Conflate: true}, 10, []int{10}, Published{Queued: 1}},
		{"drop oldest", Topic{Pattern: ">", Overflow: &Overflow{Policy: OverflowDropOldest}}, 10, []int{6, 7, 8, 9, 10}, Published{Queued: 1}},
		{"another's", Topic{Pattern: "other", Overflow: &Overflow{Policy: OverflowDropOldest}}, 10, []int{1, 2, 3, 4, 5}, Published{Dropped: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			st := newSlowTest(t, &Server{MaxBufferedBytes: roomFor(5), Overflow: Overflow{Policy: OverflowDropNewest}, Topics: []Topic{test.rule}})
			subscribe(t, st.c, "prices.gold")
			var p Published
			for i := range test.send {
				var err error
				if p, err = st.server.Publish("prices.gold", codec.OpcodeText, []byte(payloadOf(i+1))); err != nil {
					t.Fatal(err)
				}
			}
			if p != test.last {
				t.Errorf("the last: %+v, want %+v", p, test.last)
			}
			st.expect(test.want...)
		})
	}
}

// A message gives way to others by its own policy, not by theirs: that of its connection, or of its topic.
func TestTopicsDropNoOthers(t *testing.T) {
	one := func(n int) []byte { return []byte(payloadOf(n)) }
	rules := []Topic{{Pattern: "prices.*", Conflate: true}, {Pattern: "orders", Overflow: &Overflow{Policy: OverflowDropNewest}}}
	publish := func(st *slowTest, name string, n int, want Published) {
		t.Helper()
		if p, err := st.server.Publish(name, codec.OpcodeText, one(n)); err != nil || p != want {
			t.Errorf("%s %d: %+v %v, want %+v", name, n, p, err, want)
		}
	}
	t.Run("own", func(t *testing.T) {
		st := newSlowTest(t, &Server{MaxBufferedBytes: roomFor(5), Topics: rules})
		subscribe(t, st.c, "prices.*")
		st.queue(1, 4)
		publish(st, "prices.gold", 5, Published{Queued: 1})
		publish(st, "prices.gold", 6, Published{Queued: 1}) // in its place
		publish(st, "prices.tin", 7, Published{Queued: 1})  // that of gold, which is older
		st.queued += messageBytes
		st.expect(1, 2, 3, 4, 7)
		st.stall()
		st.queue(1, 5)
		publish(st, "prices.gold", 6, Published{Dropped: 1})
		st.expect(1, 2, 3, 4, 5)
	})
	t.Run("topic", func(t *testing.T) {
		st := newSlowTest(t, &Server{MaxBufferedBytes: roomFor(3), Overflow: Overflow{Policy: OverflowDropOldest}, Topics: rules})
		subscribe(t, st.c, "orders", "prices.*", "talk")
		publish(st, "orders", 1, Published{Queued: 1})
		for i := range 5 {
			publish(st, "talk", 2+i, Published{Queued: 1})
		}
		publish(st, "orders", 7, Published{Dropped: 1})
		publish(st, "prices.tin", 8, Published{Queued: 1}) // the connection's messages may be dropped
		st.expect(1, 6, 8)
		st.stall()
		for i := range 3 {
			publish(st, "orders", i, Published{Queued: 1})
		}
		publish(st, "talk", 3, Published{Dropped: 1})
		st.expect(0, 1, 2)
	})
}

// A policy that closes has its own code, whatever the connection's.
func TestTopicThatCloses(t *testing.T) {
	st := newSlowTest(t, &Server{
		MaxBufferedBytes: roomFor(2), Overflow: Overflow{Policy: OverflowDropNewest},
		Topics: []Topic{{Pattern: "orders", Overflow: &Overflow{Code: 4001}}},
	})
	subscribe(t, st.c, "orders")
	for i := range 3 {
		p, err := st.server.Publish("orders", codec.OpcodeText, []byte(payloadOf(i)))
		if want := (Published{Queued: min(1, 2-min(i, 2)), Dropped: i / 2}); err != nil || p != want {
			t.Errorf("message %d: %+v %v, want %+v", i, p, err, want)
		}
	}
	st.want = append(st.want, fmt.Sprintf(`close %d "too slow"`, 4001))
	st.queued = 0
	st.drain(st.c.token)
	st.turn()
	st.expectFrames(st, st.c, st.want...)
}

func TestTopicConfig(t *testing.T) {
	for _, bad := range []*Server{
		{Topics: []Topic{{Pattern: ""}}},
		{Topics: []Topic{{Pattern: "a", Overflow: &Overflow{Policy: 99}}}},
		{Topics: []Topic{{Pattern: "a", Conflate: true, Overflow: &Overflow{Policy: OverflowDropOldest}}}},
		{MaxSubscriptions: -1},
		{MaxRetainedBytes: -1},
		{MaxMemoryBytes: 16 << 20, MaxRetainedBytes: 9 << 20},
	} {
		if _, err := bad.Listen("tcp", "127.0.0.1:0"); !errors.As(err, new(*ConfigError)) {
			t.Errorf("%+v: %v", bad.Topics, err)
		}
	}
}
