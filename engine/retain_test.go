package engine

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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
	s := &Server{Events: tr.events(), Topics: []Topic{{Pattern: ">", Retain: true}}, MaxRetainedBytes: 2 * (preparedBytes + 250)}
	m := newMemory(t, s)
	held := s.Stats().Memory
	c := m.conn(tr)
	subscribe(t, c, "a", "b")
	publish(t, s, "a", "1")
	publish(t, s, "b", "2")
	publish(t, s, "c", "3")
	publish(t, s, "a", strings.Repeat("4", 600))
	m.turn()
	m.expectFrames(t, c, text("1"), text("2"), text(strings.Repeat("4", 600)))
	d := m.conn(tr)
	subscribe(t, d, ">")
	m.turn()
	m.expectFrames(t, d, text("2"))
	if n := s.Stats().Unretained; n != 2 {
		t.Errorf("%d unretained, want 2", n)
	}
	s.DropRetained("b")
	if r := &s.topics.retained; r.bytes() != 0 || r.names.Len() != 0 {
		t.Errorf("%d bytes of %d messages are left", r.bytes(), r.names.Len())
	}
	m.engine.trim()
	m.engine.trim()
	if n := s.Stats().Memory; n > held+minOutboxBytes*4 {
		t.Errorf("%d bytes are held, %d before", n, held)
	}
}

// Who may publish to any name can keep others from having new topics retained, and cannot have forgotten what is: the owner can.
func TestRetainedAreNotPushedOut(t *testing.T) {
	tr := newTrace()
	s := &Server{Events: tr.events(), Topics: []Topic{{Pattern: ">", Retain: true}}, MaxRetainedBytes: 64 << 10}
	m := newMemory(t, s)
	publish(t, s, "config.site", "1")
	refused := s.Stats().Unretained
	for i := 0; s.Stats().Unretained < refused+1000; i++ {
		publish(t, s, fmt.Sprint("guests.", i, ".", strings.Repeat("deep.", i%20), "x"), strings.Repeat("x", i%300))
		publish(t, s, "config.site", fmt.Sprint(2+i%8))
		if held := s.topics.retained.bytes(); held > 64<<10 {
			t.Fatalf("%d bytes are retained", held)
		}
	}
	publish(t, s, "config.site", "9")
	publish(t, s, "config.new", strings.Repeat("x", 2000))
	c := m.conn(tr)
	subscribe(t, c, "config.*")
	m.turn()
	m.expectFrames(t, c, text("9"))
	if !s.DropRetained("guests.>") || s.DropRetained("guests.>") || s.topics.retained.names.Len() != 1 {
		t.Errorf("%d messages are retained", s.topics.retained.names.Len())
	}
	publish(t, s, "config.new", "retained")
	d := m.conn(tr)
	subscribe(t, d, "config.new")
	m.turn()
	m.expectFrames(t, d, text("retained"))
}

// What a retained message is compressed to is retained with it, counted, and forgotten with it; without room for it, receivers get it as it is.
func TestRetainedCompressed(t *testing.T) {
	const most = 8 << 10
	tr := newTrace()
	s := &Server{Events: tr.events(), Deflate: &Deflate{}, Topics: []Topic{{Pattern: ">", Retain: true}}, MaxRetainedBytes: most}
	m := newMemory(t, s)
	r := &s.topics.retained
	// received says whether a new subscriber gets the message compressed.
	received := func(want string, fields ...string) bool {
		t.Helper()
		c, _ := m.openDeflate(t, tr, fields...)
		subscribe(t, c, "a")
		m.turn()
		out := m.take(c.token)
		h, n, _ := codec.ParseHeader(out)
		payload := string(out[n:])
		if out[0] == 0xc1 {
			payload = expand(t, out[n:n+int(h.PayloadLen)], nil)
		}
		if payload != want {
			t.Errorf("%d bytes, want %d", len(payload), len(want))
		}
		c.Abort()
		m.turn()
		return out[0] == 0xc1
	}
	before := s.Stats().Memory
	small := story(1000) + unlike(1500)
	publish(t, s, "a", small)
	alone := r.bytes()
	windows := []string{"15", "14", "13", "12", "11", "10", "9"}
	compressed := 0
	for _, bits := range windows {
		held := r.bytes()
		fits := received(small, offer+"; server_max_window_bits="+bits)
		if fits {
			compressed++
		}
		if grown := r.bytes() - held; fits != (grown > 1000) || !fits && grown != 0 || r.bytes() > most {
			t.Errorf("%s bits: compressed %v, %d bytes more, %d in all", bits, fits, grown, r.bytes())
		}
		if received(small, offer+"; server_max_window_bits="+bits) != fits || received(small) {
			t.Errorf("%s bits: another gets it in another way", bits)
		}
	}
	if compressed == 0 || compressed == len(windows) {
		t.Errorf("%d of %d fit", compressed, len(windows))
	}
	m.engine.empty()
	m.engine.outbox.empty()
	m.engine.flushing.empty()
	if got, want := s.Stats().Memory-before, r.bytes(); got < want || got > want+alone {
		t.Errorf("%d bytes are counted, %d retained", got, want)
	}
	publish(t, s, "a", "another")
	if held := r.bytes(); held >= alone || r.n != 1 {
		t.Errorf("%d bytes of %d messages are left", held, r.n)
	}
	s.DropRetained("a")
	if r.bytes() != 0 || r.n != 0 {
		t.Errorf("%d bytes of %d messages are left", r.bytes(), r.n)
	}
}

// A message that is forgotten while it is compressed is counted no more.
func TestCompressedWhenForgotten(t *testing.T) {
	tr := newTrace()
	s := &Server{Events: tr.events(), Deflate: &Deflate{}, Topics: []Topic{{Pattern: ">", Retain: true}}}
	newMemory(t, s)
	publish(t, s, "a", story(2000))
	p, _ := s.topics.retained.names.Get("a")
	s.DropRetained("a")
	held := s.Stats().Memory
	if p.class(15).compress(p, 15); p.class(15).prepared == nil || s.topics.retained.bytes() != 0 || s.Stats().Memory != held {
		t.Errorf("%d bytes are retained, %d held instead of %d", s.topics.retained.bytes(), s.Stats().Memory, held)
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

// Who comes and goes while others publish is never sent a retained message behind the same, or a newer one.
func TestRetainedOnceWhilePublishing(t *testing.T) {
	tr := newTrace()
	s := &Server{Events: tr.events(), Topics: []Topic{{Pattern: "n", Retain: true, Overflow: &Overflow{Policy: OverflowDropNewest}}}}
	m := newMemory(t, s)
	c := m.conn(tr)
	var over atomic.Bool
	var wg sync.WaitGroup
	defer wg.Wait()
	defer over.Store(true)
	wg.Go(func() {
		for n := 0; !over.Load(); n++ {
			if _, err := s.Publish("n", codec.OpcodeText, fmt.Appendf(nil, "%09d", n)); err != nil {
				t.Error(err)
			}
		}
	})
	for range 5000 {
		subscribe(t, c, "n")
		runtime.Gosched()
		c.Unsubscribe("n")
		for m.turn(); c.Buffered() > 0; m.turn() { // of many the rest waits
		}
		previous := -1
		for out := m.take(c.token); len(out) > 0; out = out[11:] {
			n, err := strconv.Atoi(string(out[2:11]))
			if err != nil || n <= previous {
				t.Errorf("%q behind %d", out[2:11], previous)
				return
			}
			previous = n
		}
	}
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
	if got, want := stats.Memory-before, s.topics.retained.bytes(); got != want || want > memory/4 || want < memory/4-2000 {
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
