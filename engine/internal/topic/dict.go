package topic

import (
	"hash/maphash"
	"math/bits"
)

// A dict is a map that gives memory back, which those of Go do not, and never stops for
// long to do so. The zero value is empty.
//
// It is linear hashing with maps as buckets. They are split one after the other as the
// dict grows, and merged with what they were split from as it shrinks; what takes part is
// copied, so the maps are no larger than they have to be.
type dict[V any] struct {
	buckets []map[string]V
	seed    maphash.Seed // of two buckets or more
	n       int          // entries
	most    int          // of one bucket alone, how many entries there were at once since it was made
}

const (
	// One more bucket is made when there are more entries than maxBucket for each, and one is given up when
	// there are fewer than minBucket.
	maxBucket = 512
	minBucket = 192
	// minShrink is below how many entries the only bucket stays as it is.
	minShrink = 64
)

func (d *dict[V]) get(key string) (v V) {
	if len(d.buckets) == 0 {
		return v
	}
	return d.buckets[d.place(key)][key]
}

// all gives the entries, in no order.
func (d *dict[V]) all(yield func(string, V) bool) {
	for _, b := range d.buckets {
		for key, v := range b {
			if !yield(key, v) {
				return
			}
		}
	}
}

// put adds an entry that does not exist.
func (d *dict[V]) put(key string, v V) {
	if d.n == 0 {
		d.buckets = []map[string]V{make(map[string]V)}
	}
	d.buckets[d.place(key)][key] = v
	d.n++
	d.most = max(d.most, d.n)
	if d.n > maxBucket*len(d.buckets) {
		d.split()
	}
}

// remove removes an entry that exists.
func (d *dict[V]) remove(key string) {
	delete(d.buckets[d.place(key)], key)
	d.n--
	switch {
	case d.n == 0:
		*d = dict[V]{}
	case len(d.buckets) > 1:
		if d.n < minBucket*len(d.buckets) {
			d.merge()
		}
	case d.most >= minShrink && d.n < d.most/4:
		d.buckets[0], d.most = joined(d.buckets[0], nil), d.n
	}
}

// place gives the bucket of a key: the last bits of its hash, and one bit less if there
// is no such bucket yet.
func (d *dict[V]) place(key string) int {
	if len(d.buckets) == 1 {
		return 0
	}
	last := len(d.buckets) - 1
	mask := 1<<bits.Len(uint(last)) - 1
	place := int(maphash.String(d.seed, key) & uint64(mask))
	if place > last {
		place &= mask >> 1
	}
	return place
}

// origin gives the bucket that the last one was split from.
func (d *dict[V]) origin() int {
	last := len(d.buckets) - 1
	return last &^ (1 << (bits.Len(uint(last)) - 1))
}

// split makes a bucket of half of another.
func (d *dict[V]) split() {
	if len(d.buckets) == 1 {
		d.seed = maphash.MakeSeed()
	}
	d.buckets = append1(d.buckets, nil)
	origin := d.origin()
	whole := d.buckets[origin]
	halves := [2]map[string]V{make(map[string]V, len(whole)/2), make(map[string]V, len(whole)/2)}
	for key, v := range whole {
		if d.place(key) == origin {
			halves[0][key] = v
		} else {
			halves[1][key] = v
		}
	}
	d.buckets[origin], d.buckets[len(d.buckets)-1] = halves[0], halves[1]
}

// merge gives the last bucket back to the one that it was split from.
func (d *dict[V]) merge() {
	last, origin := len(d.buckets)-1, d.origin()
	d.buckets[origin] = joined(d.buckets[origin], d.buckets[last])
	d.buckets[last] = nil
	d.buckets = shrink(d.buckets[:last])
	d.most = d.n
}

// joined gives a new map of what is in two.
func joined[V any](a, b map[string]V) map[string]V {
	m := make(map[string]V, len(a)+len(b))
	for _, part := range [...]map[string]V{a, b} {
		for key, v := range part {
			m[key] = v
		}
	}
	return m
}
