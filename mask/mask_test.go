package mask

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
)

// routine is one way to do what XOR and Copy do.
type routine struct {
	name string
	xor  func(b []byte, key uint32) uint32
	copy func(dst, src []byte, key uint32) uint32
}

// routines lists the exported functions and, beneath them, each implementation from
// the length at which it begins. Where the build or the processor has no vectors,
// that entry is missing.
func routines() []routine {
	list := []routine{
		{"exported", XOR, Copy},
		{"generic", func(b []byte, key uint32) uint32 {
			if len(b) < blockMin {
				return XOR(b, key)
			}
			xorBlocks(b, key)
			return advance(key, len(b))
		}, func(dst, src []byte, key uint32) uint32 {
			if len(src) < blockMin {
				return Copy(dst, src, key)
			}
			copyBlocks(dst[:len(src)], src, key)
			return advance(key, len(src))
		}},
	}
	if hasVectors() {
		vectorCopy := func(dst, src []byte, key uint32) uint32 {
			if len(src) < blockMin {
				return Copy(dst, src, key)
			}
			xorVectors(&dst[0], &src[0], len(src), repeat(key))
			return advance(key, len(src))
		}
		list = append(list, routine{"avx2", func(b []byte, key uint32) uint32 {
			return vectorCopy(b, b, key)
		}, vectorCopy})
	}
	return list
}

// each runs f as a subtest for every routine.
func each(t *testing.T, f func(*testing.T, routine)) {
	for _, r := range routines() {
		t.Run(r.name, func(t *testing.T) { f(t, r) })
	}
}

// maskingKey is a key as it stands in a frame; no two bytes of it are alike.
var maskingKey = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// word returns the key that is due at the given offset of the payload.
func word(offset int) uint32 {
	var k [4]byte
	for i := range k {
		k[i] = maskingKey[(offset+i)%4]
	}
	return binary.LittleEndian.Uint32(k[:])
}

// naive is the formula of RFC 6455 section 5.3 for a piece at the given offset of
// the payload.
func naive(src []byte, offset int) []byte {
	out := make([]byte, len(src))
	for i := range src {
		out[i] = src[i] ^ maskingKey[(offset+i)%4]
	}
	return out
}

