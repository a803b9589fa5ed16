package engine

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

func publish(t testing.TB, s *Server, name, payload string) {
	t.Helper()
	if _, err := s.Publish(name, codec.OpcodeText, []byte(payload)); err != nil {
		t.Fatal(err)
	}
}

func TestRetain(t *testing.T) {
	tr := newTrace()
	s := &Server{Events: tr.events(), Topics: []Topic{{Pattern: "prices.>", Retain: true}}}
	m := newMemory(t, s)
	publish(t, s, "prices.gold", "old")
	publish(t, s, "prices.gold", "gold")
	publish(t, s, "prices.tin.spot", "tin")
	publish(t, s, "news", "not retained")
	c := m.conn(tr)
	subscribe(t, c, "news", "prices.gold")
	m.turn()
	m.expectFrames(t, c, text("gold"))
	subscribe(t, c, "prices.gold") // again, which is none
	subscribe(t, c, "prices.*.spot")
	publish(t, s, "prices.gold", "new")
	m.turn()
	m.expectFrames(t, c, text("tin"), text("new"))
	if !s.DropRetained("prices.gold") || s.DropRetained("prices.gold") || s.DropRetained("no name") {
		t.Error("DropRetained says the wrong thing")
	}
	d := m.conn(tr)
	subscribe(t, d, ">")
	m.turn()
	m.expectFrames(t, d, text("tin"))
	if new(Server).DropRetained("prices.gold") {
		t.Error("a server that does not serve had retained something")
	}
}

// What finds no room is sent and not retained, and the message before it, which is out of date, is not retained either.
func TestRetainLimit(t *testing.T) {
	tr := newTrace()
	s := &Server{Events: tr.events(), Topics: []Topic{{Pattern: ">", Retain: true}}, MaxRetainedBytes: 2 * (retainedBytes + 100)}
	m := newMemory(t, s)
	held := s.Stats().Memory
	c := m.conn(tr)
	subscribe(t, c, "a", "b")
	publish(t, s, "a", "1")
	publish(t, s, "b", "2")
	publish(t, s, "c", "3")
	publish(t, s, "a", strings.Repeat("4", 200))
	m.turn()
	m.expectFrames(t, c, text("1"), text("2"), text(strings.Repeat("4", 200)))
	d := m.conn(tr)
	subscribe(t, d, ">")
	m.turn()
	m.expectFrames(t, d, text("2"))
	if n := s.Stats().Unretained; n != 2 {
		t.Errorf("%d unretained, want 2", n)
	}
	s.DropRetained("b")
	if r := &s.topics.retained; r.bytes != 0 || r.names.Len() != 0 {
		t.Errorf("%d bytes of %d messages are left", r.bytes, r.names.Len())
	}
	m.engine.trim()
	m.engine.trim()
	if n := s.Stats().Memory; n > held+minOutboxBytes*4 {
		t.Errorf("%d bytes are held, %d before", n, held)
	}
}

// Who subscribes while others publish gets the retained message and all that follow it, or all of them: nothing twice, nothing
// left out, nothing old at the end.
func TestRetainWhilePublishing(t *testing.T) {
	s := &Server{Topics: []Topic{{Pattern: "n.*", Retain: true}}, Events: Events{
		Message: func(c Conn, _ codec.Opcode, payload []byte) {
			if err := c.Subscribe(string(payload)); err != nil {
				t.Error(err)
			}
		},
	}}
	r := serve(t, s)
	const last = 3000
	var wg sync.WaitGroup
	for i := range 10 {
		c := r.open()
		wg.Go(func() {
			c.send(codec.OpcodeText, []string{"n.1", "n.*", ">"}[i%3])
			previous := -1
			for previous != last {
				var n int
				got := string(c.read().payload)
				if _, err := fmt.Sscan(got, &n); err != nil || previous >= 0 && n != previous+1 {
					t.Errorf("client %d: %q behind %d", i, got, previous)
					return
				}
				previous = n
			}
		})
	}
	for n := range last + 1 {
		publish(t, s, "n.1", fmt.Sprint(n))
	}
	wg.Wait()
}

// Who subscribes to what is not retained waits for nobody who publishes.
func TestSubscribeHoldsBackNobody(t *testing.T) {
	tr := newTrace()
	s := &Server{Events: tr.events(), Topics: []Topic{{Pattern: "prices.>", Retain: true}, {Pattern: "talk.*"}}}
	m := newMemory(t, s)
	c := m.conn(tr)
	defer s.topics.holdBack(">")() // as if all topics were published to
	for _, pattern := range []string{"talk.hall", "talk.*", "talk.>", "*", "prices"} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			subscribe(t, c, pattern)
		}()
		await(t, done, "Subscribe")
	}
}

// Retained messages leave most of the memory to connections, and all that they take is counted.
func TestRetainedMemory(t *testing.T) {
	const memory = 16 << 20
	tr := newTrace()
	s := &Server{Events: tr.events(), MaxMemoryBytes: memory, Topics: []Topic{{Pattern: ">", Retain: true}}}
	newMemory(t, s)
	before := s.Stats().Memory
	for i := range 20_000 {
		publish(t, s, fmt.Sprint("t.", i), strings.Repeat("x", i%10*100))
	}
	stats := s.Stats()
	if stats.Unretained == 0 || s.budget.tight() {
		t.Errorf("%d unretained, %d bytes are held", stats.Unretained, stats.Memory)
	}
	if got, want := stats.Memory-before, s.topics.retained.bytes; got != want || want > memory/4 || want < memory/4-2000 {
		t.Errorf("%d bytes are counted, %d retained", got, want)
	}
	for i := range 20_000 {
		s.DropRetained(fmt.Sprint("t.", i))
	}
	if got := s.Stats().Memory; got != before {
		t.Errorf("%d bytes are left, %d before", got, before)
	}
}

// Retained messages for which a new subscriber has no room are counted.
func TestRetainedBeyondTheBuffer(t *testing.T) {
	st := newSlowTest(t, &Server{MaxBufferedBytes: roomFor(3), Overflow: Overflow{Policy: OverflowDropNewest}, Topics: []Topic{{Pattern: ">", Retain: true}}})
	for i := range 5 {
		publish(t, st.server, fmt.Sprint("t.", i), payloadOf(1))
	}
	subscribe(t, st.c, "t.*")
	if n := st.server.Stats().Undelivered; n != 2 {
		t.Errorf("%d undelivered, want 2", n)
	}
	st.queued += 3 * messageBytes
	st.expect(1, 1, 1)
}
