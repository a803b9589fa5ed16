package gnetdriver

import "github.com/wsloop/wsloop/poller"

// Blocks of a queue are about as large as all that waits, between these sizes.
const (
	blockBytes      = 64 << 10
	smallBlockBytes = 4 << 10
)

// A queue holds output that waits, in pooled blocks. It is empty without any.
type queue struct {
	blocks  [][]byte
	offset  int // bytes of the first block that were sent
	pending int
}

// append copies b to the end.
func (q *queue) append(b []byte, pool *poller.Buffers) {
	q.pending += len(b)
	for len(b) > 0 {
		last := len(q.blocks) - 1
		if last < 0 || len(q.blocks[last]) == cap(q.blocks[last]) {
			q.blocks = append(q.blocks, pool.Get(max(smallBlockBytes, min(q.pending, blockBytes))))
			last++
		}
		block := q.blocks[last]
		n := min(len(b), cap(block)-len(block))
		q.blocks[last] = append(block, b[:n]...)
		b = b[n:]
	}
}

// first is the first stretch of bytes, nil if there are none.
func (q *queue) first() []byte {
	if len(q.blocks) == 0 {
		return nil
	}
	return q.blocks[0][q.offset:]
}

// discard forgets the first n bytes.
func (q *queue) discard(n int, pool *poller.Buffers) {
	q.pending -= n
	q.offset += n
	gone := 0
	for gone < len(q.blocks) && q.offset >= len(q.blocks[gone]) {
		q.offset -= len(q.blocks[gone])
		pool.Put(q.blocks[gone])
		gone++
	}
	kept := copy(q.blocks, q.blocks[gone:])
	clear(q.blocks[kept:])
	q.blocks = q.blocks[:kept]
	if kept == 0 {
		q.blocks = nil // who waits owns memory, and nobody else
	}
}

// drop forgets everything.
func (q *queue) drop(pool *poller.Buffers) {
	for _, block := range q.blocks {
		pool.Put(block)
	}
	*q = queue{}
}

// held is the memory of the blocks.
func (q *queue) held() int {
	n := 0
	for _, block := range q.blocks {
		n += cap(block)
	}
	return n
}
