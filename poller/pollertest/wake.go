package pollertest

import (
	"sync"
	"testing"
	"time"
)

// testWakesFromManyGoroutines posts items and wakes the loop for each. Every item
// must be seen by a Flush after its wake.
func testWakesFromManyGoroutines(t *testing.T, newDriver maker) {
	const (
		goroutines = 4
		each       = 25_000
	)
	var mu sync.Mutex
	var box []int
	seen, next := 0, [goroutines]int{}
	all := make(chan struct{})
	s := serve(t, newDriver, 1, behaviour{flush: func(*handler) {
		mu.Lock()
		items := box
		box = nil
		mu.Unlock()
		for _, item := range items {
			if g := item % goroutines; next[g] != item/goroutines {
				t.Errorf("item %d of goroutine %d came in place of %d", item/goroutines, g, next[g])
			} else {
				next[g]++
			}
		}
		if seen += len(items); seen == goroutines*each && len(items) > 0 {
			close(all)
		}
	}})
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range each {
				mu.Lock()
				box = append(box, i*goroutines+g)
				mu.Unlock()
				s.handlers[0].loop.Wake()
			}
		})
	}
	wg.Wait()
	receive(t, all, "Flush after the last wake")
}

// testFlushFollowsEvents writes in Flush alone what Open, Data and EOF ask for.
func testFlushFollowsEvents(t *testing.T, newDriver maker) {
	var due []byte
	s := serve(t, newDriver, 1, behaviour{
		open: func(*conn) { due = append(due, 'o') },
		data: func(_ *conn, b []byte) int { due = append(due, b...); return len(b) },
		eof:  func(*conn) { due = append(due, 'e') },
		flush: func(h *handler) {
			for _, c := range h.conns {
				if len(due) > 0 {
					_ = c.write(due)
					due = due[:0]
				}
			}
		},
	})
	client := s.dial()
	client.expect([]byte("o"))
	for range 200 {
		client.send([]byte("d"))
		client.expect([]byte("d"))
	}
	client.closeWrite()
	client.expect([]byte("e"))
}

// testWakeFromFlush has the loop ask itself for turns.
func testWakeFromFlush(t *testing.T, newDriver maker) {
	const turns = 500
	done := make(chan struct{})
	s := serve(t, newDriver, 1, behaviour{flush: func(h *handler) {
		if h.turn < turns {
			h.loop.Wake()
		} else if h.turn == turns {
			close(done)
		}
	}})
	s.handlers[0].loop.Wake()
	receive(t, done, "turns that Flush asked for")
	s.stop()
	s.handlers[0].loop.Wake() // after the end it does nothing
}

func testTick(t *testing.T, newDriver maker) {
	const loops = 2
	ticks := make(chan int, 1000)
	serve(t, newDriver, loops, behaviour{tick: func(h *handler, _ time.Duration) { ticks <- h.loop.Index() }})
	var count [loops]int
	for count[0] < 2 || count[1] < 2 {
		count[receive(t, ticks, "Tick")]++
	}
}
