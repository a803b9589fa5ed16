package poller

import (
	"bytes"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
)

func TestTokenParts(t *testing.T) {
	token := MakeToken(0xfffffffe, 0x80000001)
	if token.Slot() != 0xfffffffe || token.Generation() != 0x80000001 {
		t.Errorf("%#x, %#x", token.Slot(), token.Generation())
	}
}

// TestSlabDoesNotMove keeps pointers while the slab grows.
func TestSlabDoesNotMove(t *testing.T) {
	var s Slab[uint64]
	if s.Len() != 0 {
		t.Errorf("an empty slab has Len %d", s.Len())
	}
	var kept []*uint64
	const slots = 3*slabChunk + 1
	for slot := range uint32(slots) {
		s.Grow(slot)
		s.Grow(slot / 2) // never shrinks
		if s.Len() <= int(slot) {
			t.Fatalf("Len %d after Grow(%d)", s.Len(), slot)
		}
		p := s.At(slot)
		*p = uint64(slot) + 1
		kept = append(kept, p)
	}
	for slot, p := range kept {
		if s.At(uint32(slot)) != p || *p != uint64(slot)+1 {
			t.Fatalf("slot %d moved or changed", slot)
		}
	}
	if s.Len() != 4*slabChunk {
		t.Errorf("Len %d, want %d", s.Len(), 4*slabChunk)
	}
}

func TestSlabGrowsFarAtOnce(t *testing.T) {
	var s Slab[uint32]
	s.Grow(5 * slabChunk)
	if s.Len() != 6*slabChunk {
		t.Fatalf("Len %d, want %d", s.Len(), 6*slabChunk)
	}
	for slot := range uint32(s.Len()) {
		*s.At(slot) = slot
	}
}

// TestSlabIsReadWhileItGrows is for the race detector.
func TestSlabIsReadWhileItGrows(t *testing.T) {
	var s Slab[uint32]
	s.Grow(0)
	*s.At(0) = 7
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for s.Len() < 20*slabChunk {
				if *s.At(0) != 7 {
					t.Error("slot 0 changed")
					return
				}
			}
		})
	}
	for slot := uint32(slabChunk); slot < 20*slabChunk; slot += slabChunk {
		s.Grow(slot)
	}
	wg.Wait()
}

func TestBuffersClasses(t *testing.T) {
	var p Buffers
	for _, test := range []struct{ need, capacity int }{
		{0, 64},
		{1, 64},
		{64, 64},
		{65, 128},
		{512, 512},
		{513, 1024},
		{1024, 1024},
		{1025, 2048},
		{64 << 10, 64 << 10},
		{64<<10 + 1, 128 << 10},
		{1 << 20, 1 << 20},
		{1<<20 + 1, 1<<20 + 1},
	} {
		b := p.Get(test.need)
		if len(b) != 0 || cap(b) != test.capacity {
			t.Errorf("Get(%d): length %d, capacity %d, want 0 and %d", test.need, len(b), cap(b), test.capacity)
		}
	}
}

func TestBuffersRecycle(t *testing.T) {
	var p Buffers
	b := append(p.Get(1000), 1, 2, 3)
	p.Put(b)
	again := p.Get(600)
	if &again[:1][0] != &b[0] || len(again) != 0 {
		t.Error("the buffer did not come back empty")
	}
	if other := p.Get(600); &other[:1][0] == &b[0] {
		t.Error("one buffer was given twice")
	}
	for name, foreign := range map[string][]byte{
		"of no class": make([]byte, 0, 777), "too large": make([]byte, 0, 2<<20), "nil": nil, "too small": make([]byte, 0, 8),
	} {
		p.Put(foreign)
		for i := range p.classes {
			if len(p.classes[i].free) != 0 {
				t.Errorf("a slice %s was kept", name)
			}
		}
	}
	p.Release(b)
	if third := p.Get(1000); &third[:1][0] != &b[0] {
		t.Error("Release did not take the buffer back")
	}
}

func TestBuffersAreBounded(t *testing.T) {
	var p Buffers
	var meter atomic.Int64
	p.Meter = &meter
	sizes := []int{1 << maxBufferShift, blockBytes, smallBlockBytes}
	var taken [][]byte
	for _, size := range sizes {
		for range keepBytes / size {
			taken = append(taken, p.Get(size))
		}
	}
	for _, b := range taken {
		p.Put(b)
	}
	if kept := freeBytes(&p); kept != keepBytes || p.kept != keepBytes || meter.Load() != keepBytes {
		t.Errorf("%d bytes are kept, %d counted, %d metered, want %d", kept, p.kept, meter.Load(), keepBytes)
	}
}

