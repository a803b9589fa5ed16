package utf8

import (
	"fmt"
	"testing"
)

// TestEveryPairInVectors puts all pairs of bytes, followed by none to three continuation
// bytes, into the middle of text. Only the two bytes themselves can tell some of them from
// a character, so each entry of the vectors' tables is needed.
func TestEveryPairInVectors(t *testing.T) {
	for continuations := range 4 {
		t.Run(fmt.Sprint(continuations), func(t *testing.T) {
			text := fill("界", 130)
			copy(text[66:], "......")
			for i := range continuations {
				text[68+i] = 0x80
			}
			for pair := range 1 << 16 {
				text[66], text[67] = byte(pair>>8), byte(pair)
				var o oracle
				for _, c := range text[66:72] {
					o = o.next(c)
				}
				if Valid(text) == o.failed {
					t.Fatalf("Valid = %v with % x inside", !o.failed, text[66:72])
				}
			}
		})
	}
}
