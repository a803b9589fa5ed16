package topic

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// subscribe fails the test if the subscription is not new.
func subscribe(t testing.TB, table *Table, id uint32, patterns ...string) {
	t.Helper()
	for _, pattern := range patterns {
		if added, _, err := table.Subscribe(id, uint64(id)<<32, pattern, 0); !added || err != nil {
			t.Fatalf("%s: %v, %v", pattern, added, err)
		}
	}
}

func patternsOf(sets []*Set) (patterns []string) {
	for _, s := range sets {
		patterns = append(patterns, s.Pattern())
	}
	return patterns
}

func TestSubscribeRefuses(t *testing.T) {
	var table Table
	var fault *Error
	if _, _, err := table.Subscribe(1, 2, "a..b", 1); !errors.As(err, &fault) || fault.Reason != EmptyToken {
		t.Error(err)
	}
	subscribe(t, &table, 1, "a")
	if _, _, err := table.Subscribe(1, 2, "b*", 1); !errors.As(err, &fault) || fault.Reason != WildcardInToken {
		t.Error("at the limit, ", err)
	}
	for _, pattern := range []string{"b", "taken"} {
		subscribe(t, &table, 2, pattern)
		if _, _, err := table.Subscribe(1, 2, pattern, 1); !errors.Is(err, ErrLimit) {
			t.Error(err)
		}
	}
	if added, first, err := table.Subscribe(1, 2, "a", 1); added || first || err != nil {
		t.Error("again, at the limit: ", added, first, err)
	}
	if table.Len() != 3 || table.Count("a") != 1 || table.fault() != "" {
		t.Error(table.Len(), table.Count("a"), table.fault())
	}
}

func TestFirstAndLast(t *testing.T) {
	for _, pattern := range []string{"a.b", "a.*"} {
		var table Table
		for id := range uint32(3) {
			if added, first, err := table.Subscribe(id, 0, pattern, 0); !added || first != (id == 0) || err != nil {
				t.Error(added, first, err)
			}
		}
		if removed, last := table.Unsubscribe(7, pattern); removed || last {
			t.Error("one that never subscribed was removed")
		}
		for id := range uint32(3) {
			if removed, last := table.Unsubscribe(id, pattern); !removed || last != (id == 2) {
				t.Error(removed, last)
			}
		}
		if removed, last := table.Unsubscribe(2, pattern); removed || last {
			t.Error("removed twice")
		}
		if held := holds(&table); held != "" {
			t.Error(held)
		}
	}
}

// The table keeps no string of its users.
func TestStringsAreCopied(t *testing.T) {
	const text = "there.is.more.than.the.pattern:a.*|a.b"
	at := strings.IndexByte(text, ':') + 1
	var table Table
	subscribe(t, &table, 1, text[at:at+3])
	var retained Retained[int]
	retained.Set(text[at+4:], 1)
	if got := table.Match("a.b", nil)[0].Pattern(); got != "a.*" || sameBytes(got, text[at:]) {
		t.Errorf("the pattern %q is part of what it was cut from", got)
	}
	retained.Match(">", func(name string, _ int) bool {
		if name != "a.b" || sameBytes(name, text[at+4:]) {
			t.Errorf("the name %q is part of what it was cut from", name)
		}
		return true
	})
}

// The tree keeps nothing of a pattern or name that is gone, however little it shares with those that stay.
func TestTokensAreCopied(t *testing.T) {
	var table Table
	var retained Retained[int]
	long := "a.b." + strings.Repeat("x", 200)
	subscribe(t, &table, 1, long+".*", "a.*")
	whole := table.Match(long+".y", nil)[0].Pattern()
	if kept := table.wildcards.root.few[0].token; kept != "a" || sameBytes(kept, whole) {
		t.Errorf("%q is part of a pattern", kept)
	}
	retained.Set(long, 1)
	retained.Match(">", func(name string, _ int) bool {
		if kept := retained.tree.root.few[0].token; kept != "a" || sameBytes(kept, name) {
			t.Errorf("%q is part of a name", kept)
		}
		return true
	})
}

