package topic

import (
	"fmt"
	"runtime"
	"testing"
)

func BenchmarkCheckName(b *testing.B) {
	for b.Loop() {
		if err := CheckName("market.eu.1234567.trades"); err != nil {
			b.Fatal(err)
		}
	}
}

// Of 10,000 names and 1000 patterns with wildcards; each message matches three.
func BenchmarkMatch(b *testing.B) {
	table := new(Table)
	topics := names(10_000)
	for _, name := range topics {
		subscribe(b, table, 1, name)
	}
	for i := range 500 {
		subscribe(b, table, 2, fmt.Sprintf("topic.%d.>", i), fmt.Sprintf("*.%d.news", i))
	}
	for _, c := range []struct {
		name   string
		topics []string
		want   int
	}{{"three", topics[:500], 3}, {"one", topics[500:], 1}, {"none", []string{"else.where"}, 0}} {
		b.Run(c.name, func(b *testing.B) {
			sets := make([]*Set, 0, 8)
			i := 0
			for b.Loop() {
				if got := table.Match(c.topics[i], sets); len(got) != c.want {
					b.Fatal(len(got))
				}
				if i++; i == len(c.topics) {
					i = 0
				}
			}
		})
	}
}

// One operation is both, of one of 100,000 subscribers in one of 1000 sets or more.
func BenchmarkSubscribe(b *testing.B) {
	const ids = 100_000
	patterns := names(1000)
	table := filled(b, ids, patterns)
	wild := make([]string, len(patterns))
	for i := range wild {
		wild[i] = fmt.Sprintf("wild.*.%d", i)
	}
	for _, c := range []struct {
		name     string
		patterns []string
		shared   bool
	}{{"shared", patterns, true}, {"alone", names(2000)[1000:], false}, {"wildcard", wild, false}} {
		b.Run(c.name, func(b *testing.B) {
			id := uint32(0)
			for b.Loop() {
				pattern := c.patterns[(7*id+3)%1000]
				added, first, err := table.Subscribe(id, 0, pattern, 0)
				removed, last := table.Unsubscribe(id, pattern)
				if !added || first == c.shared || err != nil || !removed || last == c.shared {
					b.Fatal(added, first, err, removed, last)
				}
				id = (id + 1) % ids
			}
		})
	}
}

// One operation is a connection that comes, subscribes to ten of 1000 patterns, and goes.
func BenchmarkComeAndGo(b *testing.B) {
	patterns := names(1000)
	table := filled(b, 100_000, patterns)
	gone := 0
	told := func(string, bool) { gone++ }
	for b.Loop() {
		for _, pattern := range patterns[500:510] {
			if _, _, err := table.Subscribe(100_000, 1, pattern, 0); err != nil {
				b.Fatal(err)
			}
		}
		table.UnsubscribeAll(100_000, told)
	}
}

func BenchmarkMembers(b *testing.B) {
	table := new(Table)
	for id := range uint32(15_000) {
		subscribe(b, table, id, "a")
	}
	sets := table.Match("a", nil)
	var sum uint64
	for b.Loop() {
		for _, member := range sets[0].Members() {
			sum += member
		}
	}
	if sum == 0 {
		b.Fatal(sum)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/15_000, "ns/member")
}

// Two sets of 10,000 of 100,000 subscribers each, of which half are in both; and two of
// a few.
func BenchmarkUnion(b *testing.B) {
	for _, size := range []uint32{10_000, 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			table := new(Table)
			subscribe(b, table, 99_999, "b")
			for i := range size {
				subscribe(b, table, i*7919%100_000, "a")
			}
			for i := size / 2; i < size/2+size; i++ {
				subscribe(b, table, i*7919%100_000, "*")
			}
			sets := table.Match("a", nil)
			var members []uint64
			for b.Loop() {
				members = table.Union(sets, members[:0])
			}
			if len(members) != int(size+size/2) {
				b.Fatal(len(members))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(2*size), "ns/member")
		})
	}
}

// The bytes of a million memberships: 100,000 subscribers in ten sets each, of few sets
// or many; and of sets that have one member each.
func BenchmarkMemory(b *testing.B) {
	for _, sets := range []int{10, 1000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(sets, "-sets"), func(b *testing.B) {
			patterns := names(sets)
			for b.Loop() {
				start := heap()
				table := filled(b, 100_000, patterns)
				b.ReportMetric(float64(heap()-start)/1e6, "B/membership")
				if table.Len() != sets && sets <= 1000 {
					b.Fatal(table.Len())
				}
				for id := range uint32(99_000) {
					table.UnsubscribeAll(id, nil)
				}
				b.ReportMetric(float64(heap()-start)/1e4, "B/membership-of-the-last-1%")
				runtime.KeepAlive(table)
			}
		})
	}
}

func BenchmarkRetained(b *testing.B) {
	var r Retained[int]
	topics := names(10_000)
	for i, name := range topics {
		r.Set(name, i)
	}
	b.Run("Set", func(b *testing.B) {
		i := 0
		for b.Loop() {
			r.Set(topics[i], i)
			i = (i + 1) % len(topics)
		}
	})
	for _, pattern := range []string{"topic.77.news", "topic.77.*", "topic.*.news", ">"} {
		b.Run("Match "+pattern, func(b *testing.B) {
			n := 0
			for b.Loop() {
				r.Match(pattern, func(string, int) bool { n++; return true })
			}
			b.ReportMetric(float64(n)/float64(b.N), "names")
		})
	}
}
