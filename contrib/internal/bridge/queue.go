package bridge

// queue is a first-in-first-out queue that drops its oldest items where it would exceed a number of items or bytes. It has no lock.
type queue[T any] struct {
	mostItems, mostBytes int
	dropped              func(T) // told of each; nil tells nobody

	items []sized[T]
	head  int // of the items that are left
	bytes int
}

type sized[T any] struct {
	item T
	size int
}

func (q *queue[T]) len() int { return len(q.items) - q.head }

// push appends an item, and drops others for that. One that is larger than all that may wait, waits alone.
func (q *queue[T]) push(item T, size int) {
	for q.len() > 0 && (q.len() >= q.mostItems || q.bytes+size > q.mostBytes) {
		if item := q.pop(); q.dropped != nil {
			q.dropped(item)
		}
	}
	q.items = append(q.items, sized[T]{item, size})
	q.bytes += size
}

// take moves the oldest items to dst: as many as make up the bytes, and one at least if there is any.
func (q *queue[T]) take(dst []T, bytes int) []T {
	for q.len() > 0 && (len(dst) == 0 || q.items[q.head].size <= bytes) {
		bytes -= q.items[q.head].size
		dst = append(dst, q.pop())
	}
	return dst
}

// clear drops everything and says how many items that were.
func (q *queue[T]) clear() (dropped int) {
	dropped = q.len()
	q.items, q.head, q.bytes = nil, 0, 0
	return dropped
}

// compactAt is how many items are gone at least before the rest is moved to the front.
const compactAt = 1024

func (q *queue[T]) pop() T {
	first := q.items[q.head]
	q.items[q.head] = sized[T]{}
	q.head++
	q.bytes -= first.size
	switch {
	case q.head == len(q.items):
		q.items, q.head = q.items[:0], 0
	case q.head >= compactAt && 2*q.head >= len(q.items):
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	return first.item
}
