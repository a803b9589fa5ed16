package suite

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/contrib/internal/bridgetest"
)

// CloseSends what is queued.
func (k Kind) CloseSends(t *testing.T) {
	s := k.Start(t, 0)
	a, _ := k.open(t, "a", Options{URL: s.URL(), CloseTimeout: bridgetest.Patience})
	_, got := k.open(t, "b", Options{URL: s.URL()}, "x")
	Await(t, s, "b", 1)
	bridgetest.Eventually(t, "a is ready", a.Ready)
	const n = 30000
	bridgetest.Publish(a, "x", 0, n)
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if err := a.Publish("x", codec.OpcodeText, nil); err != k.Closed || a.Ready() {
		t.Error(err)
	}
	a.Interest("late", true)
	if got := Sum(a); got != n+1 {
		t.Errorf("counted %d", got)
	}
	bridgetest.Eventually(t, "all", func() bool { return got.Count() >= n })
	if !slices.Equal(got.All(), bridgetest.Numbers("x", 0, n)) || a.Stats().Carried != n {
		t.Errorf("%d, %+v", got.Count(), a.Stats())
	}
}

// CloseDelivers nothing once it has returned.
func (k Kind) CloseDelivers(t *testing.T) {
	s := k.Start(t, 0)
	a, _ := k.open(t, "a", Options{URL: s.URL()})
	b, got := k.open(t, "b", Options{URL: s.URL()}, "x")
	Await(t, s, "b", 1)
	bridgetest.Publish(a, "x", 0, 20000)
	bridgetest.Eventually(t, "some", func() bool { return got.Count() > 10 })
	b.Close()
	n := got.Count()
	bridgetest.Eventually(t, "all is sent", func() bool { return a.Stats().Queued == 0 })
	if got.Count() != n {
		t.Errorf("%d messages after Close", got.Count()-n)
	}
	Await(t, s, "b", 0)
}

// CloseAway closes bridges that cannot send.
func (k Kind) CloseAway(t *testing.T) {
	s := k.Start(t, 0)
	g := bridgetest.NewGate(t, s.Address())
	var bridges []Bridge
	for i := range 4 {
		b, _ := k.open(t, fmt.Sprint(i), Options{URL: g.Address()}, "x")
		bridges = append(bridges, b)
	}
	for _, b := range bridges {
		bridgetest.Eventually(t, "ready", b.Ready)
	}
	g.Set(bridgetest.Faults{Target: s.Address(), Up: bridgetest.Way{Stalled: true}, Down: bridgetest.Way{Stalled: true}})
	var wg sync.WaitGroup
	for _, b := range bridges[:2] {
		wg.Go(func() {
			payload := make([]byte, 1<<19)
			for range 100 { // more than the sockets take
				b.Publish("y", codec.OpcodeBinary, payload)
			}
			if err := b.Close(); err == nil {
				t.Error("closed a stalled bridge without an error")
			}
			if n := Sum(b); n != 100 {
				t.Errorf("counted %d: %+v", n, b.Stats())
			}
		})
	}
	wg.Wait()
	g.Set(bridgetest.Faults{})
	for _, b := range bridges[2:] {
		bridgetest.Eventually(t, "away", func() bool { return !b.Ready() })
		wg.Go(func() {
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
