package topic

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// A model is what a Table and a Retained are said to be, and both beside it.
type model struct {
	t        *testing.T
	r        *rand.Rand
	table    Table
	retained Retained[int]
	subs     map[uint32]map[string]uint64 // members by id and pattern
	values   map[string]int

	tokens []string
	depth  int
	ids    uint32
	limit  int
	most   int // subscriptions at once
}

// Any sequence of operations gives what the model says. After each of them all that
// holds the structure together is looked at, and the slices and maps are no larger than
// what they hold lets them be. In the end nothing is left.
func TestModel(t *testing.T) {
	seeds, most := uint64(24), 0
	if testing.Short() {
		seeds = 6
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			m := newModel(t, rand.New(rand.NewPCG(seed, 9)))
			for step := range 2400 {
				m.step(step/600%2 == 0)
				if m.check(); t.Failed() {
					t.Fatal("step ", step)
				}
			}
			m.end()
			most = max(most, m.most)
		})
	}
	if !t.Failed() && most < 300 {
		t.Error("no more than ", most, " subscriptions at once")
	}
}

func newModel(t *testing.T, r *rand.Rand) *model {
	m := &model{t: t, r: r, subs: make(map[uint32]map[string]uint64), values: make(map[string]int)}
	for i := range []int{2, 5, 30}[r.IntN(3)] {
		m.tokens = append(m.tokens, fmt.Sprint("t", i))
	}
	m.depth = 1 + r.IntN(4)
	m.ids = []uint32{2, 40, 3 * chunkLen}[r.IntN(3)]
	m.limit = []int{0, 3, 1000}[r.IntN(3)]
	return m
}

func (m *model) name() string {
	tokens := make([]string, 1+m.r.IntN(m.depth))
	for i := range tokens {
		tokens[i] = m.tokens[m.r.IntN(len(m.tokens))]
	}
	return strings.Join(tokens, ".")
}

func (m *model) pattern() string {
	tokens := strings.Split(m.name(), ".")
	if m.r.IntN(2) == 0 {
		tokens[m.r.IntN(len(tokens))] = "*"
	}
	if m.r.IntN(4) == 0 {
		tokens[len(tokens)-1] = ">"
	}
	return strings.Join(tokens, ".")
}

// step does one operation; there are more of those that add than of others while growing.
func (m *model) step(growing bool) {
	adds := m.r.IntN(8) < 7
	id := m.r.Uint32N(m.ids)
	switch {
	case adds == growing && m.r.IntN(3) > 0:
		m.subscribe(id)
	case adds == growing:
		name, v := m.name(), m.r.Int()
		want, had := m.values[name]
		if before, replaced := m.retained.Set(name, v); before != want || replaced != had {
			m.t.Errorf("Set(%s): %d, %v", name, before, replaced)
		}
		m.values[name] = v
	case m.r.IntN(8) == 0:
		m.unsubscribeAll(m.holder(id))
	case m.r.IntN(3) > 0:
		m.unsubscribe(m.holder(id))
	default:
		name := m.name()
		if len(m.values) > 0 && m.r.IntN(4) > 0 {
			name = pick(m.r, m.values)
		}
		want, had := m.values[name]
		if before, ok := m.retained.Delete(name); before != want || ok != had {
			m.t.Errorf("Delete(%s): %d, %v", name, before, ok)
		}
		delete(m.values, name)
	}
}

// holder gives mostly one that has subscriptions.
func (m *model) holder(id uint32) uint32 {
	if len(m.subs) == 0 || m.r.IntN(8) == 0 {
		return id
	}
	return pick(m.r, m.subs)
}

// pick gives one of the keys, the same for the same seed.
func pick[K uint32 | string, V any](r *rand.Rand, m map[K]V) K {
	return slices.Sorted(maps.Keys(m))[r.IntN(len(m))]
}

func (m *model) subscribe(id uint32) {
	pattern, member := m.pattern(), m.r.Uint64()
	_, had := m.subs[id][pattern]
	added, first, err := m.table.Subscribe(id, member, pattern, m.limit)
	switch {
	case had:
		if added || first || err != nil {
			m.t.Errorf("%d has %s: %v, %v, %v", id, pattern, added, first, err)
		}
		return
	case m.limit > 0 && len(m.subs[id]) >= m.limit:
		if added || first || !errors.Is(err, ErrLimit) {
			m.t.Errorf("%d is at the limit: %v, %v, %v", id, added, first, err)
		}
		return
	case !added || err != nil || first != (m.count(pattern) == 0):
		m.t.Errorf("%d gets %s: %v, %v, %v", id, pattern, added, first, err)
	}
	if m.subs[id] == nil {
		m.subs[id] = make(map[string]uint64)
	}
	m.subs[id][pattern] = member
}

func (m *model) unsubscribe(id uint32) {
	pattern := m.pattern()
	if len(m.subs[id]) > 0 && m.r.IntN(8) > 0 {
		pattern = pick(m.r, m.subs[id])
	}
	_, had := m.subs[id][pattern]
	m.forget(id, pattern)
	removed, last := m.table.Unsubscribe(id, pattern)
	if removed != had || last != (had && m.count(pattern) == 0) {
		m.t.Errorf("%d loses %s: %v, %v", id, pattern, removed, last)
	}
}

