package utf8

import (
	"testing"
	stdutf8 "unicode/utf8"
)

// openPrefixes holds every proper, non-empty prefix of every encoded character, collected
// by encoding them all. It knows nothing of the automaton and its ranges.
var openPrefixes = func() map[string]bool {
	open := make(map[string]bool)
	for r := rune(0); r <= stdutf8.MaxRune; r++ {
		if !stdutf8.ValidRune(r) {
			continue
		}
		enc := string(r)
		for i := 1; i < len(enc); i++ {
			open[enc[:i]] = true
		}
	}
	return open
}()

// oracle is the naive validator: it gathers the bytes of one character at a time and looks
// them up. failed holds once no valid text begins with the bytes given so far.
type oracle struct {
	gathered [4]byte
	count    int
	failed   bool
}

func (o oracle) next(c byte) oracle {
	if o.failed || o.count == 0 && c < stdutf8.RuneSelf {
		return o
	}
	o.gathered[o.count] = c
	o.count++
	switch seq := o.gathered[:o.count]; {
	case openPrefixes[string(seq)]:
	case stdutf8.Valid(seq):
		o = oracle{}
	default:
		o.failed = true
	}
	return o
}

// judge returns the index of the first byte that no valid text could have, or len(b), and
// whether b ends at a boundary.
func judge(b []byte) (failAt int, complete bool) {
	var o oracle
	for i, c := range b {
		if o = o.next(c); o.failed {
			return i, false
		}
	}
	return len(b), o.count == 0
}

type implementation struct {
	name    string
	advance func(State, []byte) (State, bool)
}

// implementations are the ways to advance: what Advance chooses on this machine, what it would on one
// with fewer instructions, and the automaton alone.
var implementations = []implementation{
	{"Advance", State.Advance},
	{"scan", State.scan},
}

// checkPieces feeds pieces to every implementation and compares, after each one, with
// failAt and complete as judge found them for the whole.
func checkPieces(t *testing.T, failAt int, complete bool, pieces ...[]byte) {
	t.Helper()
	for _, impl := range implementations {
		var s State
		var ok bool
		end := 0
		for _, p := range pieces {
			s, ok = impl.advance(s, p)
			if end += len(p); ok != (end <= failAt) {
				t.Fatalf("%s: ok = %v after %d bytes of % x, want failure at %d", impl.name, ok, end, pieces, failAt)
			}
		}
		if s.Complete() != complete {
			t.Fatalf("%s: Complete = %v after % x, want %v", impl.name, s.Complete(), pieces, complete)
		}
	}
}

// checkWhole compares b in one piece, and Valid, with the oracle and with unicode/utf8.
func checkWhole(t *testing.T, b []byte) {
	t.Helper()
	failAt, complete := judge(b)
	checkPieces(t, failAt, complete, b)
	if want := stdutf8.Valid(b); Valid(b) != want || (failAt == len(b) && complete) != want {
		t.Fatalf("Valid = %v, oracle: fails at %d, complete %v, unicode/utf8: %v for % x", Valid(b), failAt, complete, want, b)
	}
}
