package engine

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsloop/wsloop/poller"
)

// naive is a backlog as one would write it without caring for speed.
type naive []naiveItem

type naiveItem struct {
	id, size int
	key      string
	expires  int // 0 for never
	fixed    bool
	own      bool
	kept     bool
}

func (n naive) cost() (cost int) {
	for _, i := range n {
		cost += i.size + itemBytes
	}
	return cost
}

func (n naive) find(key string) int {
	return slices.IndexFunc(n, func(i naiveItem) bool { return key != "" && i.key == key })
}

// backlogTest is a backlog beside its model.
type backlogTest struct {
	*testing.T
	b      backlog
	model  naive
	pool   poller.Buffers
	held   atomic.Int64
	server Server // whose budget counts prepared messages
	now    int
	nextID int
	mixed  bool // frames are under several policies
}

// frame makes a frame; every third is of a message that was prepared.
func (bt *backlogTest) frame(size int) wire {
	bt.nextID++
	if bt.nextID%3 != 0 {
		return wire{bytes: binary.BigEndian.AppendUint64(bt.pool.Get(size), uint64(bt.nextID))[:size]}
	}
	p := &Prepared{server: &bt.server, frame: binary.BigEndian.AppendUint64(make([]byte, 0, size), uint64(bt.nextID))[:size]}
	p.hold()
	return wire{bytes: p.frame, prepared: p}
}

func frameID(frame []byte) int { return int(binary.BigEndian.Uint64(frame)) }

// send puts a frame where the policy that keeps the latest would.
func (bt *backlogTest) send(size int, key string, ttl int, fixed bool) {
	if fixed {
		key = ""
	}
	frame := bt.frame(size)
	added := naiveItem{bt.nextID, size, key, 0, fixed, bt.mixed && bt.nextID%2 == 0, bt.mixed && bt.nextID%10 == 1}
	if ttl > 0 && !fixed {
		added.expires = bt.now + ttl + 1 // deadlines are never early
	}
	it := bt.b.latest(key)
	if at := bt.model.find(key); at >= 0 {
		if it == nil {
			bt.Fatalf("key %q not found", key)
		}
		bt.b.replace(it, frame, &bt.pool)
		added.own, added.kept = bt.model[at].own, bt.model[at].kept
		bt.model[at] = added
	} else {
		if it != nil {
			bt.Fatalf("key %q found, though nothing waits", key)
		}
		it = bt.b.push(item{wire: frame, key: key, fixed: fixed, own: added.own, kept: added.kept})
		bt.model = append(bt.model, added)
		if n := len(bt.b.items); n > 2*bt.b.frames+minCompact {
			bt.Fatalf("%d items for %d frames", n, bt.b.frames)
		}
	}
	it.expire(uint32(bt.now), 0, time.Duration(ttl)*tick)
}

func (bt *backlogTest) dropOldest(limit int, own bool, keepKey string) {
	keep := bt.model.find(keepKey)
	dropped := bt.b.dropOldest(limit, own, bt.b.latest(keepKey), &bt.pool)
	want := 0
	var left naive
	cost := bt.model.cost()
	for at, i := range bt.model {
		if cost > limit && at != keep && !i.fixed && !i.kept && (own || !i.own) {
			cost -= i.size + itemBytes
			want++
			continue
		}
		left = append(left, i)
	}
	bt.model = left
	if dropped != want {
		bt.Fatalf("%d dropped, want %d", dropped, want)
	}
}

func (bt *backlogTest) expire() int {
	before := len(bt.model)
	bt.model = slices.DeleteFunc(bt.model, func(i naiveItem) bool { return i.expires != 0 && i.expires <= bt.now })
	return before - len(bt.model)
}

// sweep drops what is out of date, for which a backlog looks once a tick.
func (bt *backlogTest) sweep() {
	want := 0
	if bt.b.swept != uint32(bt.now) {
		want = bt.expire()
	}
	if dropped := bt.b.dropExpired(uint32(bt.now), &bt.pool); dropped != want {
		bt.Fatalf("%d expired, want %d", dropped, want)
	}
}

func (bt *backlogTest) take(limit int) {
	batch, size, _ := bt.b.take(make([]wire, 0, 8), limit, uint32(bt.now), &bt.pool)
	total := 0
	for i := range batch {
		frame := batch[i].bytes
		for len(bt.model) > 0 && bt.model[0].expires != 0 && bt.model[0].expires <= bt.now {
			bt.model = bt.model[1:]
		}
		if len(bt.model) == 0 || bt.model[0].id != frameID(frame) || bt.model[0].size != len(frame) {
			bt.Fatalf("took frame %d of %d bytes, want the first of %v", frameID(frame), len(frame), bt.model)
		}
		if total >= limit {
			bt.Fatalf("%d bytes taken with a limit of %d", size, limit)
		}
		total += len(frame)
		bt.model = bt.model[1:]
		batch[i].free(&bt.pool)
	}
	if total != size {
		bt.Fatalf("size %d, want %d", size, total)
	}
	if size == 0 && !bt.b.empty() {
		bt.Fatal("nothing taken, though frames wait")
	}
	if size < limit && len(batch) < cap(batch) {
		bt.expire() // the whole of it was looked at
	}
}

