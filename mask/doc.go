// Package mask applies the masking key of RFC 6455 section 5.3 to payload bytes, in
// place (XOR) or while they are copied (Copy). Masking and unmasking are the same
// operation.
//
// # The key
//
// A masking key is passed as a little-endian word: byte i of the payload is combined
// with byte i mod 4 of the key, and byte 0 is the lowest. For the four bytes as they
// stand in the frame header that is binary.LittleEndian.Uint32(header). The
// functions return the key turned to where the payload was left, so a payload may
// come in pieces of any size:
//
//	for piece := range pieces {
//		key = mask.XOR(piece, key)
//	}
//
// # Promises
//
// Only the bytes of the slices are read or written, nothing is allocated, and nothing
// is kept. The functions do not depend on alignment or on the byte order of the
// processor, and may be called from any goroutine on bytes it owns.
//
// # What runs where
//
// Fewer than 32 bytes take a handful of overlapping words on every processor. From
// there on amd64 processors with AVX2 run assembly, which the benchmarks of this
// package show to be no slower at any length and up to three times as fast.
// Everything else runs 64-bit words in plain Go, and so does every build with the
// purego tag. That includes arm64: NEON assembly has not been written because it
// has not been possible to measure what it would gain there. The word code is tested
// on arm64 under emulation.
//
// The race detector cannot see the bytes that assembly touches. To find races on
// payload bytes, test with both -race and the purego tag.
package mask
