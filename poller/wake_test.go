//go:build linux

package poller

import (
	"syscall"
	"testing"
)

// A lateWake is a mechanism in whose short wait the second half of a Wake runs. The turn
// that its first half asked for is over, and the wait swallows its event.
type lateWake struct {
	mechanism
	loop    *loop
	waits   int
	blocked bool
	asleep  bool // what loop.sleeping said in block
	wakes   int
}

func (m *lateWake) poll(events []event, timeoutMillis int) (int, syscall.Errno) {
	if timeoutMillis > 0 {
		m.waits++
		if m.loop.sleeping.CompareAndSwap(true, false) {
			m.mechanism.wake()
		}
	}
	return m.mechanism.poll(events, timeoutMillis)
}

// block is where the next Wake finds the loop.
func (m *lateWake) block(events []event, _ int) (int, syscall.Errno) {
	m.blocked, m.asleep = true, m.loop.sleeping.Load()
	m.loop.Wake()
	return m.mechanism.poll(events, 0)
}

func (m *lateWake) wake() syscall.Errno {
	m.wakes++
	return m.mechanism.wake()
}

// TestWakeAfterASwallowedOne has a loop block after its short wait swallowed a wake that was
// late. A Wake then must reach the mechanism, or it would wait for the next tick.
func TestWakeAfterASwallowedOne(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		m := &lateWake{mechanism: r.l.mechanism, loop: r.l}
		r.l.mechanism = m
		r.l.nextTick = never
		if n := r.l.wait(); n != 0 {
			t.Errorf("%d events, want none", n)
		}
		if m.waits != 1 || !m.blocked {
			t.Fatalf("%d short waits, blocked: %v", m.waits, m.blocked)
		}
		if !m.asleep || m.wakes != 1 {
			t.Errorf("sleeping while it blocks: %v, wakes that arrived: %d, want 1", m.asleep, m.wakes)
		}
		if r.l.sleeping.Load() || !r.l.woken.Load() {
			t.Errorf("after the wait, sleeping: %v, woken: %v", r.l.sleeping.Load(), r.l.woken.Load())
		}
	})
}
