//go:build !amd64 || purego

package mask

// hasVectors is constant here, so that the compiler drops the calls of xorVectors.
func hasVectors() bool {
	return false
}

func xorVectors(dst, src *byte, n int, keys uint64) {
	panic("mask: no vector routine in this build")
}
