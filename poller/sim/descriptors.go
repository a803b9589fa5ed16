//go:build linux || darwin || freebsd

package sim

import (
	"container/heap"
	"math/rand/v2"
)

// descriptors gives out the lowest number that is free, as systems do. What one stands for is 0 if it is free, the number
// of a socket plus one, or that of a listener as a negative number.
type descriptors struct {
	uses []int32
	free intHeap
	open int
}

// firstDescriptor leaves out those that every process has.
const firstDescriptor = 3

func (d *descriptors) take(use int) int {
	d.open++
	if len(d.free) > 0 {
		fd := heap.Pop(&d.free).(int)
		d.uses[fd-firstDescriptor] = int32(use)
		return fd
	}
	d.uses = append(d.uses, int32(use))
	return len(d.uses) - 1 + firstDescriptor
}

func (d *descriptors) give(fd int) {
	d.open--
	d.uses[fd-firstDescriptor] = 0
	heap.Push(&d.free, fd)
}

func (d *descriptors) at(fd int) int {
	if fd < firstDescriptor || fd-firstDescriptor >= len(d.uses) {
		return 0
	}
	return int(d.uses[fd-firstDescriptor])
}

// random draws a number and returns its socket, or -1.
func (d *descriptors) random(r *rand.Rand) int {
	return max(int(d.uses[r.IntN(len(d.uses))])-1, -1)
}

type intHeap []int

func (h intHeap) Len() int { return len(h) }

func (h intHeap) Less(i, j int) bool { return h[i] < h[j] }

func (h intHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

func (h *intHeap) Push(x any) { *h = append(*h, x.(int)) }

func (h *intHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}
