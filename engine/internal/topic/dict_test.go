package topic

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// Up to some thousand entries and back to none, several times, as a map.
func TestDict(t *testing.T) {
	var d dict[int]
	want := make(map[string]int)
	r := rand.New(rand.NewPCG(1, 2))
	buckets := 0
	for _, goal := range []int{100, 20, 0, 1, 600, 100, 5000, 300, 6000, 1000, 3000, 0, 513, 0} {
		for d.n != goal {
			key := fmt.Sprint("key ", r.IntN(8000))
			_, exists := want[key]
			switch {
			case d.n < goal && !exists:
				want[key] = r.Int()
				d.put(key, want[key])
			case d.n > goal && exists:
				delete(want, key)
				d.remove(key)
			}
			if got := d.get(key); got != want[key] {
				t.Fatalf("%s: %d, want %d", key, got, want[key])
			}
			buckets = max(buckets, len(d.buckets))
			if d.n%100 == 0 || len(d.buckets) <= 2 && d.n%7 == 0 {
				if f := d.fault(); f != "" {
					t.Fatal(f)
				}
			}
		}
		n := 0
		for key, v := range d.all {
			if n++; v != want[key] {
				t.Errorf("%s: %d, want %d", key, v, want[key])
			}
		}
		if f := d.fault(); f != "" || n != len(want) {
			t.Errorf("%d entries, want %d: %s", n, len(want), f)
		}
		for range d.all {
			break
		}
	}
	if buckets < 10 {
		t.Error("never more than ", buckets, " buckets")
	}
}