// freeBytes is what the free lists hold.
func freeBytes(p *Buffers) int {
	n := 0
	for i := range p.classes {
		for _, b := range p.classes[i].free {
			n += cap(b)
		}
	}
	return n
}

// TestBuffersMeter compares the meter with what is in use and what is kept, step by
// step, for two pools that share it.
func TestBuffersMeter(t *testing.T) {
	var meter atomic.Int64
	random := rand.New(rand.NewPCG(5, 6))
	pools := [2]Buffers{{Meter: &meter}, {Meter: &meter}}
	var taken [2][][]byte
	check := func(what string) {
		t.Helper()
		want := 0
		for i := range pools {
			want += freeBytes(&pools[i])
			for _, b := range taken[i] {
				want += cap(b)
			}
			if kept := freeBytes(&pools[i]); kept != pools[i].kept || kept > keepBytes {
				t.Fatalf("%s: %d bytes are kept, %d counted", what, kept, pools[i].kept)
			}
		}
		if int(meter.Load()) != want {
			t.Fatalf("%s: the meter says %d, want %d", what, meter.Load(), want)
		}
	}
	size := func() int { return random.IntN(1 << random.IntN(maxBufferShift+3)) }
	for range 5000 {
		i := random.IntN(len(pools))
		p, mine := &pools[i], &taken[i]
		switch n := random.IntN(20); {
		case n < 8:
			*mine = append(*mine, p.Get(size()))
			check("Get")
		case n < 15 && len(*mine) > 0:
			last := len(*mine) - 1
			p.Put((*mine)[last])
			*mine = (*mine)[:last]
			check("Put")
		case n < 18 && len(*mine) > 0:
			b := &(*mine)[random.IntN(len(*mine))]
			*b = p.Grow(*b, size())
			check("Grow")
		case n == 18:
			p.Trim()
			check("Trim")
		case n == 19 && random.IntN(20) == 0:
			p.Empty()
			check("Empty")
			if p.kept != 0 {
				t.Fatalf("%d bytes are kept by an empty pool", p.kept)
			}
		}
	}
	for i := range pools {
		for _, b := range taken[i] {
			pools[i].Release(b)
		}
		pools[i].Empty()
	}
	if meter.Load() != 0 {
		t.Errorf("the meter says %d at the end, want 0", meter.Load())
	}
}

// TestBuffersWithoutMeter makes, recycles and lets go, in every size.
func TestBuffersWithoutMeter(t *testing.T) {
	var p Buffers
	for size := 1; size <= 4<<maxBufferShift; size *= 2 {
		p.Put(p.Grow(p.Get(size), 2*size))
		p.Trim()
	}
	p.Empty()
	if n := freeBytes(&p); n != 0 || p.kept != 0 {
		t.Errorf("%d bytes are kept, %d counted", n, p.kept)
	}
}

// TestBuffersRecyclingIsFree has what comes and goes through the free lists leave the
// meter alone.
func TestBuffersRecyclingIsFree(t *testing.T) {
	var meter atomic.Int64
	p := Buffers{Meter: &meter}
	b := p.Get(1000)
	before := meter.Load()
	meter.Store(-1)
	for range 10 {
		p.Put(b)
		b = p.Get(1000)
	}
	if before != int64(cap(b)) || meter.Load() != -1 {
		t.Errorf("the meter said %d for %d bytes, and changed by %d", before, cap(b), meter.Load()+1)
	}
}

func TestBuffersGrow(t *testing.T) {
	var p Buffers
	b := append(p.Get(300), "contents"...)
	if same := p.Grow(b, 512); &same[0] != &b[0] {
		t.Error("Grow moved a slice that had room")
	}
	grown := p.Grow(b, 513)
	if string(grown) != "contents" || cap(grown) != 1024 {
		t.Errorf("Grow: %q, capacity %d", grown, cap(grown))
	}
	if back := p.Get(300); &back[:1][0] != &b[:1][0] {
		t.Error("Grow did not take the old slice back")
	}
}

