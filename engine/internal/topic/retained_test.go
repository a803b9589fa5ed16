package topic

import (
	"fmt"
	"testing"
	"unsafe"
)

// sameBytes reports whether two strings begin at the same place in memory.
func sameBytes(a, b string) bool { return unsafe.StringData(a) == unsafe.StringData(b) }

func TestRetained(t *testing.T) {
	var r Retained[string]
	if before, replaced := r.Set("a.b", "1"); before != "" || replaced {
		t.Error(before, replaced)
	}
	if before, replaced := r.Set("a.b", "2"); before != "1" || !replaced {
		t.Error(before, replaced)
	}
	for _, name := range []string{"a", "b", "a.b.c", "a.c"} {
		if v, ok := r.Get(name); v != "" || ok {
			t.Errorf("%s: %q", name, v)
		}
		if v, ok := r.Delete(name); v != "" || ok {
			t.Errorf("%s: %q", name, v)
		}
	}
	if v, ok := r.Get("a.b"); v != "2" || !ok || r.Len() != 1 {
		t.Error(v, ok, r.Len())
	}
	if v, ok := r.Delete("a.b"); v != "2" || !ok || r.Len() != 0 || r.tree.root.few != nil {
		t.Error(v, ok, r.Len())
	}
}

// A name whose beginning is another name keeps that, and the other way round.
func TestRetainedInside(t *testing.T) {
	var r Retained[int]
	r.Set("a", 1)
	r.Set("a.b.c", 2)
	r.Delete("a")
	if v, ok := r.Get("a.b.c"); v != 2 || !ok {
		t.Error(v, ok)
	}
	r.Set("a", 3)
	r.Delete("a.b.c")
	if v, ok := r.Get("a"); v != 3 || !ok || r.fault() != "" {
		t.Error(v, ok, r.fault())
	}
}

// A pattern looks at what its first tokens lead to, and at nothing else.
func TestRetainedLooksBelow(t *testing.T) {
	var r Retained[int]
	for i := range 100 {
		r.Set(fmt.Sprint("other.", i), i)
		r.Set(fmt.Sprint("here.", i, ".x"), i)
	}
	r.tree.root.branch("other").few = []*node[named[int]]{nil} // looking there would panic
	r.tree.root.branch("other").many = nil
	for pattern, want := range map[string]int{"here.>": 100, "here.*.x": 100, "here.5.>": 1, "here.*": 0, "here": 0, "*": 0} {
		got := 0
		r.Match(pattern, func(string, int) bool { got++; return true })
		if got != want {
			t.Errorf("%s: %d names, want %d", pattern, got, want)
		}
	}
}