// check compares all that can be asked of a backlog.
func (bt *backlogTest) check(keys []string) {
	var fixed, own, kept int
	for _, i := range bt.model {
		switch cost := i.size + itemBytes; {
		case i.fixed:
			fixed += cost
		case i.own:
			own += cost
		case i.kept:
			kept += cost
		}
	}
	b := &bt.b
	if b.frames != len(bt.model) || b.cost() != bt.model.cost() || b.empty() != (len(bt.model) == 0) {
		bt.Fatalf("%d frames, cost %d; want %d, %d", b.frames, b.cost(), len(bt.model), bt.model.cost())
	}
	if b.fixed != fixed || b.own != own || b.kept != kept {
		bt.Fatalf("fixed %d, own %d, kept %d; want %d, %d, %d", b.fixed, b.own, b.kept, fixed, own, kept)
	}
	for _, key := range keys {
		it, at := b.latest(key), bt.model.find(key)
		if (it != nil) != (at >= 0) || it != nil && frameID(it.bytes) != bt.model[at].id {
			bt.Fatalf("key %q: %v, want the frame at %d of %v", key, it, at, bt.model)
		}
	}
}

// Whatever is done with a backlog, it holds what a naive one would, and in the end all buffers are home.
func TestBacklogAgainstAModel(t *testing.T) {
	keys := []string{""}
	for i := range 40 {
		keys = append(keys, fmt.Sprint("key ", i))
	}
	for seed := range uint64(60) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			bt := &backlogTest{T: t, mixed: true}
			bt.pool.Meter = &bt.held
			keyed := random.IntN(len(keys)) + 1
			for range 2000 {
				switch n := random.IntN(100); {
				case n < 70:
					bt.send(8+random.IntN(300), keys[random.IntN(keyed)], max(random.IntN(40)-20, 0), random.IntN(20) == 0)
				case n < 80:
					bt.dropOldest(random.IntN(bt.model.cost()+200), random.IntN(2) == 0, keys[random.IntN(keyed)])
				case n < 95:
					bt.take(random.IntN(2000) + 1)
				case n < 99:
					bt.now += random.IntN(4)
					bt.sweep()
				default:
					want := len(slices.DeleteFunc(bt.model, func(i naiveItem) bool { return i.fixed }))
					bt.model = nil
					if dropped := bt.b.clear(&bt.pool); dropped != want {
						t.Fatalf("%d dropped, want %d", dropped, want)
					}
				}
				bt.check(keys)
			}
			bt.b.clear(&bt.pool)
			bt.pool.Empty()
			if pooled, prepared := bt.held.Load(), bt.server.budget.held.Load(); pooled != 0 || prepared != 0 || len(bt.b.keys) != 0 {
				t.Errorf("%d bytes, %d of prepared messages and %d keys are not given back", pooled, prepared, len(bt.b.keys))
			}
		})
	}
}

// Behind a frame that must not be dropped, messages that come and go leave nothing behind.
func TestBacklogBehindAFragmentDoesNotGrow(t *testing.T) {
	bt := &backlogTest{T: t}
	bt.send(100, "", 0, true)
	for range 10_000 {
		bt.send(100, "", 0, false)
		bt.dropOldest(10*(100+itemBytes), true, "")
		bt.check(nil)
	}
	if n := cap(bt.b.items); n > 8*minCompact {
		t.Errorf("room for %d items is kept for %d", n, bt.b.frames)
	}
}

// What a loop keeps of backlogs after many peers were slow at once is bounded, and a backlog that has grown
// is not kept.
func TestSpareBacklogsAreBounded(t *testing.T) {
	const conns = 3 * maxSpareBacklogs
	tr := newTrace()
	s := &Server{Events: tr.events()}
	m := newMemory(t, s)
	var all []Conn
	for range conns {
		all = append(all, m.conn(tr))
	}
	before := s.Stats().Memory
	for round := range 2 {
		for i, c := range all {
			m.conns[c.token.Slot()].stalled = true
			for range 4 + i%2*2*maxSpareItems {
				_, _ = c.SendText("1")
				if c.Buffered() == 3 {
					m.turn()
				}
			}
		}
		if n := len(m.engine.backlogs) - 1; n != conns || s.Stats().Memory <= before {
			t.Errorf("round %d: %d backlogs, %d bytes", round, n, s.Stats().Memory)
		}
		for _, c := range all {
			m.drain(c.token)
		}
		if n := len(m.engine.freeBacklogs); n != conns {
			t.Errorf("round %d: %d places for backlogs free", round, n)
		}
		if n := len(m.engine.spareBacklogs); n == 0 || n > maxSpareBacklogs {
			t.Errorf("round %d: %d backlogs kept", round, n)
		}
		for _, b := range m.engine.spareBacklogs {
			if cap(b.items) > maxSpareItems || b.metered != 0 || b.token != 0 {
				t.Errorf("round %d: %+v kept", round, b)
			}
		}
	}
	m.pass(10 * time.Second)
	if n := s.Stats().Memory; n > before+2*minOutboxBytes {
		t.Errorf("%d bytes are held, %d before", n, before)
	}
}
