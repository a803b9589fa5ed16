package utf8

// State is what validation remembers between two pieces of a text: which bytes may come
// next. The zero value stands at a boundary, where every message begins.
//
// Only the zero value and the values that Advance returns are meaningful.
type State uint8

// Advance validates b as the continuation of the text that led to s. It reports false if
// some byte of b cannot stand at its place in any valid text; the state that comes with
// false fails every further byte too.
//
// Text that ends inside a character is not a failure here, since the rest may follow. At
// the end of a message ask Complete as well.
func (s State) Advance(b []byte) (next State, ok bool) {
	return advance(s, b)
}

// Complete reports whether no character is open, so that the text may end here.
func (s State) Complete() bool {
	return s == boundary
}

// Valid reports whether b is valid UTF-8 as a whole.
func Valid(b []byte) bool {
	s, ok := advance(boundary, b)
	return ok && s == boundary
}
