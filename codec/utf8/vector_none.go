//go:build !amd64 || purego

package utf8

// advance is the work of State.Advance. Without vectors the automaton does all of it.
func advance(s State, b []byte) (State, bool) {
	return s.scan(b)
}
