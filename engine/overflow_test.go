package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

// A peer that is too slow is closed: what waits is lost, and the Close frame follows the frame that was
// begun, with nothing between them.
func TestOverflowClose(t *testing.T) {
	for _, test := range []struct {
		code, want codec.StatusCode
	}{{0, codec.StatusTryAgainLater}, {codec.StatusPolicyViolation, codec.StatusPolicyViolation}, {4000, 4000}} {
		st := newSlowTest(t, &Server{MaxBufferedBytes: roomFor(10), Overflow: Overflow{Code: test.code}})
		st.queue(1, 10)
		sent, err := st.c.SendText(payloadOf(11))
		if !errors.Is(err, ErrTooSlow) || sent != (Sent{Dropped: 10}) {
			t.Errorf("%+v, %v", sent, err)
		}
		st.counts(Stats{TooSlow: 1, DroppedTooSlow: 10})
		st.queued = begunBytes + codec.HeaderLen(10) + 2 + len("too slow")
		st.dropped(10)
		sent, err = st.c.SendText("late")
		st.refused(sent, err, ErrClosed)
		if err := st.c.Ping(nil); !errors.Is(err, ErrClosed) {
			t.Errorf("Ping: %v", err)
		}
		// It is closed whatever the peer still sends.
		st.data(st.c.token, []byte(masked(true, codec.OpcodeText, "hello")+masked(true, codec.OpcodePing, "hello")))
		st.want = append(st.want, fmt.Sprintf(`close %d "too slow"`, test.want))
		st.expect()
		if !st.over(st.c.token) {
			t.Error("no FIN behind the Close frame")
		}
		st.eof(st.c.token)
		st.trace.expect(t, "close 1006 , "+ErrTooSlow.Error())
		if st.drained != 0 {
			t.Error("Drained was called")
		}
		st.counts(Stats{TooSlow: 1, DroppedTooSlow: 10})
	}
}

// One that never reads again is cut off when the deadline for closing has passed, and the reason stays.
func TestOverflowCloseOfAPeerThatNeverReads(t *testing.T) {
	st := newSlowTest(t, &Server{MaxBufferedBytes: roomFor(3), CloseTimeout: tick})
	st.queue(1, 3)
	if _, err := st.c.SendText(payloadOf(4)); !errors.Is(err, ErrTooSlow) {
		t.Error(err)
	}
	st.turn()
	st.pass(4 * tick)
	st.trace.expect(t, "close 1006 , "+ErrTooSlow.Error())
	if n := st.server.Stats().CloseTimeouts; n != 1 {
		t.Errorf("CloseTimeouts is %d", n)
	}
}

func TestOverflowDropNewest(t *testing.T) {
	st := newSlowTest(t, &Server{MaxBufferedBytes: roomFor(5), Overflow: Overflow{Policy: OverflowDropNewest}})
	st.queue(1, 5)
	for range 3 {
		sent, err := st.c.SendText(payloadOf(6))
		st.refused(sent, err, ErrBufferFull)
	}
	st.counts(Stats{BufferFull: 3})
	st.dropped(3)
	// Room is made by what the peer reads, and by nothing else.
	st.progress(st.c.token, begunBytes/2)
	st.queued -= begunBytes / 2
	sent, err := st.c.SendText(payloadOf(6))
	st.refused(sent, err, ErrBufferFull)
	st.expect(1, 2, 3, 4, 5)
	st.counts(Stats{BufferFull: 4})
}

// The oldest give way, as many as need be, and none for a message that would not fit all the same.
func TestOverflowDropOldest(t *testing.T) {
	st := newSlowTest(t, &Server{MaxBufferedBytes: roomFor(10), Overflow: Overflow{Policy: OverflowDropOldest}})
	st.queue(1, 10)
	for i := 11; i <= 13; i++ {
		if sent, err := st.c.SendText(payloadOf(i)); err != nil || sent != (Sent{st.queued, 1}) {
			t.Errorf("message %d: %+v, %v", i, sent, err)
		}
	}
	st.counts(Stats{DroppedOldest: 3})
	st.dropped(3)
	long := strings.Repeat("x", 3*messageCost)
	for _, dropped := range []int{4, 3} {
		st.queued += codec.HeaderLen(len(long)) + len(long) - dropped*messageBytes
		if sent, err := st.c.SendText(long); err != nil || sent != (Sent{st.queued, dropped}) {
			t.Errorf("a long message: %+v, %v", sent, err)
		}
	}
	sent, err := st.c.SendText(strings.Repeat("x", 10*messageCost))
	st.refused(sent, err, ErrBufferFull)
	st.counts(Stats{DroppedOldest: 10, BufferFull: 1})
	st.dropped(11)
	for i := 11; i <= 13; i++ {
		st.expectMessage(payloadOf(i))
	}
	st.expectMessage(long)
	st.expectMessage(long)
	st.expect()
}

