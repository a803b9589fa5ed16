package engine

import (
	"errors"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

// Drained is called once for each time that a peer was slow, when all has been written, and
// the next message leaves at once.
func TestDrainedOnceForEachSlowPhase(t *testing.T) {
	st := newSlowTest(t, &Server{Overflow: Overflow{Policy: OverflowDropOldest}})
	for phase := 1; phase <= 5; phase++ {
		st.queue(1, 10*phase)
		st.read(begunBytes / 2)
		st.read(begunBytes)
		if _, err := st.c.SendText(""); err != nil || st.drained != phase-1 {
			t.Errorf("Drained was called %d times before all was written, %v", st.drained, err)
		}
		st.drain(st.c.token)
		st.turn()
		if st.drained != phase {
			t.Errorf("Drained was called %d times, want %d", st.drained, phase)
		}
		if sent, err := st.c.SendText("at once"); err != nil || sent != (Sent{}) {
			t.Errorf("%+v, %v", sent, err)
		}
		st.turn()
		st.take(st.c.token)
		st.stall()
	}
}

// A burst to a peer that is not slow waits for nothing but its turn, and Drained tells of that too.
func TestDrainedAfterABurst(t *testing.T) {
	drained := 0
	tr := newTrace()
	s := &Server{Events: tr.events()}
	s.Events.Drained = func(Conn) { drained++ }
	m := newMemory(t, s)
	c := m.conn(tr)
	for range 2 * commitBytes / messageBytes {
		_, _ = c.SendText(payloadOf(0))
	}
	if m.turn(); drained != 1 || c.Buffered() != 0 {
		t.Errorf("Drained was called %d times, %d bytes wait", drained, c.Buffered())
	}
}

// After Close there is no callback but that, even if another connection's Drained closes it in this
// very turn.
func TestDrainedIsNotCalledAfterClose(t *testing.T) {
	st := newSlowTest(t, &Server{})
	st.queue(1, 3)
	_ = st.c.Close(codec.StatusNormalClosure, "")
	st.drain(st.c.token)
	if st.drained != 0 {
		t.Error("Drained was called after Close")
	}

	var pair [2]Conn
	calls := 0
	tr := newTrace()
	s := &Server{Events: tr.events()}
	s.Events.Drained = func(c Conn) {
		calls++
		for _, other := range pair {
			if other != c {
				_ = other.Close(codec.StatusNormalClosure, "")
			}
		}
	}
	m := newMemory(t, s)
	pair = [2]Conn{m.conn(tr), m.conn(tr)}
	for _, c := range pair {
		for range 2 * commitBytes / messageBytes {
			_, _ = c.SendText(payloadOf(0))
		}
	}
	m.turn()
	m.turn()
	if calls != 1 {
		t.Errorf("Drained was called %d times", calls)
	}
	if all, err := frames(m.take(pair[1].token)); err != nil || all[len(all)-1].String() != `close 1000 ""` {
		t.Errorf("the last frame is not the Close frame: %v", err)
	}
}

// Drained is not called for a connection that ends with what waits for it.
func TestDrainedIsNotCalledForTheLost(t *testing.T) {
	for name, end := range map[string]func(*slowTest){
		"reset":    func(st *slowTest) { st.Close(st.c.token, nil) },
		"abort":    func(st *slowTest) { st.c.Abort() },
		"FIN":      func(st *slowTest) { st.eof(st.c.token) },
		"failure":  func(st *slowTest) { st.data(st.c.token, []byte("\xff\xff")) },
		"too slow": func(st *slowTest) { _, _ = st.c.SendText(payloadOf(4)) },
	} {
		st := newSlowTest(t, &Server{MaxBufferedBytes: roomFor(3)})
		st.queue(1, 3)
		end(st)
		st.turn()
		st.drain(st.c.token)
		st.eof(st.c.token)
		if !st.gone(st.c.token) || st.drained != 0 || st.c.Buffered() != 0 {
			t.Errorf("%s: gone %t, Drained was called %d times", name, st.gone(st.c.token), st.drained)
		}
		if n := len(st.engine.freeBacklogs); n != 1 {
			t.Errorf("%s: the backlog is not given back", name)
		}
	}
}

// A panic in Drained ends its connection alone.
func TestPanicInDrained(t *testing.T) {
	st := newSlowTest(t, &Server{})
	st.server.Events.Drained = func(Conn) { panic("in Drained") }
	other := st.conn(st.trace)
	st.queue(1, 2)
	st.expectMessage(payloadOf(1))
	st.expectMessage(payloadOf(2))
	st.want = append(st.want, `close 1011 ""`)
	st.expect()
	st.eof(st.c.token)
	st.trace.expect(t, "close 1006 , "+ErrPanic.Error())
	if n := st.server.Stats().Panics; n != 1 || !st.gone(st.c.token) {
		t.Errorf("%d panics", n)
	}
	if _, err := other.SendText("alive"); err != nil {
		t.Error(err)
	}
	st.turn()
	st.expectFrames(t, other, `text fin=true of 5 bytes "alive"`)
}

// Drained may send more than leaves at once, and is called again.
func TestDrainedSendsMore(t *testing.T) {
	st := newSlowTest(t, &Server{})
	st.server.Events.Drained = func(c Conn) {
		st.drained++
		if st.drained > 10 {
			return
		}
		for range 2 * commitBytes / messageBytes {
			if _, err := c.SendText(payloadOf(st.drained)); err != nil {
				t.Error(err)
			}
		}
	}
	st.queue(1, 1)
	st.drain(st.c.token)
	for range 20 {
		st.turn()
	}
	all, err := frames(st.take(st.c.token))
	if want := 2 + 10*(2*commitBytes/messageBytes); err != nil || len(all) != want || st.drained != 11 {
		t.Errorf("%d frames, want %d; %d calls, %v", len(all), want, st.drained, err)
	}
}

// Drained may close its connection.
func TestCloseInDrained(t *testing.T) {
	st := newSlowTest(t, &Server{})
	st.server.Events.Drained = func(c Conn) {
		st.drained++
		_ = c.Close(codec.StatusGoingAway, "")
		if _, err := c.SendText("late"); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	}
	st.queue(1, 1)
	st.expectMessage(payloadOf(1))
	st.want = append(st.want, `close 1001 ""`)
	st.expect()
	st.data(st.c.token, []byte(closeFrame(codec.StatusGoingAway, "")))
	st.trace.expect(t, "close 1001 , <nil>")
	if st.drained != 1 {
		t.Errorf("Drained was called %d times", st.drained)
	}
}
