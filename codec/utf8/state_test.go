package utf8

import (
	"testing"
	stdutf8 "unicode/utf8"
)

// interesting are the bytes at the edges of every range in RFC 3629 section 4.
var interesting = []byte{
	0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0,
	0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF7, 0xF8, 0xFE, 0xFF,
}

func TestEarliestFailure(t *testing.T) {
	tests := []struct {
		name   string
		text   string
		failAt int
	}{
		{"continuation first", "\x80", 0},
		{"C0 leads nothing", "a\xC0", 1},
		{"C1 leads nothing", "a\xC1", 1},
		{"F5 leads nothing", "a\xF5", 1},
		{"FF leads nothing", "\xFF", 0},
		{"overlong of three", "\xE0\x80", 1},
		{"overlong of three, highest", "\xE0\x9F\xBF", 1},
		{"surrogate", "\xED\xA0", 1},
		{"overlong of four", "\xF0\x8F", 1},
		{"above U+10FFFF", "\xF4\x90", 1},
		{"ASCII inside a character", "\xE4\xB8a", 2},
		{"lead byte inside a character", "\xF0\x9F\x98\xC3", 3},
		{"one continuation too many", "\xC3\xA9\xA9", 2},
		{"RFC 6455 in the field: kosme, then a surrogate", "\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5\xED\xA0\x80", 12},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if failAt, _ := judge([]byte(tt.text)); failAt != tt.failAt {
				t.Fatalf("the oracle fails at %d, want %d", failAt, tt.failAt)
			}
			for n := range len(tt.text) + 1 {
				_, ok := State(0).Advance([]byte(tt.text[:n]))
				if ok != (n <= tt.failAt) {
					t.Errorf("Advance of %d bytes: ok = %v, want failure at byte %d", n, ok, tt.failAt)
				}
			}
		})
	}
}

func TestFailureHolds(t *testing.T) {
	for _, impl := range implementations {
		s, _ := impl.advance(0, []byte("\xFF"))
		for _, n := range []int{0, 1, 8, 35, 100} {
			if _, ok := impl.advance(s, fill("a", n)); ok {
				t.Errorf("%s: %d bytes of ASCII succeed after a failure", impl.name, n)
			}
		}
		if s.Complete() {
			t.Errorf("%s: a failure is complete", impl.name)
		}
	}
}

// TestEverySequence walks all sequences of one, two and three bytes as a tree: each byte is
// fed alone to the state of its prefix, and each sequence is fed as a whole as well.
func TestEverySequence(t *testing.T) {
	depth := 3
	if testing.Short() {
		depth = 2
	}
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	walkSequences(t, all, make([]byte, 0, depth), 0, oracle{})
}

// TestEveryFourByteEdge does the same for four bytes at the edges of the ranges.
func TestEveryFourByteEdge(t *testing.T) {
	walkSequences(t, interesting, make([]byte, 0, 4), 0, oracle{})
}

func walkSequences(t *testing.T, alphabet, prefix []byte, s State, o oracle) {
	for _, c := range alphabet {
		seq := append(prefix, c)
		after := o.next(c)
		next, ok := s.Advance(seq[len(prefix):])
		whole, wholeOK := State(0).Advance(seq)
		if ok == after.failed || wholeOK == after.failed || next != whole {
			t.Fatalf("% x: by bytes %v %v, whole %v %v, oracle fails: %v", seq, next, ok, whole, wholeOK, after.failed)
		}
		complete := !after.failed && after.count == 0
		if next.Complete() != complete || Valid(seq) != complete || stdutf8.Valid(seq) != complete {
			t.Fatalf("% x: Complete %v, Valid %v, unicode/utf8 %v, oracle %v", seq, next.Complete(), Valid(seq), stdutf8.Valid(seq), complete)
		}
		if len(seq) < cap(seq) {
			walkSequences(t, alphabet, seq, next, after)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	for _, n := range []int{7, 33, 125, 4096} {
		for _, text := range benchTexts {
			p := fill(text.text, n)
			if allocs := testing.AllocsPerRun(10, func() {
				s, _ := State(0).Advance(p[:n/2])
				if _, ok := s.Advance(p[n/2:]); !ok || !Valid(p) {
					t.Error("valid text refused")
				}
			}); allocs != 0 {
				t.Errorf("%s, %d bytes: %v allocations", text.name, n, allocs)
			}
		}
	}
}
