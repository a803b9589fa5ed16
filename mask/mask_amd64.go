//go:build !purego

package mask

import "golang.org/x/sys/cpu"

// hasVectors reports whether xorVectors may be called: the processor has AVX2 and the
// operating system saves its registers.
func hasVectors() bool {
	return cpu.X86.HasAVX2
}

// xorVectors masks n bytes from src into dst, which may be the same or start before
// it; n is at least blockMin. keys is the key twice, so that a load from any of its
// first four bytes gives the key turned by so many bytes.
//
//go:noescape
func xorVectors(dst, src *byte, n int, keys uint64)
