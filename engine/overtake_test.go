package engine

import (
	"errors"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

// read lets the peer read n bytes and stall again.
func (st *slowTest) read(n int) {
	for n > 0 {
		c := &st.conns[st.c.token.Slot()]
		if waiting := len(c.queue); n < waiting {
			st.progress(st.c.token, n)
			return
		}
		n -= len(c.queue)
		c.out, c.queue = append(c.out, c.queue...), nil
		st.engine.Drained(st.c.token)
		st.turn()
	}
}

// Pings and pongs overtake the messages that wait, and split no frame: not the one that was begun, nor
// those behind it, wherever the peer stops reading.
func TestControlFramesOvertakeTheBacklog(t *testing.T) {
	const messages, size = 80, 16 << 10
	for cut := 1; cut < 3*commitBytes; cut += 7777 {
		st := newSlowTest(t, &Server{})
		payload := strings.Repeat("x", size)
		for range messages {
			if sent, err := st.c.SendText(payload); err != nil || sent.Queued == 0 {
				t.Fatalf("%+v, %v", sent, err)
			}
		}
		if n := st.c.Buffered(); n < 1<<20 {
			t.Fatalf("%d bytes wait", n)
		}
		st.data(st.c.token, []byte(masked(true, codec.OpcodePing, "first")))
		st.read(cut)
		st.data(st.c.token, []byte(masked(true, codec.OpcodePing, "second")))
		if err := st.c.Ping([]byte("mine")); err != nil {
			t.Error(err)
		}
		st.turn()
		st.drain(st.c.token)
		all, err := frames(st.take(st.c.token))
		if err != nil || len(all) != 1+messages+3 {
			t.Fatalf("cut at %d: %d frames, %v", cut, len(all), err)
		}
		if all[1].String() != `pong fin=true of 5 bytes "first"` {
			t.Errorf("cut at %d: %v is next to what was begun", cut, all[1])
		}
		texts := 0
		for _, f := range all {
			if f.op == codec.OpcodeText {
				texts++
			}
		}
		if texts != 1+messages {
			t.Errorf("cut at %d: %d messages", cut, texts)
		}
	}
}

// Our Close frame follows all that was sent before it, whoever closes, and nothing follows it.
func TestCloseGoesBehindTheBacklog(t *testing.T) {
	for name, end := range map[string]func(*slowTest){
		"ours":   func(st *slowTest) { _ = st.c.Close(codec.StatusGoingAway, "") },
		"peer's": func(st *slowTest) { st.data(st.c.token, []byte(closeFrame(codec.StatusGoingAway, ""))) },
		"shutdown": func(st *slowTest) {
			st.engine.goAway(st.c.token, st.engine.find(st.c.token), codec.StatusGoingAway, "", nil)
		},
	} {
		st := newSlowTest(t, &Server{MaxBufferedBytes: roomFor(3)})
		st.queue(1, 3)
		end(st)
		if _, err := st.c.SendText("late"); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
		if err := st.c.Ping(nil); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: Ping: %v", name, err)
		}
		st.turn()
		for i := 1; i <= 3; i++ {
			st.expectMessage(payloadOf(i))
		}
		st.want = append(st.want, `close 1001 ""`)
		st.drain(st.c.token)
		st.expectFrames(t, st.c, st.want...)
		if st.drained != 0 {
			t.Errorf("%s: Drained was called", name)
		}
	}
}

// W115: a Close frame that the peer does not read is waited for until the deadline, and no longer.
func TestCloseReplyInAFullBufferW115(t *testing.T) {
	st := newSlowTest(t, &Server{CloseTimeout: tick})
	st.queue(1, 3)
	st.data(st.c.token, []byte(closeFrame(codec.StatusNormalClosure, "")))
	if st.gone(st.c.token) {
		t.Error("the connection is gone before the answer was read")
	}
	st.pass(4 * tick)
	if !st.gone(st.c.token) || st.server.Stats().CloseTimeouts != 1 {
		t.Errorf("CloseTimeouts is %d", st.server.Stats().CloseTimeouts)
	}
	st.trace.expect(t, "close 1000 , <nil>")
}

