package codectest

import (
	"iter"
	"slices"
)

const (
	// allCuts is the length up to which Cuts tries every offset.
	allCuts = 600
	// edge is how many offsets at either end of a longer input Cuts tries.
	edge = 64
	// near is how far on either side of a named offset Cuts tries.
	near = 16
)

// Cuts yields ways to cut n bytes into pieces, each as the lengths of the pieces in order: whole,
// byte by byte, and in two at every offset. Of more than 600 bytes the cuts in two are those within
// 64 bytes of either end and within 16 of the offsets in around, such as the starts of frames.
//
// The slice belongs to the caller until the next one is yielded.
func Cuts(n int, around ...int) iter.Seq[[]int] {
	return func(yield func([]int) bool) {
		if !yield([]int{n}) || n < 2 {
			return
		}
		if !yield(slices.Repeat([]int{1}, n)) {
			return
		}
		two := make([]int, 2)
		for at := 1; at < n; at++ {
			if n > allCuts && at > edge && at < n-edge && !nearAny(at, around) {
				continue
			}
			two[0], two[1] = at, n-at
			if !yield(two) {
				return
			}
		}
	}
}

func nearAny(at int, offsets []int) bool {
	return slices.ContainsFunc(offsets, func(o int) bool { return at >= o-near && at <= o+near })
}

// Pieces yields in as pieces of the given lengths, each in memory of its own with no room to spare:
// the code under test may edit a piece, and reading past its end is caught.
func Pieces(in []byte, lengths []int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, n := range lengths {
			piece := make([]byte, n)
			copy(piece, in)
			in = in[n:]
			if !yield(piece[:n:n]) {
				return
			}
		}
	}
}
