package handshake

import (
	"strings"
	"testing"
)

// Over every pair of bytes: only letters of ASCII have a second case. "^" and "~", and "@"
// and "`", differ in the same bit and are not the same.
func TestEqualFold(t *testing.T) {
	for a := range 256 {
		for b := range 256 {
			want := a == b || a < 0x80 && b < 0x80 && strings.EqualFold(string(rune(a)), string(rune(b)))
			if got := equalFold([]byte{'x', byte(a)}, []byte{'X', byte(b)}); got != want {
				t.Errorf("%q and %q: %v", byte(a), byte(b), got)
			}
		}
	}
	if equalFold("a", "aa") || !equalFold("", "") {
		t.Error("lengths")
	}
}

// The tables as the RFC writes them.
func TestClasses(t *testing.T) {
	const alnum = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for c := range 256 {
		for class, want := range map[uint8]bool{
			classToken:  strings.IndexByte("!#$%&'*+-.^_`|~"+alnum, byte(c)) >= 0,
			classValue:  c > 0x20 && c != 0x7f,
			classBlank:  c == ' ' || c == '\t',
			classPath:   c > 0x20 && c < 0x7f && c != '#' && c != '?',
			classHost:   strings.IndexByte("-._~"+alnum, byte(c)) >= 0,
			classDigit:  c >= '0' && c <= '9',
			classHexDig: strings.IndexByte("0123456789abcdefABCDEF", byte(c)) >= 0,
			classAlpha:  strings.IndexByte(alnum[10:], byte(c)) >= 0,
		} {
			if got := classOf[c]&class != 0; got != want {
				t.Errorf("%q in class %#x: %v", byte(c), class, got)
			}
		}
	}
}
