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
