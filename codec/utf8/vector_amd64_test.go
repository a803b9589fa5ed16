//go:build amd64 && !purego

package utf8

import (
	"fmt"
	"testing"
)

// scanners are the two that scan chooses from.
var scanners = []struct {
	name    string
	works   bool // on this machine
	scan    func([]byte) bool
	minimum int // length
	maximum int // that covers every path
	step    int
}{
	{"AVX2", useVector, scanAVX2, scanMinBytes, maxPositionBytes, 1},
	{"AVX-512", useVector && useWide, scanAVX512, wideMinBytes, 600, 11},
}

func init() {
	if useVector && useWide {
		implementations = append(implementations, implementation{"AVX2", func(s State, b []byte) (State, bool) {
			useWide = false
			defer func() { useWide = true }()
			return s.Advance(b)
		}})
	}
}

// checkScan holds a scanner to what the comment of scanAVX2 says: it judges like the oracle, but not
// a last byte that is a lead byte, at the boundary, of no character.
func checkScan(t *testing.T, scan func([]byte) bool, b []byte) {
	t.Helper()
	failAt, _ := judge(b)
	want := failAt == len(b)
	if last := len(b) - 1; failAt == last && b[last] >= 0xC0 {
		_, complete := judge(b[:last])
		want = complete
	}
	if got := scan(b); got != want {
		t.Fatalf("%v, want %v: fails at %d of % x", got, want, failAt, b)
	}
}

func TestScanners(t *testing.T) {
	wrong := []byte{0x20, 0x85, 0x95, 0xB5, 0xC0, 0xE0, 0xED, 0xF4, 0xF9}
	for _, s := range scanners {
		t.Run(s.name, func(t *testing.T) {
			if !s.works {
				t.Skip("this processor lacks the instructions")
			}
			for _, text := range benchTexts {
				for n := s.minimum; n <= s.maximum; n += s.step {
					for shift := range 4 {
						// An open end is allowed, so nothing mends the last character here.
						b := fillAt(text.text, shift, n+4)[:n]
						checkScan(t, s.scan, b)
						for i, was := range b {
							b[i] = wrong[(i+n+shift)%len(wrong)]
							checkScan(t, s.scan, b)
							b[i] = was
						}
					}
				}
			}
		})
	}
}

// TestWideRuns takes the wide scanner through runs of ASCII between other text, of every length at which it
// changes its path, with a character that the run cuts short and with a byte too many.
func TestWideRuns(t *testing.T) {
	if !useVector || !useWide {
		t.Skip("this processor lacks the instructions")
	}
	for before := range 200 {
		for _, run := range []int{1, 63, 64, 65, 127, 128, 129, 191, 192, 255, 256, 257, 300, 400} {
			b := append(fill("x", before), "é世"...)
			b = append(b, fill("a", run)...)
			b = append(b, "😀 and some more"...)
			b = append(b, fill("b", max(0, wideMinBytes-len(b)))...)
			checkScan(t, scanAVX512, b)
			for _, wrong := range []struct {
				at int
				b  byte
			}{{before + 4, 'c'}, {before + 5, 0x80}, {before + 5 + run, 0x9F}, {before + 4 + run, 0xF1}} {
				was := b[wrong.at]
				b[wrong.at] = wrong.b
				checkScan(t, scanAVX512, b)
				b[wrong.at] = was
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
// ASCII, where the automaton skips words, around wordsMaxBytes; and the vectors with each other around wideMinBytes.
func BenchmarkThreshold(b *testing.B) {
	if !useVector {
		b.Skip("this processor has no AVX2")
	}
	for _, t := range benchTexts {
		for _, n := range []int{36, 40, 48, 64, 96, 127, 128, 160, 192} {
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
