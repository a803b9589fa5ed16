//go:build linux || darwin || freebsd

package sim

import (
	"testing"
	"time"
)

// A function that blocks makes all others late that are due meanwhile, and has them happen all the same.
func TestBlock(t *testing.T) {
	quiet(t).serve(Options{Seed: 3}, func(w *World) {
		start := w.Now()
		var ran []time.Duration
		w.After(time.Second, func() { w.Block(5 * time.Second) })
		w.After(2*time.Second, func() { ran = append(ran, w.Now()-start) })
		w.After(7*time.Second, func() { ran = append(ran, w.Now()-start) })
		w.Advance(10 * time.Second)
		if len(ran) != 2 || ran[0] != 6*time.Second || ran[1] != 7*time.Second || w.Now()-start != 10*time.Second {
			t.Errorf("they ran at %v, and it is %v", ran, w.Now()-start)
		}
	})
}
