package codectest

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
)

func TestCuts(t *testing.T) {
	for n, want := range map[int]string{
		0: "[[0]]",
		1: "[[1]]",
		3: "[[3] [1 1 1] [1 2] [2 1]]",
	} {
		var got [][]int
		for lengths := range Cuts(n) {
			got = append(got, slices.Clone(lengths))
		}
		if fmt.Sprint(got) != want {
			t.Errorf("Cuts(%d) = %v, want %s", n, got, want)
		}
	}
}

func TestCutsOfLongInput(t *testing.T) {
	const n = 100_000
	at := make(map[int]bool)
	for lengths := range Cuts(n, 5000) {
		if len(lengths) == 2 {
			at[lengths[0]] = true
		}
	}
	for _, offset := range []int{1, 64, 4984, 5000, 5016, n - 64, n - 1} {
		if !at[offset] {
			t.Errorf("no cut at %d", offset)
		}
	}
	if want := 64 + 33 + 64; len(at) != want {
		t.Errorf("%d cuts in two, want %d", len(at), want)
	}
}

func TestPieces(t *testing.T) {
	in := []byte("abcdef")
	for lengths := range Cuts(len(in)) {
		var joined []byte
		for piece := range Pieces(in, lengths) {
			if cap(piece) != len(piece) {
				t.Fatalf("a piece of %d bytes has capacity %d", len(piece), cap(piece))
			}
			joined = append(joined, piece...)
			clear(piece)
		}
		if !bytes.Equal(joined, []byte("abcdef")) {
			t.Fatalf("%v joined to %q", lengths, joined)
		}
	}
	if string(in) != "abcdef" {
		t.Errorf("the input became %q", in)
	}
}
