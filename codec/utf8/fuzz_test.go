package utf8

import (
	"testing"
	stdutf8 "unicode/utf8"
)

// FuzzAdvance cuts text into pieces of lengths that the input names, over and over, and
// holds every piece to the oracle and the whole to unicode/utf8.
func FuzzAdvance(f *testing.F) {
	for _, text := range benchTexts {
		for _, n := range []int{3, 40, 150, 400} {
			f.Add(fill(text.text, n), []byte{byte(n)})
			f.Add(fill(text.text, n), []byte{1, 0, 37, 64})
		}
	}
	f.Add([]byte("\xCE\xBA\xE1\xBD\xB9\xED\xA0\x80edited"), []byte{1})
	f.Add([]byte("\xF4\x90\x80\x80"), []byte{2})
	f.Fuzz(func(t *testing.T, text, lengths []byte) {
		failAt, complete := judge(text)
		if want := stdutf8.Valid(text); Valid(text) != want || (complete && failAt == len(text)) != want {
			t.Fatalf("Valid = %v, oracle fails at %d, complete %v, unicode/utf8 %v", Valid(text), failAt, complete, want)
		}
		var pieces [][]byte
		rest := text
		for i := 0; len(rest) > 0 && len(lengths) > 0; i++ {
			// Without progress in a whole round, the rest is the last piece.
			n := min(int(lengths[i%len(lengths)]), len(rest))
			if i >= len(lengths) && len(rest) == len(text) {
				n = len(rest)
			}
			pieces = append(pieces, rest[:n])
			rest = rest[n:]
		}
		checkPieces(t, failAt, complete, append(pieces, rest)...)
	})
}