// TestBuffersTrim lets a burst pass: what was in use since the last Trim stays, half
// of what was not goes.
func TestBuffersTrim(t *testing.T) {
	var p Buffers
	held := func() int { return len(p.classes[0].free) }
	for range 100 {
		p.Put(make([]byte, 0, 1<<minBufferShift))
	}
	p.Trim()
	if held() != 100 {
		t.Fatalf("%d are held after a Trim in which all were in use, want 100", held())
	}
	p.Trim()
	if held() != 50 {
		t.Errorf("%d are held, want 50", held())
	}
	// 30 are needed again and again, so they stay; of the other 20 half go.
	use := func(n int) {
		var taken [][]byte
		for range n {
			taken = append(taken, p.Get(1))
		}
		for _, b := range taken {
			p.Put(b)
		}
	}
	use(30)
	p.Trim()
	if held() != 40 {
		t.Errorf("%d are held, want 40", held())
	}
	for range 20 {
		p.Trim()
	}
	if held() != 0 {
		t.Errorf("%d are held by an idle pool, want 0", held())
	}
	p.Trim()
}

// TestQueueAgainstBytes compares a queue with a plain slice, step by step.
func TestQueueAgainstBytes(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var p Buffers
	var q queue
	var model []byte
	next := byte(0)
	for step := range 3000 {
		switch random.IntN(8) {
		case 0:
			if step%7 == 0 {
				q.drop(&p)
				model = model[:0]
			}
		case 1, 2, 3:
			b := make([]byte, random.IntN(1+random.IntN(100_000)))
			for i := range b {
				b[i] = next
				next += 31
			}
			q.append(b, &p)
			model = append(model, b...)
		default:
			n := random.IntN(len(model) + 1)
			if step%3 == 0 {
				n = min(n, random.IntN(5000))
			}
			q.discard(n, &p)
			model = model[n:]
		}
		if q.pending != len(model) {
			t.Fatalf("step %d: %d pending, want %d", step, q.pending, len(model))
		}
		if len(model) == 0 && len(q.blocks) != 0 {
			t.Fatalf("step %d: an empty queue holds %d blocks", step, len(q.blocks))
		}
		// A vector of all blocks, then one that is shorter than the queue.
		if got := bytes.Join(q.vec(make([][]byte, 0, len(q.blocks)+1)), nil); !bytes.Equal(got, model) {
			t.Fatalf("step %d: the queue differs from the bytes given to it", step)
		}
		if got := bytes.Join(q.vec(make([][]byte, 0, 2)), nil); !bytes.HasPrefix(model, got) || len(got) == 0 && len(model) > 0 {
			t.Fatalf("step %d: a short vector holds %d bytes that are not the first", step, len(got))
		}
	}
}

// TestQueueStartsSmall has a connection with little to wait for hold little.
func TestQueueStartsSmall(t *testing.T) {
	var p Buffers
	var q queue
	q.append(make([]byte, 100), &p)
	if n := cap(q.blocks[0]); n != smallBlockBytes {
		t.Errorf("the first block has %d bytes, want %d", n, smallBlockBytes)
	}
	q.discard(100, &p)
	if back := p.Get(smallBlockBytes); len(p.classes[class(smallBlockBytes)].free) != 0 || cap(back) != smallBlockBytes {
		t.Error("the block did not go back to the pool")
	}
}

// TestBuffersKeep bounds what is kept by a setting.
func TestBuffersKeep(t *testing.T) {
	var meter atomic.Int64
	p := Buffers{Meter: &meter, Keep: 3000}
	a, b, big := p.Get(1000), p.Get(2000), p.Get(2000)
	p.Put(b)
	p.Put(big)
	p.Put(a)
	if kept := freeBytes(&p); kept != 2048 || meter.Load() != 2048 {
		t.Errorf("%d bytes are kept, %d metered, want 2048", kept, meter.Load())
	}
}

// TestBuffersLack compares what Grow allocates with what Lacks said.
func TestBuffersLack(t *testing.T) {
	var meter atomic.Int64
	p := Buffers{Meter: &meter, Keep: math.MaxInt}
	random := rand.New(rand.NewPCG(7, 8))
	var all [4][]byte
	for step := range 10_000 {
		b := &all[random.IntN(len(all))]
		need := random.IntN(1 << random.IntN(21))
		lacks, before := p.Lacks(*b, need), int(meter.Load())
		*b = p.Grow(*b, need)
		if got := int(meter.Load()) - before; got != lacks {
			t.Fatalf("step %d: growing to %d took %d bytes, not %d", step, need, got, lacks)
		}
		if random.IntN(4) == 0 {
			p.Put(*b)
			*b = nil
		}
	}
	if n := p.Lacks(make([]byte, 0, 2<<20), 2<<20+1); n != 3<<20 {
		t.Errorf("a large buffer takes %d bytes to grow", n)
	}
}
