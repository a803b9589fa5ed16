package bridge

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
	"github.com/wsloop/wsloop/engine"
)

// TestCarry has a bridge publish what another one wants: each comes once, in order, and nothing comes back.
func TestCarry(t *testing.T) {
	h := newHub()
	a, back := h.opened(t, Options{}, "x")
	b, got := h.opened(t, Options{}, "x")
	bridgetest.Eventually(t, "both are ready", func() bool { return a.Ready() && b.Ready() })
	const n = 10000
	bridgetest.Publish(a, "x", 0, n)
	bridgetest.Publish(a, "y", 0, 10)
	bridgetest.Eventually(t, "all", func() bool { return got.Count() >= n && sums(a) == n+10 })
	if !slices.Equal(got.All(), bridgetest.Numbers("x", 0, n)) || back.Count() != 0 {
		t.Errorf("%d, and %d came back", got.Count(), back.Count())
	}
	if st := b.Stats(); st.Duplicates != n || st.Gaps != 0 || st.Subscribed != 1 || st.Wanted != 1 {
		t.Errorf("%+v", st)
	}
	if st := a.Stats(); st.Echoes != 2*n || st.Carried != n+10 {
		t.Errorf("%+v", st)
	}
	h.mu.Lock() // it cannot connect yet
	c, _ := h.opened(t, Options{})
	bridgetest.Publish(c, "x", n, n+5)
	h.mu.Unlock()
	bridgetest.Eventually(t, "what waited for the first link", func() bool { return got.Count() == n+5 && sums(c) == 5 })
	b.Interest("x", false)
	bridgetest.Eventually(t, "nothing is subscribed", func() bool { return b.Stats().Subscribed == 0 })
	if err := b.Open(got); err == nil {
		t.Error("opened twice")
	}
}

// TestRefusals has the broker refuse a pattern and a name, and what comes be refused.
func TestRefusals(t *testing.T) {
	h := newHub()
	h.refuse["secret"] = true
	a, _ := h.opened(t, Options{MaxMessageBytes: 10})
	b, got := h.opened(t, Options{MaxMessageBytes: 9}, "secret", "x")
	bridgetest.Eventually(t, "both are ready", func() bool { return a.Ready() && b.Ready() })
	bridgetest.Eventually(t, "a refusal is counted", func() bool { return b.Stats().Errors == 1 })
	if st := b.Stats(); st.Subscribed != 1 || st.Wanted != 2 {
		t.Errorf("%+v", st)
	}
	bridgetest.Publish(a, "secret", 0, 3)
	a.Publish("x", codec.OpcodeText, make([]byte, 10)) // which b does not take
	if err := a.Publish("x", codec.OpcodeText, make([]byte, 11)); err != ErrTooLong {
		t.Error(err)
	}
	bridgetest.Eventually(t, "all is counted", func() bool { return sums(a) == 5 })
	if st := a.Stats(); st.Unsendable != 3 || st.TooLong != 1 || st.Carried != 1 {
		t.Errorf("%+v", st)
	}
	if st := b.Stats(); st.Refused != 2 || got.Count() != 0 {
		t.Errorf("%+v", st)
	}
	a.Limit(EnvelopeBytes + 5)
	if err := a.Publish("x", codec.OpcodeText, make([]byte, 6)); err != ErrTooLong {
		t.Error(err)
	}
	a.Limit(1 << 40)
	if err := a.Publish("x", codec.OpcodeText, make([]byte, 11)); err != ErrTooLong {
		t.Error(err)
	}
	b.Unwanted()
	got.Refuse(errors.New("no"))
	b.Receive("x", forge(1, 1, "1"))
	bridgetest.Eventually(t, "what the receiver refuses is counted", func() bool { return b.Stats().Refused == 3 })
	got.Refuse(engine.ErrServerClosed)
	b.Receive("x", forge(1, 2, "2"))
	got.Refuse(nil)
	b.Receive("x", forge(1, 3, "3"))
	bridgetest.Eventually(t, "the last", func() bool { return b.Stats().Received == 1 || got.Last() == "x 3" })
	if st := b.Stats(); st.Refused != 3 || st.Unwanted != 1 {
		t.Errorf("%+v", st)
	}
}

// TestAway takes the broker away, and back: what is published meanwhile is lost on purpose, and the gap told.
func TestAway(t *testing.T) {
	h := newHub()
	h.set(true, false)
	a, _ := h.opened(t, Options{})
	b, got := h.opened(t, Options{}, "x")
	bridgetest.Eventually(t, "attempts", func() bool { return a.Stats().Failures > 3 && b.Stats().Failures > 3 })
	published := uint64(0)
	for round := range 3 {
		if err := a.Publish("x", codec.OpcodeText, nil); err != ErrAway {
			t.Error(err)
		}
		b.Interest(fmt.Sprint("y", round), true)
		h.set(false, false)
		bridgetest.Eventually(t, "both were told", func() bool { return a.Stats().Gaps == uint64(round+1) && b.Stats().Gaps == uint64(round+1) })
		if n := b.Stats().Subscribed; n != round+2 {
			t.Errorf("%d are subscribed to", n)
		}
		bridgetest.Publish(a, "x", 0, 100)
		published += 101
		bridgetest.Eventually(t, "messages", func() bool { return b.Stats().Received == uint64(100*(round+1)) })
		h.set(true, false)
		bridgetest.Eventually(t, "both are away", func() bool { return !a.Ready() && !b.Ready() })
	}
	all := got.All()
	if want := append([]string{"gap"}, bridgetest.Numbers("x", 0, 100)...); !slices.Equal(all, slices.Concat(want, want, want)) {
		t.Errorf("%q", all)
	}
	if st := a.Stats(); st.Missed != 3 || st.Carried != 300 || sums(a) != published || st.Outages < 4 {
		t.Errorf("%+v", st)
	}
}

