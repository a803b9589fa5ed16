package topic

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzPattern holds names and patterns, one per line, to regular expressions, and a
// Table and a Retained to what those expressions find.
func FuzzPattern(f *testing.F) {
	f.Add("a.b\na.*\n*.b\na.>\n>", "a.b\na\na.b.c")
	f.Add("*.*.*\n*.a.>\na.a.a\na*\n>.a\na..b", "a.a.a\na.a.a.a\n\xff\na b\n")
	f.Add("a.1\na.2\na.3\na.4\na.5\na.6\na.7\na.8\na.9\na.*.x", "a.9\na.5.x")
	f.Add(manyTokens+"\n"+longName+"\n"+manyTokens[2:]+".>", manyTokens+"\n"+longName+"\n"+longName+"a")
	f.Fuzz(func(t *testing.T, patterns, names string) {
		if strings.Count(patterns, "\n") > 40 || strings.Count(names, "\n") > 40 {
			return
		}
		patternsLeft := checked(t, patterns)
		namesLeft := slices.DeleteFunc(checked(t, names), IsPattern)
		var table Table
		var retained Retained[int]
		for id, pattern := range patternsLeft {
			if added, first, err := table.Subscribe(uint32(id), uint64(id), pattern, 1); !added || !first || err != nil {
				t.Fatalf("%q: %v, %v, %v", pattern, added, first, err)
			}
		}
		for i, name := range namesLeft {
			retained.Set(name, i)
		}
		agree(t, &table, &retained, patternsLeft, namesLeft)
		for id, pattern := range patternsLeft {
			if removed, last := table.Unsubscribe(uint32(id), pattern); !removed || !last {
				t.Fatalf("%q: %v, %v", pattern, removed, last)
			}
		}
		for i, name := range namesLeft {
			if v, ok := retained.Delete(name); v != i || !ok {
				t.Fatalf("%q: %d, %v", name, v, ok)
			}
		}
		if held := holds(&table); held != "" || retained.Bytes() != 0 || retained.tree.root.few != nil || retained.tree.root.many != nil {
			t.Fatal("something is left: ", held)
		}
	})
}

// checked gives the valid patterns among lines, each once.
func checked(t *testing.T, lines string) (patterns []string) {
	for line := range strings.SplitSeq(lines, "\n") {
		if name := utf8.ValidString(line) && valid(isName, line); name != (CheckName(line) == nil) {
			t.Fatalf("%q: %v", line, CheckName(line))
		}
		pattern := utf8.ValidString(line) && valid(isPattern, line)
		if pattern != (CheckPattern(line) == nil) {
			t.Fatalf("%q: %v", line, CheckPattern(line))
		}
		if pattern && IsPattern(line) == (CheckName(line) == nil) {
			t.Fatalf("%q is a name and has wildcards, or neither", line)
		}
		if pattern && !slices.Contains(patterns, line) {
			patterns = append(patterns, line)
		}
	}
	return patterns
}

func agree(t *testing.T, table *Table, retained *Retained[int], patterns, names []string) {
	if f := table.fault(); f != "" {
		t.Fatal(f)
	}
	if f := retained.fault(); f != "" {
		t.Fatal(f)
	}
	namesOf := make([][]string, len(patterns))
	patternsOfName := make(map[string][]string)
	for i, pattern := range patterns {
		want := expression(pattern)
		for _, name := range names {
			matches := want.MatchString(name)
			if matches {
				namesOf[i] = append(namesOf[i], name)
				patternsOfName[name] = append(patternsOfName[name], pattern)
			}
			if Matches(pattern, name) != matches {
				t.Fatalf("%q matches %q: %v", pattern, name, !matches)
			}
		}
	}
	for _, name := range names {
		sets := table.Match(name, nil)
		if got := patternsOf(sets); !equal(got, patternsOfName[name]) {
			t.Fatalf("%q: %q, want %q", name, got, patternsOfName[name])
		}
		if got := len(table.Union(sets, nil)); got != len(sets) {
			t.Fatalf("%q: %d members", name, got)
		}
	}
	for i, pattern := range patterns {
		var got []string
		retained.Match(pattern, func(name string, _ int) bool {
			got = append(got, name)
			return true
		})
		if !equal(got, namesOf[i]) {
			t.Fatalf("%q: %q, want %q", pattern, got, namesOf[i])
		}
	}
}