// What the names of messages match, also those that CheckName refuses, which must do no harm.
func TestMatch(t *testing.T) {
	var table Table
	subscribe(t, &table, 1, "a", "a.b", "a.*", "*.b", "*.*", "a.>", "*.>", ">", "a.*.c", "b.x", "*.*.*.>")
	for name, want := range map[string]string{
		"a":       "a >",
		"b":       ">",
		"a.b":     "a.b > a.> a.* *.> *.b *.*",
		"b.x":     "b.x > *.> *.*",
		"b.y":     "> *.> *.*",
		"a.b.c":   "> a.> a.*.c *.>",
		"a.b.c.d": "> a.> *.> *.*.*.>",
	} {
		got := patternsOf(table.Match(name, nil))
		if want := strings.Fields(want); !equal(got, want) || IsPattern(got[0]) != IsPattern(want[0]) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"", ".", "a..b", "a.*", ">", "a.>", "*", strings.Repeat("a.", 1000)} {
		got := patternsOf(table.Match(name, nil))
		slices.Sort(got)
		if len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Errorf("%q: %q", name, got)
		}
	}
}

func TestMatchAppends(t *testing.T) {
	var table Table
	subscribe(t, &table, 1, "a", "*")
	before := &Set{}
	if got := table.Match("a", []*Set{before}); len(got) != 3 || got[0] != before {
		t.Errorf("%v", got)
	}
	if got := table.Subscriptions(1, []string{"x"}); len(got) != 3 || got[0] != "x" {
		t.Errorf("%v", got)
	}
	if got := table.Subscriptions(1000, nil); got != nil {
		t.Errorf("%v", got)
	}
}

// overlapping gives a table with two sets of n members, of which all but one are in both,
// and one of ten.
func overlapping(t testing.TB, n int) *Table {
	table := new(Table)
	for id := range uint32(n) {
		subscribe(t, table, 3*id, "a.b", "a.*")
	}
	table.Unsubscribe(0, "a.b")
	for id := range uint32(10) {
		subscribe(t, table, 4*id, "*.b")
	}
	return table
}

func TestUnion(t *testing.T) {
	const n = 1000
	table := overlapping(t, n)
	const want = n + 6 // of the few, 0, 12, 24 and 36 are in the others, too
	sets := table.Match("a.b", nil)
	for range 3 {
		got := table.Union(sets, nil)
		slices.Sort(got)
		if len(got) != want || len(slices.Compact(got)) != want {
			t.Errorf("%d members of %d sets, want %d", len(got), len(sets), want)
		}
		sets[0], sets[1], sets[2] = sets[1], sets[2], sets[0]
		if f := table.fault(); f != "" {
			t.Error(f)
		}
	}
	one := table.Match("a.x", nil)
	if got := table.Union(one, nil); len(one) != 1 || !slices.Equal(got, one[0].Members()) {
		t.Error("of one set: ", len(got))
	}
	if got := table.Union(nil, []uint64{1}); !slices.Equal(got, []uint64{1}) {
		t.Error("of no set: ", got)
	}
}

// The first set that a subscriber is in decides what stands for it.
func TestUnionTakesTheFirst(t *testing.T) {
	var table Table
	for member, pattern := range []string{"a", "*"} {
		if _, _, err := table.Subscribe(5, uint64(member), pattern, 0); err != nil {
			t.Fatal(err)
		}
	}
	if got := table.Union(table.Match("a", nil), nil); !slices.Equal(got, []uint64{0}) {
		t.Error(got)
	}
}

