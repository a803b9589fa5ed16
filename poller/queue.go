package poller

// A queue grows by pieces between these sizes, each about as large as all that waits, so
// that many connections for which little waits do not take much together.
const (
	blockBytes      = 64 << 10
	smallBlockBytes = 4 << 10
)

// A queue holds output that the socket did not take, in pooled blocks.
type queue struct {
	blocks  [][]byte
	offset  int // bytes of the first block already sent
	pending int
}

// append copies b to the end.
func (q *queue) append(b []byte, pool *Buffers) {
	q.pending += len(b)
	for len(b) > 0 {
		last := len(q.blocks) - 1
		if last < 0 || len(q.blocks[last]) == cap(q.blocks[last]) {
			size := max(smallBlockBytes, min(q.pending, blockBytes))
			q.blocks = append(q.blocks, pool.Get(size))
			last++
		}
		block := q.blocks[last]
		n := min(len(b), cap(block)-len(block))
		q.blocks[last] = append(block, b[:n]...)
		b = b[n:]
	}
}

// held is the memory of the blocks.
func (q *queue) held() int {
	n := 0
	for _, block := range q.blocks {
		n += cap(block)
	}
	return n
}

// vec appends the waiting pieces to vec, as far as its capacity goes.
func (q *queue) vec(vec [][]byte) [][]byte {
	offset := q.offset
	for _, block := range q.blocks {
		if len(vec) == cap(vec) {
			break
		}
		vec = append(vec, block[offset:])
		offset = 0
	}
	return vec
}

// discard forgets the first n bytes.
func (q *queue) discard(n int, pool *Buffers) {
	q.pending -= n
	q.offset += n
	gone := 0
	for gone < len(q.blocks) && q.offset >= len(q.blocks[gone]) {
		q.offset -= len(q.blocks[gone])
		pool.Put(q.blocks[gone])
		gone++
	}
	if gone > 0 {
		kept := copy(q.blocks, q.blocks[gone:])
		clear(q.blocks[kept:])
		q.blocks = q.blocks[:kept]
	}
}

// drop forgets everything.
func (q *queue) drop(pool *Buffers) {
	for i, block := range q.blocks {
		pool.Put(block)
		q.blocks[i] = nil
	}
	*q = queue{blocks: q.blocks[:0]}
}
