package topic

// append1 appends as append does, but leaves at most an eighth of room, or two
// elements, and what the allocator rounds up to.
func append1[T any](s []T, v T) []T {
	if len(s) == cap(s) {
		room := 0 // of one that is alone, as many are
		if len(s) > 0 {
			room = max(1, len(s)/8)
		}
		s = append([]T(nil), append(s, make([]T, 1+room)...)...)[:len(s)]
	}
	return append(s, v)
}

// shrink gives a slice from whose end something was taken, with less room if more than
// half is unused.
func shrink[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	if cap(s) > 8 && len(s) < cap(s)/2 {
		return append([]T(nil), s...)
	}
	return s
}

// A dict is a map that gives memory back, which those of Go do not. The zero value is
// empty.
type dict[V any] struct {
	m    map[string]V
	most int // the entries there were at once since m was made
}

// minShrink is below what number of entries a map stays as it is.
const minShrink = 64

func (d *dict[V]) put(key string, v V) {
	if d.m == nil {
		d.m = make(map[string]V)
	}
	d.m[key] = v
	d.most = max(d.most, len(d.m))
}

// remove removes an entry that exists. When a quarter is left, that is copied, which
// costs each of those that went three times as much as to remove it.
func (d *dict[V]) remove(key string) {
	delete(d.m, key)
	n := len(d.m)
	switch {
	case n == 0:
		*d = dict[V]{}
	case d.most >= minShrink && n < d.most/4:
		m := make(map[string]V, n)
		for key, v := range d.m {
			m[key] = v
		}
		*d = dict[V]{m, n}
	}
}
