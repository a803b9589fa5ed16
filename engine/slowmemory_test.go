package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller"
)

// stallDriver is an idleDriver whose peers can stall.
type stallDriver struct {
	idleDriver
	stalled bool
	pending int
}

func (d *stallDriver) Write(t poller.Token, b []byte) error {
	if d.stalled {
		d.pending += len(b)
	}
	return d.idleDriver.Write(t, b)
}

func (d *stallDriver) Writev(t poller.Token, vec [][]byte) error {
	for _, b := range vec {
		_ = d.Write(t, b)
	}
	return nil
}

func (d *stallDriver) Pending(poller.Token) int { return d.pending }

// A peer that is slow and drained again and again costs no allocation, whatever its policy does.
func TestNoAllocationsForASlowPeer(t *testing.T) {
	const messages = 200
	var keys []string
	for i := range 20 {
		keys = append(keys, fmt.Sprint("key ", i))
	}
	payload := []byte(strings.Repeat("x", 100))
	for policy := OverflowDropNewest; policy <= OverflowKeepLatest; policy++ {
		var c Conn
		drained := 0
		driver := &stallDriver{}
		s := &Server{
			MaxBufferedBytes: roomFor(messages / 2), Overflow: Overflow{Policy: policy, TTL: time.Minute},
			Events: Events{Open: func(opened Conn) { c = opened }, Drained: func(Conn) { drained++ }},
		}
		l := newEngineLoop(t, s, driver)
		driver.open(l, []byte(head("/")))
		queued := 0
		n := testing.AllocsPerRun(50, func() {
			driver.stalled = true
			_, _ = c.Send(codec.OpcodeText, payload)
			l.Flush()
			for i := range messages {
				if sent, err := c.SendWith(codec.OpcodeText, payload, Delivery{Key: keys[i%len(keys)]}); err == nil && sent.Queued > 0 {
					queued++
				}
			}
			l.Flush()
			driver.stalled, driver.pending = false, 0
			l.Drained(c.token)
			l.Flush()
		})
		if n != 0 || drained != 51 || queued < 51*messages/2-51 || c.Buffered() != 0 {
			t.Errorf("%v: %v allocations; drained %d times, %d queued", policy, n, drained, queued)
		}
	}
}

// All memory of a slow phase goes back, and what Stats tells is back where it was.
func TestMemoryAfterASlowPhase(t *testing.T) {
	for policy := OverflowClose; policy <= OverflowKeepLatest; policy++ {
		st := newSlowTest(t, &Server{Overflow: Overflow{Policy: policy}, PingInterval: Never, WriteTimeout: Never})
		for i := range 10_000 {
			_, _ = st.c.SendWith(codec.OpcodeText, []byte(payloadOf(i)), Delivery{Key: fmt.Sprint(i % 5000)})
		}
		held, waiting := int(st.server.Stats().Memory), st.c.Buffered()
		if policy != OverflowKeepLatest && waiting != begunBytes+10_000*messageBytes || held < waiting {
			t.Errorf("%v: %d bytes wait, %d are held", policy, waiting, held)
		}
		st.drain(st.c.token)
		for st.c.Buffered() > 0 {
			st.turn()
		}
		st.pass(10 * time.Second)
		if n := st.server.Stats().Memory; n > 2*minOutboxBytes {
			t.Errorf("%v: %d bytes are held", policy, n)
		}
	}
}

// Beyond the memory budget Send refuses, with the reason and a counter, and drops nothing for it. The loop then
// closes those that hold the most, and there is room again.
func TestSendBeyondTheBudget(t *testing.T) {
	st := newSlowTest(t, &Server{
		MaxMemoryBytes: minMemoryBytes, MaxBufferedBytes: 1 << 30, Overflow: Overflow{Policy: OverflowDropOldest},
	})
	other := st.conn(st.trace)
	accepted := 0
	var err error
	for ; err == nil; accepted++ {
		var sent Sent
		if sent, err = st.c.SendText(payloadOf(accepted)); err == nil {
			st.queued += messageBytes
		}
		if sent.Dropped != 0 {
			t.Fatalf("%+v", sent)
		}
	}
	st.refused(Sent{}, err, ErrMemory)
	st.counts(Stats{RefusedSends: 1})
	st.dropped(1)
	if n := st.server.Stats().Memory; n > minMemoryBytes || n < minMemoryBytes/2 {
		t.Errorf("%d bytes are held", n)
	}
	if err := st.c.SendWait(t.Context(), codec.OpcodeText, []byte(payloadOf(0))); !errors.Is(err, ErrMemory) {
		t.Errorf("SendWait: %v", err)
	}
	st.turn()
	st.trace.expect(t, "close 1006 , "+ErrMemory.Error())
	stats := st.server.Stats()
	if stats.MemoryClosures != 1 || stats.RefusedSends != 2 {
		t.Errorf("%+v", stats)
	}
	if _, err := other.SendText("alive"); err != nil {
		t.Error(err)
	}
	st.turn()
	st.expectFrames(t, other, `text fin=true of 5 bytes "alive"`)
}

// A message that nothing is dropped for drops nothing: memory is asked for before others give way.
func TestNothingGivesWayToAMessageWithoutMemory(t *testing.T) {
	st := newSlowTest(t, &Server{
		MaxMemoryBytes: minMemoryBytes, MaxBufferedBytes: 300_000, Overflow: Overflow{Policy: OverflowDropOldest},
	})
	for range 100 {
		if sent, err := st.c.SendText(payloadOf(1)); err != nil || sent.Dropped != 0 {
			t.Fatalf("%+v, %v", sent, err)
		}
	}
	st.server.budget.held.Add(minMemoryBytes)
	sent, err := st.c.SendText(strings.Repeat("x", 290_000))
	st.server.budget.held.Add(-minMemoryBytes)
	if !errors.Is(err, ErrMemory) || sent != (Sent{}) {
		t.Errorf("%+v, %v", sent, err)
	}
	st.counts(Stats{RefusedSends: 1})
}
