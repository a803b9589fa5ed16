package poller

import (
	"bytes"
	"math/rand/v2"
	"sync"
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
		{0, 512},
		{1, 512},
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
	const size = 1 << maxBufferShift
	for range 2 * keepClassBytes / size {
		p.Put(make([]byte, 0, size))
	}
	c := &p.classes[len(p.classes)-1]
	if kept := len(c.free) * size; kept != keepClassBytes {
		t.Errorf("%d bytes are kept, want %d", kept, keepClassBytes)
	}
}

func TestBuffersGrow(t *testing.T) {
	var p Buffers
	b := append(p.Get(100), "contents"...)
	if same := p.Grow(b, 512); &same[0] != &b[0] {
		t.Error("Grow moved a slice that had room")
	}
	grown := p.Grow(b, 513)
	if string(grown) != "contents" || cap(grown) != 1024 {
		t.Errorf("Grow: %q, capacity %d", grown, cap(grown))
	}
	if back := p.Get(1); &back[:1][0] != &b[:1][0] {
		t.Error("Grow did not take the old slice back")
	}
}

// TestBuffersTrim lets a burst pass: what was in use since the last Trim stays, half
// of what was not goes.
func TestBuffersTrim(t *testing.T) {
	var p Buffers
	held := func() int { return len(p.classes[0].free) }
	for range 100 {
		p.Put(make([]byte, 0, 512))
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