func (m *model) unsubscribeAll(id uint32) {
	m.table.UnsubscribeAll(id, func(pattern string, last bool) {
		if _, ok := m.subs[id][pattern]; !ok {
			m.t.Errorf("%d never had %s", id, pattern)
		}
		m.forget(id, pattern)
		if last != (m.count(pattern) == 0) {
			m.t.Errorf("%d was the last of %s: %v", id, pattern, last)
		}
	})
	if len(m.subs[id]) > 0 {
		m.t.Errorf("%d still has %v", id, m.subs[id])
	}
}

func (m *model) forget(id uint32, pattern string) {
	if delete(m.subs[id], pattern); len(m.subs[id]) == 0 {
		delete(m.subs, id)
	}
}

func (m *model) count(pattern string) (n int) {
	for _, patterns := range m.subs {
		if _, ok := patterns[pattern]; ok {
			n++
		}
	}
	return n
}

// check compares what can be asked, of some id, name and pattern.
func (m *model) check() {
	if f := m.table.fault(); f != "" {
		m.t.Error(f)
		return
	}
	if f := m.retained.fault(); f != "" {
		m.t.Error(f)
		return
	}
	id, name, pattern := m.holder(0), m.name(), m.pattern()
	if got := m.table.Subscriptions(id, nil); !equal(got, slices.Collect(maps.Keys(m.subs[id]))) {
		m.t.Errorf("%d has %q", id, got)
	}
	if got := m.table.Subscribed(id, pattern); got != hasKey(m.subs[id], pattern) {
		m.t.Errorf("%d has %s: %v", id, pattern, got)
	}
	if got, want := m.table.Count(pattern), m.count(pattern); got != want {
		m.t.Errorf("%s has %d subscribers, not %d", pattern, got, want)
	}
	m.checkMatch(name)
	if v, ok := m.retained.Get(name); ok != hasKey(m.values, name) || v != m.values[name] {
		m.t.Errorf("%s is %d, %v", name, v, ok)
	}
	if m.retained.Len() != len(m.values) {
		m.t.Errorf("%d values, not %d", m.retained.Len(), len(m.values))
	}
	m.checkRetained(pattern)
}

func (m *model) checkMatch(name string) {
	want := make(map[string][]uint64)
	subscriptions := 0
	for _, patterns := range m.subs {
		for pattern, member := range patterns {
			if subscriptions++; Matches(pattern, name) {
				want[pattern] = append(want[pattern], member)
			}
		}
	}
	m.most = max(m.most, subscriptions)
	sets := m.table.Match(name, nil)
	for _, s := range sets {
		if !equal(s.Members(), want[s.Pattern()]) {
			m.t.Errorf("%s for %s: %d, want %d", s.Pattern(), name, s.Members(), want[s.Pattern()])
		}
	}
	if len(sets) != len(want) || hasKey(want, name) && sets[0].Pattern() != name {
		m.t.Errorf("%d sets for %s, want %d", len(sets), name, len(want))
	}
	for id := range m.ids {
		receives := false
		for pattern := range m.subs[id] {
			receives = receives || Matches(pattern, name)
		}
		if got := m.table.Receives(id, name, sets); got != receives {
			m.t.Errorf("%d receives %s: %v", id, name, got)
		}
	}
	m.r.Shuffle(len(sets), func(i, j int) { sets[i], sets[j] = sets[j], sets[i] })
	union := []uint64{42}
	for _, patterns := range m.subs {
		for _, s := range sets {
			if member, ok := patterns[s.Pattern()]; ok {
				union = append(union, member)
				break
			}
		}
	}
	if got := m.table.Union(sets, []uint64{42}); got[0] != 42 || !equal(got, union) {
		m.t.Errorf("all for %s: %d, want %d", name, got, union)
	}
}

func (m *model) checkRetained(pattern string) {
	var want, got []string
	for name := range m.values {
		if Matches(pattern, name) {
			want = append(want, name)
		}
	}
	m.retained.Match(pattern, func(name string, v int) bool {
		if got = append(got, name); v != m.values[name] {
			m.t.Errorf("%s is %d", name, v)
		}
		return true
	})
	if !equal(got, want) {
		m.t.Errorf("%s finds %q, want %q", pattern, got, want)
	}
	if len(want) > 0 {
		stop, calls := 1+m.r.IntN(len(want)), 0
		m.retained.Match(pattern, func(string, int) bool {
			calls++
			return calls < stop
		})
		if calls != stop {
			m.t.Errorf("%s: %d calls after being stopped at %d", pattern, calls, stop)
		}
	}
}

// end empties both, and looks whether they hold something yet.
func (m *model) end() {
	for id := range m.ids {
		m.table.UnsubscribeAll(id, nil)
	}
	for name := range m.values {
		m.retained.Delete(name)
	}
	if held := holds(&m.table); held != "" {
		m.t.Error(held)
	}
	if r := &m.retained; r.fault() != "" || r.n != 0 || r.Bytes() != 0 || r.tree.root.few != nil || r.tree.root.many != nil {
		m.t.Errorf("%+v", r)
	}
}

// holds says what an empty table holds, or gives "".
func holds(t *Table) string {
	w := &t.wildcards.root
	if t.fault() != "" || t.Len() != 0 || t.Bytes() != 0 || t.sets.buckets != nil || t.indexed.chunks != nil || t.subscribers.chunks != nil ||
		w.few != nil || w.many != nil || w.star != nil || w.tail != nil {
		return fmt.Sprintf("%s: %+v", t.fault(), t)
	}
	return ""
}

func hasKey[V any](m map[string]V, key string) bool {
	_, ok := m[key]
	return ok
}

// equal compares without regard to order.
func equal[T uint64 | string](a, b []T) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}
