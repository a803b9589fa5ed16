package route

import "slices"

// Values are what the wildcards of a pattern stand for in one path. They are views of
// the target that was matched, valid as long as that; copy what must live longer. The
// zero value holds none.
type Values struct {
	route *route
	path  []byte
}

// Len is the number of wildcards that have a name.
func (v Values) Len() int {
	if v.route == nil {
		return 0
	}
	return len(v.route.names)
}

// Name gives the name of wildcard i, from the left.
func (v Values) Name(i int) string { return v.route.names[i] }

// At gives the value of wildcard i, decoded: without a copy if nothing is encoded.
func (v Values) At(i int) []byte {
	after := v.path
	for range v.route.at[i] {
		_, after = cutSegment(after)
	}
	if v.route.segments[v.route.at[i]].kind == rest {
		return decode(after[1:])
	}
	segment, _ := cutSegment(after)
	return decode(segment)
}

// Get gives the value of the wildcard called name; ok is false if there is none.
func (v Values) Get(name string) (value []byte, ok bool) {
	if v.route == nil {
		return nil, false
	}
	i := slices.Index(v.route.names, name)
	if i < 0 {
		return nil, false
	}
	return v.At(i), true
}
