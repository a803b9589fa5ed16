//go:build amd64 && !purego

package utf8

import (
	"fmt"
	"testing"
)

// checkScanAVX2 holds scanAVX2 to what its comment says: it judges like the oracle, but not
// a last byte that is a lead byte, at the boundary, of no character.
func checkScanAVX2(t *testing.T, b []byte) {
	t.Helper()
	failAt, _ := judge(b)
	want := failAt == len(b)
	if last := len(b) - 1; failAt == last && b[last] >= 0xC0 {
		_, complete := judge(b[:last])
		want = complete
	}
	if got := scanAVX2(b); got != want {
		t.Fatalf("scanAVX2 = %v, want %v: fails at %d of % x", got, want, failAt, b)
	}
}

func TestScanAVX2(t *testing.T) {
	if !useVector {
		t.Skip("this processor has no AVX2")
	}
	wrong := []byte{0x20, 0x85, 0x95, 0xB5, 0xC0, 0xE0, 0xED, 0xF4, 0xF9}
	for _, text := range benchTexts {
		for n := scanMinBytes; n <= maxPositionBytes; n++ {
			for shift := range 4 {
				// An open end is allowed, so nothing mends the last character here.
				b := fillAt(text.text, shift, n+4)[:n]
				checkScanAVX2(t, b)
				for i, was := range b {
					b[i] = wrong[(i+n+shift)%len(wrong)]
					checkScanAVX2(t, b)
					b[i] = was
				}
			}
		}
	}
}

// TestWithoutAVX2 takes the branch of a processor that lacks it.
func TestWithoutAVX2(t *testing.T) {
	had := useVector
	useVector = false
	defer func() { useVector = had }()
	for _, text := range benchTexts {
		b := fill(text.text, 100)
		checkWhole(t, b)
		b[99] = 0xFF
		checkWhole(t, b)
	}
}

// BenchmarkThreshold compares the automaton with the vectors around vectorMinBytes, and on
// ASCII, where the automaton skips words, around wordsMaxBytes.
func BenchmarkThreshold(b *testing.B) {
	if !useVector {
		b.Skip("this processor has no AVX2")
	}
	for _, t := range benchTexts {
		for _, n := range []int{36, 40, 48, 64, 96, 128, 160, 192} {
			p := fill(t.text, n)
			for _, way := range []struct {
				name    string
				advance func(State, []byte) (State, bool)
			}{{"scan", State.scan}, {"vector", func(_ State, b []byte) (State, bool) { return advanceVector(b) }}} {
				b.Run(fmt.Sprintf("%s/%d/%s", t.name, n, way.name), func(b *testing.B) {
					b.SetBytes(int64(n))
					for b.Loop() {
						if _, ok := way.advance(0, p); !ok {
							b.Fatal("valid text refused")
						}
					}
				})
			}
		}
	}
}
