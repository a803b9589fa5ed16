//go:build linux || darwin || freebsd

package sim

import (
	"cmp"
	"container/heap"
	"time"
)

// timers are functions by their time, and of one time in the order in which they were added.
type timers struct {
	heap  timerHeap
	added uint64
}

type timer struct {
	at time.Duration
	n  uint64
	f  func()
}

func (t *timers) add(at time.Duration, f func()) {
	t.added++
	heap.Push(&t.heap, timer{at, t.added, f})
}

func (t *timers) due(now time.Duration) bool { return len(t.heap) > 0 && t.heap[0].at <= now }

func (t *timers) take() func() { return heap.Pop(&t.heap).(timer).f }

type timerHeap []timer

func (h timerHeap) Len() int { return len(h) }

func (h timerHeap) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[i].at, h[j].at), cmp.Compare(h[i].n, h[j].n)) < 0
}

func (h timerHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

func (h *timerHeap) Push(x any) { *h = append(*h, x.(timer)) }

func (h *timerHeap) Pop() any {
	last := len(*h) - 1
	t := (*h)[last]
	(*h)[last] = timer{}
	*h = (*h)[:last]
	return t
}