// TestSilent has rounds never be confirmed, with something to send and with nothing.
func TestSilent(t *testing.T) {
	for _, n := range []int{0, 500} {
		h := newHub()
		b, got := h.opened(t, Options{Heartbeat: 20 * time.Millisecond, MaxQueued: 100}, "x")
		bridgetest.Eventually(t, "ready", b.Ready)
		h.set(false, true)
		h.mu.Lock()
		before := h.rounds
		h.mu.Unlock()
		bridgetest.Publish(b, "x", 0, n)
		bridgetest.Eventually(t, "a round", func() bool {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.rounds > before
		})
		bridgetest.Publish(b, "x", n, n+10) // behind it
		bridgetest.Eventually(t, "it is noticed", func() bool { return !b.Ready() })
		bridgetest.Eventually(t, "nothing is kept for later", func() bool { return b.Stats().Queued == 0 })
		h.set(false, false)
		bridgetest.Eventually(t, "the gap is told", func() bool { return got.Last() == "gap" })
		bridgetest.Eventually(t, "all is counted", func() bool { return sums(b) == uint64(n+10) })
		if st := b.Stats(); st.Carried != 0 {
			t.Errorf("%+v", st)
		}
		h.mu.Lock()
		rounds := h.rounds
		h.mu.Unlock()
		bridgetest.Eventually(t, "heartbeats", func() bool {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.rounds > rounds+3
		})
		bridgetest.Eventually(t, "ready again", b.Ready) // a busy machine can be silent for so long, too
	}
}

// TestOverrun has more come than is delivered, and come late.
func TestOverrun(t *testing.T) {
	h := newHub()
	b, got := h.opened(t, Options{MaxQueued: 100}, "x")
	bridgetest.Eventually(t, "ready", b.Ready)
	release := got.Hold()
	defer release()
	for i := range 1000 {
		b.Receive("x", forge(1, uint64(i+1), fmt.Sprint(i)))
	}
	release()
	bridgetest.Eventually(t, "the last", func() bool { return got.Last() == "x 999" })
	bridgetest.Eventually(t, "all is counted", func() bool { return b.Stats().Received+b.Stats().Overrun == 1000 })
	all := got.All()
	if at := slices.Index(all, "gap"); at < 0 || !slices.Equal(all[len(all)-100:], bridgetest.Numbers("x", 900, 1000)) {
		t.Errorf("gap at %d, %q", at, all)
	}
	gaps := b.Stats().Gaps
	b.Receive("x", forge(1, 7, "late"))
	bridgetest.Eventually(t, "a gap for one that is late", func() bool { return b.Stats().Gaps > gaps })
	if st := b.Stats(); st.Late != 1 || slices.Contains(got.All(), "x late") {
		t.Errorf("%+v", st)
	}
}

// TestManyPatterns has more patterns be wanted than fit into a round, before there is a link and afterwards.
func TestManyPatterns(t *testing.T) {
	h := newHub()
	h.set(true, false)
	b, _ := h.opened(t, Options{})
	const n = 5 * roundPatterns / 2
	for i := range n {
		b.Interest(fmt.Sprint(i), true)
	}
	h.set(false, false)
	bridgetest.Eventually(t, "ready", b.Ready)
	if st := b.Stats(); st.Subscribed != n { // at once: it is not ready before
		t.Errorf("%+v", st)
	}
	for i := range n {
		b.Interest(fmt.Sprint(i), i%2 == 0)
		b.Interest(fmt.Sprint(n+i), true)
	}
	bridgetest.Eventually(t, "all that is wanted", func() bool { return b.Stats().Subscribed == n+n/2 })
}

// TestClose sends what is queued, or says that it could not.
func TestClose(t *testing.T) {
	h := newHub()
	a, _ := h.opened(t, Options{CloseTimeout: bridgetest.Patience})
	b, got := h.opened(t, Options{}, "x")
	bridgetest.Eventually(t, "both are ready", func() bool { return a.Ready() && b.Ready() })
	bridgetest.Publish(a, "x", 0, 30000)
	if err := a.Close(); err != nil || a.Stats().Carried != 30000 {
		t.Errorf("%v %+v", err, a.Stats())
	}
	bridgetest.Eventually(t, "all", func() bool { return got.Count() == 30000 })
	if err := a.Publish("x", codec.OpcodeText, nil); err != ErrClosed || a.Ready() {
		t.Error(err)
	}
	h.set(false, true)
	waiting, _ := h.opened(t, Options{})
	bridgetest.Publish(waiting, "x", 0, 10)
	if err := waiting.Close(); err == nil || waiting.Stats().Missed != 10 {
		t.Errorf("%v %+v", err, waiting.Stats())
	}
	unopened := New(a.options, a.broker)
	for range 2 {
		if err := unopened.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := unopened.Open(got); err == nil {
		t.Error("opened after Close")
	}
	held, receiver := newHub().opened(t, Options{}, "x")
	release := receiver.Hold()
	for i := range 10 {
		held.Receive("x", forge(1, uint64(i+1), "held"))
	}
	time.AfterFunc(time.Millisecond, release)
	held.Close()
	n := receiver.Count()
	held.Receive("x", forge(2, 1, "late"))
	if receiver.Count() != n {
		t.Error("delivered after Close")
	}
}
