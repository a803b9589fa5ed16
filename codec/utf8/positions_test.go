package utf8

import (
	"fmt"
	"testing"
)

// maxPositionBytes covers every path of the vectors: 128 bytes of ASCII at once, the 64 and
// 32 that may follow, and an overlapping end.
const maxPositionBytes = 200

// fillAt is like fill, but text begins shift bytes late, after ASCII, so that its
// characters lie at other places.
func fillAt(text string, shift, n int) []byte {
	shift = min(shift, n)
	return append(fill("x", shift), fill(text, n-shift)...)
}

// TestCorruption puts one wrong byte at every position of texts of every length.
func TestCorruption(t *testing.T) {
	wrong := []byte{0x00, 0x80, 0x9F, 0xA0, 0xC0, 0xC3, 0xE0, 0xED, 0xF0, 0xF4, 0xF5, 0xFF}
	for _, text := range benchTexts {
		for n := range maxPositionBytes + 1 {
			for shift := range 3 {
				b := fillAt(text.text, shift, n)
				checkWhole(t, b)
				for i, was := range b {
					b[i] = wrong[(i+n+shift)%len(wrong)]
					checkWhole(t, b)
					b[i] = was
				}
			}
		}
	}
}

// TestCorruptionSplit cuts the same texts at every offset into two pieces.
func TestCorruptionSplit(t *testing.T) {
	step := 1
	if testing.Short() {
		step = 13
	}
	wrong := []byte{0x41, 0xBF, 0xC1, 0xE4, 0xF1, 0xF8, 0x8F}
	for _, text := range benchTexts {
		t.Run(text.name, func(t *testing.T) {
			for n := 0; n <= maxPositionBytes; n += step {
				b := fill(text.text, n)
				checkSplits(t, b)
				for i, was := range b {
					b[i] = wrong[(i+n)%len(wrong)]
					checkSplits(t, b)
					b[i] = was
				}
			}
		})
	}
}

func checkSplits(t *testing.T, b []byte) {
	t.Helper()
	failAt, complete := judge(b)
	for cut := range len(b) + 1 {
		checkPieces(t, failAt, complete, b[:cut], b[cut:])
	}
}

// TestSequenceAtEveryPosition puts whole, open and impossible characters at every position
// between ASCII and between Chinese, where the vectors take different paths.
func TestSequenceAtEveryPosition(t *testing.T) {
	sequences := []string{
		"é", "界", "😀", "\u0080", "\u0800", "\uD7FF", "\uE000", "\U00010000", "\U0010FFFF",
		"\xC3", "\xE4", "\xE4\xB8", "\xF0", "\xF0\x9F", "\xF0\x9F\x98", "\x80", "\xBF\x80\x80\x80",
		"\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
		"\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xF8\x88\x80\x80\x80", "\xFF\xBF\xBF\xBF",
	}
	step := 1
	if testing.Short() {
		step = 7
	}
	for _, around := range []string{"a", "界"} {
		for _, seq := range sequences {
			t.Run(fmt.Sprintf("%s/%x", around, seq), func(t *testing.T) {
				for n := len(seq); n <= maxPositionBytes; n += step {
					for i := range n - len(seq) + 1 {
						b := append(fill(around, i), seq...)
						checkWhole(t, append(b, fill(around, n-len(b))...))
					}
				}
			})
		}
	}
}

// TestLongRuns joins runs of ASCII and of three-byte characters of many lengths, so that the
// vectors leave the mixed path for the ASCII path and come back, at every phase.
func TestLongRuns(t *testing.T) {
	for first := range 70 {
		for second := 120; second < 200; second++ {
			b := fillAt("界", first, first+100)
			b = append(b, fill("a", second)...)
			b = append(b, fill("é", 90)...)
			checkWhole(t, b)
			b[first+99] = 0xE7 // the run ends inside a character
			checkWhole(t, b)
		}
	}
}

// TestEdgesInVectors puts every four bytes at the edges of the ranges across byte 96, where
// one vector ends, and at the end, where the automaton decides.
func TestEdgesInVectors(t *testing.T) {
	alphabet := interesting
	if testing.Short() {
		alphabet = []byte{0x41, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2, 0xE0, 0xED, 0xF0, 0xF4, 0xF5}
	}
	inside, atEnd := fill("界", 128), fill("界", 128)
	for _, c0 := range alphabet {
		for _, c1 := range alphabet {
			for _, c2 := range alphabet {
				for _, c3 := range alphabet {
					var o oracle
					for _, c := range []byte{c0, c1, c2, c3} {
						o = o.next(c)
					}
					seq := [4]byte{c0, c1, c2, c3}
					complete := !o.failed && o.count == 0

					// A character of the filling begins at 93 and another at 123.
					copy(inside[93:], seq[:])
					copy(inside[97:], "..")
					if Valid(inside) != complete {
						t.Fatalf("% x inside: Valid = %v, want %v", seq, !complete, complete)
					}
					copy(atEnd[123:], ".")
					copy(atEnd[124:], seq[:])
					s, ok := State(0).Advance(atEnd)
					if ok == o.failed || s.Complete() != complete {
						t.Fatalf("% x at the end: ok = %v, Complete = %v, want %v, %v", seq, ok, s.Complete(), !o.failed, complete)
					}
				}
			}
		}
	}
}