// pattern returns n bytes without a visible period, so that a byte in a wrong place
// shows.
func pattern(n int) []byte {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

const (
	lengths = 1024
	margin  = 64 // bytes watched on either side of a destination
)

// checkAround fails if out is not want inside an otherwise untouched ground.
func checkAround(t *testing.T, got, ground, want []byte, start int, what func() string) {
	t.Helper()
	end := start + len(want)
	if !bytes.Equal(got[start:end], want) {
		t.Fatalf("%s: wrong bytes", what())
	}
	if !bytes.Equal(got[:start], ground[:start]) || !bytes.Equal(got[end:], ground[end:]) {
		t.Fatalf("%s: bytes outside the slice changed", what())
	}
}

func TestXOREveryLengthAlignmentAndPhase(t *testing.T) {
	ground := pattern(lengths + 2*margin + 64)
	got := make([]byte, len(ground))
	each(t, func(t *testing.T, r routine) {
		for align := range 64 {
			start := margin + align
			for phase := range 4 {
				want := naive(ground[start:start+lengths], phase)
				for n := (align + phase) % stride; n <= lengths; n += stride {
					what := func() string { return fmt.Sprintf("length %d, alignment %d, phase %d", n, align, phase) }
					size := start + n + margin
					copy(got, ground[:size])
					if next := r.xor(got[start:start+n], word(phase)); next != word(phase+n) {
						t.Fatalf("%s: next key %#08x, want %#08x", what(), next, word(phase+n))
					}
					checkAround(t, got[:size], ground[:size], want[:n], start, what)
				}
			}
		}
	})
}

func TestCopyEveryLengthAlignmentAndPhase(t *testing.T) {
	const aligns = 16
	src := pattern(lengths + aligns)
	untouched := bytes.Clone(src)
	ground := bytes.Repeat([]byte{0xa5}, lengths+2*margin+aligns)
	got := bytes.Clone(ground)
	each(t, func(t *testing.T, r routine) {
		for from := range aligns {
			for phase := range 4 {
				want := naive(src[from:from+lengths], phase)
				for to := range aligns {
					start := margin + to
					for n := (from + to + phase) % stride; n <= lengths; n += stride {
						what := func() string {
							return fmt.Sprintf("length %d, from alignment %d to %d, phase %d", n, from, to, phase)
						}
						size := start + n + margin
						// dst is longer than src: the rest of it is not Copy's to write.
						next := r.copy(got[start:size], src[from:from+n], word(phase))
						if next != word(phase+n) {
							t.Fatalf("%s: next key %#08x, want %#08x", what(), next, word(phase+n))
						}
						checkAround(t, got[:size], ground[:size], want[:n], start, what)
						copy(got[start:], ground[start:start+n])
					}
				}
			}
		}
		if !bytes.Equal(src, untouched) {
			t.Fatal("the source changed")
		}
	})
}

// A payload in two pieces, cut anywhere, comes out as the whole does, and so does one
// that comes byte by byte.
func TestPieces(t *testing.T) {
	const n = 300
	src := pattern(n)
	want := naive(src, 0)
	each(t, func(t *testing.T, r routine) {
		for cut := range n + 1 {
			got := bytes.Clone(src)
			key := r.xor(got[:cut], word(0))
			key = r.xor(got[cut:], key)
			if !bytes.Equal(got, want) || key != word(n) {
				t.Fatalf("XOR of %d and %d bytes differs from the whole", cut, n-cut)
			}
			clear(got)
			key = r.copy(got, src[:cut], word(0))
			key = r.copy(got[cut:], src[cut:], key)
			if !bytes.Equal(got, want) || key != word(n) {
				t.Fatalf("Copy of %d and %d bytes differs from the whole", cut, n-cut)
			}
		}
		got, key := bytes.Clone(src), word(0)
		for i := range got {
			key = r.xor(got[i:i+1], key)
		}
		if !bytes.Equal(got, want) || key != word(n) {
			t.Fatal("XOR byte by byte differs from the whole")
		}
	})
}

// dst may start at or before src, by any distance.
func TestCopyOverlap(t *testing.T) {
	const longest, farthest = 600, 200
	ground := pattern(longest + farthest + 2*margin)
	got := make([]byte, len(ground))
	each(t, func(t *testing.T, r routine) {
		for distance := range farthest {
			from := margin + distance
			want := naive(ground[from:from+longest], 0)
			for n := distance % stride; n <= longest; n += stride {
				copy(got, ground)
				next := r.copy(got[margin:], got[from:from+n], word(0))
				what := func() string { return fmt.Sprintf("length %d, moved by %d", n, distance) }
				if next != word(n) {
					t.Fatalf("%s: next key %#08x, want %#08x", what(), next, word(n))
				}
				checkAround(t, got, ground, want[:n], margin, what)
			}
		}
	})
}

// Lengths of a megabyte and a few bytes to either side, for loops that the short
// lengths enter only a few times.
func TestLong(t *testing.T) {
	src := pattern(1<<20 + 40)
	want := naive(src, 1)
	each(t, func(t *testing.T, r routine) {
		for n := len(src) - 80; n <= len(src); n += stride {
			got := make([]byte, n)
			if next := r.copy(got, src[:n], word(1)); next != word(1+n) || !bytes.Equal(got, want[:n]) {
				t.Fatalf("Copy of %d bytes is wrong", n)
			}
			if r.xor(got, word(1)); !bytes.Equal(got, src[:n]) {
				t.Fatalf("XOR of %d bytes does not undo Copy", n)
			}
		}
	})
}

// The room behind a short dst does not count, though it lies within its capacity.
func TestCopyShortDestinationPanics(t *testing.T) {
	for _, n := range []int{1, 8, 31, 32, 125, 1024} {
		room := make([]byte, n)
		src := pattern(n)
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Copy of %d bytes into %d did not panic", n, n-1)
				}
			}()
			Copy(room[:n-1], src, word(0))
		}()
		if !bytes.Equal(room, make([]byte, n)) {
			t.Errorf("Copy of %d bytes into %d wrote before it panicked", n, n-1)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	src, dst := pattern(4096), make([]byte, 4096)
	each(t, func(t *testing.T, r routine) {
		for _, n := range []int{0, 3, 16, 31, 125, 4096} {
			key := word(0)
			if got := testing.AllocsPerRun(100, func() {
				key = r.xor(dst[:n], key)
				key = r.copy(dst, src[:n], key)
			}); got != 0 {
				t.Errorf("%d bytes: %v allocations", n, got)
			}
		}
	})
}