// Marks follow the number of subscribers, up and down.
func TestMarksShrink(t *testing.T) {
	var table Table
	subscribe(t, &table, 0, "a", "*")
	union := func(want int) {
		t.Helper()
		table.Union(table.Match("a", nil), nil)
		if len(table.marks) < want || len(table.marks) > 2*want {
			t.Errorf("%d words, want about %d", len(table.marks), want)
		}
	}
	union(4)
	subscribe(t, &table, 100_000, "a")
	union(100_000 / 64)
	table.UnsubscribeAll(100_000, nil)
	union(4)
	if table.UnsubscribeAll(0, nil); table.marks != nil {
		t.Error("an empty table has marks")
	}
}

func TestIndicesAreUsedAgain(t *testing.T) {
	var table Table
	pattern := func(i int) string { return fmt.Sprint("topic.", i) }
	for i := range 1000 {
		subscribe(t, &table, 1, pattern(i))
	}
	for _, i := range []int{999, 3, 300, 299} {
		table.Unsubscribe(1, pattern(i))
	}
	for _, want := range []uint32{3, 299, 300, 999, 1000} {
		subscribe(t, &table, 1, fmt.Sprint("new.", want))
		if got := table.Match(fmt.Sprint("new.", want), nil)[0].index; got != want {
			t.Errorf("index %d, want %d", got, want)
		}
	}
	if f := table.fault(); f != "" {
		t.Error(f)
	}
	for i := range 1000 {
		table.Unsubscribe(1, pattern(i))
	}
	if f := table.fault(); f != "" || len(table.indexed.chunks) != 4 || table.indexed.chunks[2] != nil {
		t.Errorf("%s, %d chunks", f, len(table.indexed.chunks))
	}
}