// A long backlog gets its share of a turn, and then the others theirs, however much the socket takes.
func TestALongBacklogSharesTheTurn(t *testing.T) {
	const share = maxBatch * batchesPerTurn
	st := newSlowTest(t, &Server{})
	st.queue(1, 3*share)
	writes, most := 0, 0
	st.writing = func() {
		writes++
		most = max(most, writes)
	}
	peer := &st.conns[st.c.token.Slot()]
	peer.out, peer.queue, peer.stalled = append(peer.out, peer.queue...), nil, false
	st.engine.Drained(st.c.token)
	for turns := 0; st.drained == 0 && turns < 10; turns++ {
		writes = 0
		st.turn()
	}
	if all, err := frames(st.take(st.c.token)); err != nil || len(all) != 1+3*share || st.drained != 1 {
		t.Errorf("%d messages, %v; Drained was called %d times", len(all), err, st.drained)
	}
	if most != share {
		t.Errorf("%d messages are written in one turn", most)
	}
}

// What another goroutine sends in the middle of a flush, into the outbox and beyond it into a backlog, keeps
// its order.
func TestOrderOfABurstWhileFlushing(t *testing.T) {
	const messages = 2 * commitBytes / messageBytes
	tr := newTrace()
	m := newMemory(t, &Server{Events: tr.events()})
	c := m.conn(tr)
	send := func(from int) {
		for i := from; i < from+messages; i++ {
			if _, err := c.SendText(payloadOf(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, _ = c.SendText(payloadOf(0))
	m.writing = func() {
		m.writing = nil
		send(1)
	}
	for c.Buffered() > 0 {
		m.turn()
	}
	all, err := frames(m.take(c.token))
	if err != nil || len(all) != 1+messages {
		t.Fatalf("%d frames, %v", len(all), err)
	}
	for i, f := range all {
		if n := numberOf(t, f); n != i {
			t.Fatalf("message %d, want %d", n, i)
		}
	}
}

// A message that is refused in the middle of a flush does not keep what waits from being written in it.
func TestRefusalWhileFlushing(t *testing.T) {
	tr := newTrace()
	m := newMemory(t, &Server{MaxBufferedBytes: 2 * commitBytes, Events: tr.events()})
	c := m.conn(tr)
	for c.Buffered() < commitBytes+10_000 {
		if _, err := c.SendText(payloadOf(1)); err != nil {
			t.Fatal(err)
		}
	}
	m.writing = func() {
		m.writing = nil
		if _, err := c.SendText(strings.Repeat("x", 2*commitBytes-1000)); !errors.Is(err, ErrBufferFull) {
			t.Error(err)
		}
	}
	m.turn() // nobody has woken the loop for another
	if n := c.Buffered(); n != 0 {
		t.Errorf("%d bytes are not written", n)
	}
}

// A pong for which others have left no room in the outbox is sent with the next.
func TestPongBehindAFullOutbox(t *testing.T) {
	tr := newTrace()
	m := newMemory(t, &Server{Events: tr.events()})
	m.engine.settings.maxOutbox = 1000
	a, b := m.conn(tr), m.conn(tr)
	_, _ = a.SendText(strings.Repeat("x", 2000))
	m.engine.Data(b.token, []byte(masked(true, codec.OpcodePing, "1")+masked(true, codec.OpcodePing, "2")))
	m.turn()
	m.turn()
	m.expectFrames(t, b, `pong fin=true of 1 bytes "2"`)
}

// W54: one peer that does not read keeps nobody from anything: the others get every message, and it gets
// what its policy leaves.
func TestBroadcastWithOneStalledReaderW54(t *testing.T) {
	const conns, messages = 1000, 50
	st := newSlowTest(t, &Server{MaxBufferedBytes: roomFor(10), Overflow: Overflow{Policy: OverflowDropOldest}})
	all := []Conn{st.c}
	for range conns {
		all = append(all, st.conn(st.trace))
	}
	for i := range messages {
		for _, c := range all {
			if sent, err := c.SendText(payloadOf(i)); err != nil || c != st.c && sent.Queued != 0 {
				t.Fatalf("%v: %+v, %v", c, sent, err)
			}
		}
		st.turn()
		for _, c := range all[1:] {
			if got := string(st.take(c.token)); got[2:] != payloadOf(i) {
				t.Fatalf("%v: got %q", c, got)
			}
		}
	}
	st.counts(Stats{DroppedOldest: messages - 10})
	want := []int{}
	for i := messages - 10; i < messages; i++ {
		want = append(want, i)
	}
	st.expect(want...)
	if st.server.Stats().Connections != conns+1 {
		t.Errorf("%d connections", st.server.Stats().Connections)
	}
}
