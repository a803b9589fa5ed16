package mask

import (
	"encoding/binary"
	"math/bits"
)

// blockMin is the length in bytes from which the vector or block routines work: they
// begin and end with 32 bytes at once. AVX2 is measured to pay from exactly there: at
// 32 bytes it equals the best word code in place and beats it when copying, and at 125
// it takes two thirds of the time.
const blockMin = 32

// XOR masks or unmasks b in place and returns the key for the bytes that follow b in
// the same payload.
func XOR(b []byte, key uint32) (next uint32) {
	n := len(b)
	next = advance(key, n)
	if n >= blockMin {
		if hasVectors() {
			xorVectors(&b[0], &b[0], n, repeat(key))
		} else {
			xorBlocks(b, key)
		}
		return next
	}
	// The rest is one or two words from the front and as many from the back, which
	// meet or overlap. All are loaded before the first is stored, so bytes in the
	// overlap are masked once. The back starts a multiple of 4 bytes before the end,
	// hence under next.
	le := binary.LittleEndian
	switch {
	case n > 16:
		front, back := b[:16], b[n-16:]
		w0, w1 := le.Uint64(front), le.Uint64(front[8:])
		w2, w3 := le.Uint64(back), le.Uint64(back[8:])
		le.PutUint64(front, w0^repeat(key))
		le.PutUint64(front[8:], w1^repeat(key))
		le.PutUint64(back, w2^repeat(next))
		le.PutUint64(back[8:], w3^repeat(next))
	case n >= 8:
		back := b[n-8:]
		w0, w1 := le.Uint64(b), le.Uint64(back)
		le.PutUint64(b, w0^repeat(key))
		le.PutUint64(back, w1^repeat(next))
	case n >= 4:
		back := b[n-4:]
		w0, w1 := le.Uint32(b), le.Uint32(back)
		le.PutUint32(b, w0^key)
		le.PutUint32(back, w1^next)
	default:
		for i := range b {
			b[i] ^= byte(key)
			key >>= 8
		}
	}
	return next
}

// Copy masks or unmasks src into the first len(src) bytes of dst, in one pass over
// memory, and returns the key for the bytes that follow src in the same payload. It
// panics, as slicing does, if dst is shorter than src. The two may overlap only if
// dst starts at or before src.
func Copy(dst, src []byte, key uint32) (next uint32) {
	n := len(src)
	dst = dst[:n:len(dst)] // by length: what lies between it and cap(dst) is not ours
	next = advance(key, n)
	if n >= blockMin {
		if hasVectors() {
			xorVectors(&dst[0], &src[0], n, repeat(key))
		} else {
			copyBlocks(dst, src, key)
		}
		return next
	}
	// As in XOR, with the two places apart.
	le := binary.LittleEndian
	switch {
	case n > 16:
		front, back := src[:16], src[n-16:]
		w0, w1 := le.Uint64(front), le.Uint64(front[8:])
		w2, w3 := le.Uint64(back), le.Uint64(back[8:])
		front, back = dst[:16], dst[n-16:]
		le.PutUint64(front, w0^repeat(key))
		le.PutUint64(front[8:], w1^repeat(key))
		le.PutUint64(back, w2^repeat(next))
		le.PutUint64(back[8:], w3^repeat(next))
	case n >= 8:
		w0, w1 := le.Uint64(src), le.Uint64(src[n-8:])
		le.PutUint64(dst, w0^repeat(key))
		le.PutUint64(dst[n-8:], w1^repeat(next))
	case n >= 4:
		w0, w1 := le.Uint32(src), le.Uint32(src[n-4:])
		le.PutUint32(dst, w0^key)
		le.PutUint32(dst[n-4:], w1^next)
	default:
		for i, c := range src {
			dst[i] = c ^ byte(key)
			key >>= 8
		}
	}
	return next
}

// advance returns key as it stands n payload bytes later.
func advance(key uint32, n int) uint32 {
	return bits.RotateLeft32(key, -8*(n&3))
}

// repeat returns the key for eight payload bytes.
func repeat(key uint32) uint64 {
	return uint64(key)<<32 | uint64(key)
}