func TestNoAllocations(t *testing.T) {
	table := overlapping(t, 1000)
	sets, members := make([]*Set, 0, 8), make([]uint64, 0, 4000)
	var retained Retained[int]
	for i := range 100 {
		retained.Set(fmt.Sprint("a.", i), i)
	}
	var sum uint64
	for name, do := range map[string]func(){
		"Match and Members": func() {
			for _, s := range table.Match("a.b", sets) {
				for _, member := range s.Members() {
					sum += member
				}
			}
		},
		"Union": func() { sum += uint64(len(table.Union(table.Match("a.b", sets), members))) },
		"Count": func() { sum += uint64(table.Count("a.b")) },
		"Checks": func() {
			if CheckName("a.b") != nil || CheckPattern("a.*") != nil || !Matches("a.*", "a.b") {
				sum++
			}
		},
		"Retained": func() {
			retained.Set("a.7", 8)
			retained.Match("a.*", func(_ string, v int) bool {
				sum += uint64(v)
				return true
			})
		},
	} {
		if n := testing.AllocsPerRun(10, do); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// filled gives a table with each of ids subscribers in ten of the patterns.
func filled(t testing.TB, ids int, patterns []string) *Table {
	table := new(Table)
	for id := range ids {
		for i := range 10 {
			subscribe(t, table, uint32(id), patterns[(7*id+i*len(patterns)/10)%len(patterns)])
		}
	}
	return table
}

func names(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("topic.%d.news", i)
	}
	return names
}

// heap is what is reachable, in bytes.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A membership takes 24 bytes, here with all that is held besides at most 30. After most
// are gone, what is left is what a table has that never held more.
func TestMemory(t *testing.T) {
	const ids = 20_000
	patterns := names(100)
	start := heap()
	table := filled(t, ids, patterns)
	if perMembership := float64(heap()-start) / (10 * ids); perMembership > 30 {
		t.Errorf("%.1f bytes for each membership", perMembership)
	}
	for id := range uint32(ids) {
		if id >= 100 {
			table.UnsubscribeAll(id, nil)
		}
	}
	if held := int64(heap() - start); held > 100_000 {
		t.Errorf("%d bytes for 1000 memberships", held)
	}
	if f := table.fault(); f != "" {
		t.Error(f)
	}
	runtime.KeepAlive(table)
}

// What Bytes says is about what there is, whatever the subscriptions are like.
func TestBytes(t *testing.T) {
	each := func(ids, patterns int, pattern func(id, i int) string) func() (int, any) {
		return func() (int, any) {
			table := new(Table)
			for id := range ids {
				for i := range patterns {
					if _, _, err := table.Subscribe(uint32(id), uint64(id), pattern(id, i), 0); err != nil {
						t.Fatal(err)
					}
				}
			}
			return table.Bytes(), table
		}
	}
	deep := strings.Repeat("x.", 29)
	for _, test := range []struct {
		name string
		make func() (bytes int, kept any)
	}{
		{"shared", each(20_000, 10, func(_, i int) string { return fmt.Sprint("rooms.", i) })},
		{"own", each(20_000, 1, func(id, _ int) string { return fmt.Sprint("users.", id) })},
		{"own wildcards", each(20_000, 1, func(id, _ int) string { return fmt.Sprint("users.", id, ".*") })},
		{"long", each(50, 256, func(id, i int) string { return fmt.Sprint(id, ".", i, strings.Repeat("x", 240)) })},
		{"deep", each(20, 256, func(id, i int) string { return fmt.Sprint(id, ".", i, ".", deep, "*") })},
		{"stars", each(20, 256, func(id, i int) string { return fmt.Sprint(id, ".", i, strings.Repeat(".*", 30)) })},
		{"retained", func() (int, any) {
			r := new(Retained[int])
			for i := range 20_000 {
				r.Set(fmt.Sprint("prices.", i), i)
			}
			return r.Bytes(), r
		}},
		{"retained deep", func() (int, any) {
			r := new(Retained[int])
			for i := range 5000 {
				r.Set(fmt.Sprint(i, ".", deep, "y"), i)
			}
			return r.Bytes(), r
		}},
	} {
		start := heap()
		bytes, kept := test.make()
		ratio := float64(bytes) / float64(heap()-start)
		t.Logf("%s: %d bytes, %.2f of what is held", test.name, bytes, ratio)
		if ratio < 0.8 || ratio > 1.3 {
			t.Errorf("%s: %d bytes are %.2f of what is held", test.name, bytes, ratio)
		}
		runtime.KeepAlive(kept)
	}
}

// Match looks at no more nodes than patterns of so many tokens allow, however many there are: here all that match the name.
func TestMatchIsBounded(t *testing.T) {
	const depth = 8
	var table Table
	name := strings.Repeat("a.", MaxTokens-1) + "a"
	for i := range 1 << depth {
		tokens := make([]string, depth)
		for k := range tokens {
			tokens[k] = [2]string{"a", star}[i>>k&1]
		}
		for _, pattern := range []string{strings.Join(tokens, "."), strings.Join(tokens[:depth-1], ".") + "." + tail} {
			subscribe(t, &table, uint32(i), pattern)
		}
	}
	// The first is of all 8 tokens, and exact; of those of the length of the name there is none.
	if got, want := len(table.Match(name[:2*depth-1], nil)), 1<<depth+1<<(depth-1); got != want {
		t.Errorf("%d patterns match, want %d", got, want)
	}
	if got, want := len(table.Match(name, nil)), 1<<(depth-1); got != want {
		t.Errorf("%d patterns match, want %d", got, want)
	}
}

// Receives is right for a name that many patterns match, too.
func TestReceivesOfMany(t *testing.T) {
	var table Table
	name := "a.a.a.a.a.a"
	for i := range 1 << 6 {
		tokens := strings.Split(name, ".")
		for k := range tokens {
			if i>>k&1 == 1 {
				tokens[k] = "*"
			}
		}
		if _, _, err := table.Subscribe(uint32(i), 0, strings.Join(tokens, "."), 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := table.Subscribe(1<<6, 0, "a.b", 0); err != nil {
		t.Fatal(err)
	}
	sets := table.Match(name, nil)
	if len(sets) < manySets {
		t.Fatalf("%d sets", len(sets))
	}
	for id := range uint32(1<<6 + 2) {
		if got := table.Receives(id, name, sets); got != (id < 1<<6) {
			t.Errorf("%d receives it: %v", id, got)
		}
	}
}