// Of each key the latest message waits, in the place of the first; others give way by age.
func TestOverflowKeepLatest(t *testing.T) {
	st := newSlowTest(t, &Server{MaxBufferedBytes: roomFor(6), Overflow: Overflow{Policy: OverflowKeepLatest}})
	send := func(key string, i, queued, dropped int) {
		t.Helper()
		st.queued += queued
		sent, err := st.c.SendWith(codec.OpcodeText, []byte(payloadOf(i)), Delivery{Key: key})
		if err != nil || sent != (Sent{st.queued, dropped}) {
			t.Errorf("message %d: %+v, %v; want %d queued, %d dropped", i, sent, err, st.queued, dropped)
		}
		st.expectBuffered()
	}
	send("a", 1, messageBytes, 0)
	send("", 2, messageBytes, 0)
	send("b", 3, messageBytes, 0)
	send("a", 4, 0, 1)
	send("", 5, messageBytes, 0)
	send("a", 6, 0, 1)
	send("b", 7, 0, 1)
	st.counts(Stats{Replaced: 3})
	send("c", 8, messageBytes, 0)
	send("d", 9, messageBytes, 0) // full: a:6 2 b:7 5 c:8 d:9
	send("d", 10, 0, 1)
	send("e", 11, 0, 1) // a gives way, the oldest
	send("a", 12, 0, 1) // 2 does
	send("b", 13, 0, 1) // in its place
	st.counts(Stats{Replaced: 5, DroppedOldest: 2})
	st.dropped(7)
	st.expect(13, 5, 8, 10, 11, 12)
	// Nothing of the slow phase is remembered.
	st.stall()
	send("a", 14, messageBytes, 0)
	st.expect(14)
}

// A replacement that is longer than what it replaces makes room, but never at the expense of its own place.
func TestOverflowKeepLatestOfAnotherLength(t *testing.T) {
	st := newSlowTest(t, &Server{MaxBufferedBytes: roomFor(4), Overflow: Overflow{Policy: OverflowKeepLatest}})
	for i := 1; i <= 4; i++ {
		_, _ = st.c.SendWith(codec.OpcodeText, []byte(payloadOf(i)), Delivery{Key: fmt.Sprint(i)})
	}
	long := strings.Repeat("x", 100+messageCost)
	if sent, err := st.c.SendWith(codec.OpcodeText, []byte(long), Delivery{Key: "1"}); err != nil || sent.Dropped != 2 {
		t.Errorf("%+v, %v", sent, err)
	}
	st.queued = st.c.Buffered()
	sent, err := st.c.SendWith(codec.OpcodeText, []byte(strings.Repeat("x", 4*messageCost)), Delivery{Key: "1"})
	st.refused(sent, err, ErrBufferFull)
	st.counts(Stats{Replaced: 1, DroppedOldest: 1, BufferFull: 1})
	if sent, err := st.c.SendWith(codec.OpcodeText, nil, Delivery{Key: "3"}); err != nil || sent.Dropped != 1 {
		t.Errorf("%+v, %v", sent, err)
	}
	st.expectMessage(long)
	st.expectMessage("")
	st.expect(4)
}

// A message that can never fit is refused under every policy, and so is one of a burst to a peer that is
// not slow. Nobody is closed for it, and nothing dropped.
func TestBufferFullWithoutASlowPeer(t *testing.T) {
	for policy := OverflowClose; policy <= OverflowKeepLatest; policy++ {
		st := newSlowTest(t, &Server{MaxBufferedBytes: roomFor(3), Overflow: Overflow{Policy: policy}})
		st.queue(1, 2)
		sent, err := st.c.SendText(strings.Repeat("x", roomFor(3)))
		st.refused(sent, err, ErrBufferFull)
		st.expect(1, 2)
		if st.gone(st.c.token) || st.server.Stats().DroppedOldest != 0 {
			t.Errorf("%v: something was dropped", policy)
		}
	}
	const limit = 2 * commitBytes
	for policy := OverflowClose; policy <= OverflowDropNewest; policy++ {
		tr := newTrace()
		m := newMemory(t, &Server{MaxBufferedBytes: limit, Overflow: Overflow{Policy: policy}, Events: tr.events()})
		c := m.conn(tr)
		accepted := 0
		for ; ; accepted++ {
			sent, err := c.SendText(payloadOf(accepted))
			if errors.Is(err, ErrBufferFull) {
				break
			}
			if wants := c.Buffered() > commitBytes+messageBytes; err != nil || (sent.Queued != 0) != wants {
				t.Fatalf("%v: message %d of a burst: %+v, %v", policy, accepted, sent, err)
			}
		}
		m.turn()
		all, err := frames(m.take(c.token))
		if err != nil || len(all) != accepted || c.Buffered() != 0 {
			t.Errorf("%v: %d messages sent, %v; want %d", policy, len(all), err, accepted)
		}
	}
}

// What one turn sends to a peer that is not slow yet gives way as well, even if the buffer is small: the newest is among what arrives.
func TestOverflowWithinATurn(t *testing.T) {
	for _, limit := range []int{4 << 10, 64 << 10, 256 << 10} {
		tr := newTrace()
		s := &Server{Events: tr.events(), MaxBufferedBytes: limit, Overflow: Overflow{Policy: OverflowKeepLatest}}
		m := newMemory(t, s)
		c := m.conn(tr)
		m.conns[c.token.Slot()].stalled = true
		const prices = 10_000
		for i := range prices {
			if _, err := c.SendWith(codec.OpcodeText, []byte(payloadOf(i)), Delivery{Key: "gold"}); err != nil {
				t.Fatalf("limit %d, message %d: %v", limit, i, err)
			}
		}
		m.turn()
		m.drain(c.token)
		m.turn()
		all, err := frames(m.take(c.token))
		if err != nil {
			t.Fatal(err)
		}
		if last := string(all[len(all)-1].payload); last != payloadOf(prices-1) || len(all)*messageBytes > limit {
			t.Errorf("limit %d: %d messages arrived, the last is %q", limit, len(all), last)
		}
	}
}
