package mask

import "encoding/binary"

// The loops below are written out and call encoding/binary directly, through pointers
// to arrays: then there is one bounds check per 64 bytes, each line becomes one
// instruction, and nothing stands between them. A helper or an inner loop costs up to
// half the speed.

// xorBlocks is XOR in words, for at least blockMin bytes. As in XOR, the last 32 bytes
// are loaded before the loop reaches them and stored after it, under the key that
// follows b; so no length needs a loop over single words or bytes.
func xorBlocks(b []byte, key uint32) {
	le := binary.LittleEndian
	n := len(b)
	k := repeat(key)
	end := repeat(advance(key, n))
	back := b[n-blockMin:]
	w0, w1, w2, w3 := le.Uint64(back), le.Uint64(back[8:]), le.Uint64(back[16:]), le.Uint64(back[24:])
	i := 0
	for ; i <= n-64; i += 64 {
		p := (*[64]byte)(b[i:])
		le.PutUint64(p[0:], le.Uint64(p[0:])^k)
		le.PutUint64(p[8:], le.Uint64(p[8:])^k)
		le.PutUint64(p[16:], le.Uint64(p[16:])^k)
		le.PutUint64(p[24:], le.Uint64(p[24:])^k)
		le.PutUint64(p[32:], le.Uint64(p[32:])^k)
		le.PutUint64(p[40:], le.Uint64(p[40:])^k)
		le.PutUint64(p[48:], le.Uint64(p[48:])^k)
		le.PutUint64(p[56:], le.Uint64(p[56:])^k)
	}
	if i <= n-32 {
		p := (*[32]byte)(b[i:])
		le.PutUint64(p[0:], le.Uint64(p[0:])^k)
		le.PutUint64(p[8:], le.Uint64(p[8:])^k)
		le.PutUint64(p[16:], le.Uint64(p[16:])^k)
		le.PutUint64(p[24:], le.Uint64(p[24:])^k)
	}
	le.PutUint64(back, w0^end)
	le.PutUint64(back[8:], w1^end)
	le.PutUint64(back[16:], w2^end)
	le.PutUint64(back[24:], w3^end)
}

// copyBlocks is Copy in words, for at least blockMin bytes and dst of the length of
// src. Each word is loaded before any word at or after its place is stored, which is
// what lets dst start before src.
func copyBlocks(dst, src []byte, key uint32) {
	le := binary.LittleEndian
	n := len(src)
	dst = dst[:n]
	k := repeat(key)
	end := repeat(advance(key, n))
	back := src[n-blockMin:]
	w0, w1, w2, w3 := le.Uint64(back), le.Uint64(back[8:]), le.Uint64(back[16:]), le.Uint64(back[24:])
	i := 0
	for ; i <= n-64; i += 64 {
		p, q := (*[64]byte)(dst[i:]), (*[64]byte)(src[i:])
		le.PutUint64(p[0:], le.Uint64(q[0:])^k)
		le.PutUint64(p[8:], le.Uint64(q[8:])^k)
		le.PutUint64(p[16:], le.Uint64(q[16:])^k)
		le.PutUint64(p[24:], le.Uint64(q[24:])^k)
		le.PutUint64(p[32:], le.Uint64(q[32:])^k)
		le.PutUint64(p[40:], le.Uint64(q[40:])^k)
		le.PutUint64(p[48:], le.Uint64(q[48:])^k)
		le.PutUint64(p[56:], le.Uint64(q[56:])^k)
	}
	if i <= n-32 {
		p, q := (*[32]byte)(dst[i:]), (*[32]byte)(src[i:])
		le.PutUint64(p[0:], le.Uint64(q[0:])^k)
		le.PutUint64(p[8:], le.Uint64(q[8:])^k)
		le.PutUint64(p[16:], le.Uint64(q[16:])^k)
		le.PutUint64(p[24:], le.Uint64(q[24:])^k)
	}
	back = dst[n-blockMin:]
	le.PutUint64(back, w0^end)
	le.PutUint64(back[8:], w1^end)
	le.PutUint64(back[16:], w2^end)
	le.PutUint64(back[24:], w3^end)
}
