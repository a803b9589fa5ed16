package mask

import (
	"fmt"
	"testing"
)

var benchLengths = []int{16, 32, 64, 125, 128, 512, 1024, 4096, 16384, 1 << 20}

// benchmark runs f over payloads that stand one behind another with eight bytes
// between them, as frames do in a read buffer of 64 KiB, so alignment varies and no
// load meets a store of the call before.
func benchmark(b *testing.B, n int, f func(payload []byte, key uint32) uint32) {
	const head = 8
	step := head + n
	buf := make([]byte, step*max(1, 65536/step))
	key := word(0)
	start := head
	b.SetBytes(int64(n))
	for b.Loop() {
		key = f(buf[start:start+n], key)
		if start += step; start > len(buf) {
			start = head
		}
	}
}

func BenchmarkXOR(b *testing.B) {
	for _, n := range benchLengths {
		for _, r := range routines() {
			b.Run(fmt.Sprintf("%d/%s", n, r.name), func(b *testing.B) {
				benchmark(b, n, r.xor)
			})
		}
		benchmarkMemmove(b, n)
	}
}

func BenchmarkCopy(b *testing.B) {
	dst := make([]byte, 1<<20)
	for _, n := range benchLengths {
		for _, r := range routines() {
			b.Run(fmt.Sprintf("%d/%s", n, r.name), func(b *testing.B) {
				benchmark(b, n, func(payload []byte, key uint32) uint32 {
					return r.copy(dst, payload, key)
				})
			})
		}
		benchmarkMemmove(b, n)
	}
}

// benchmarkMemmove is the measure: what it costs to move as many bytes.
func benchmarkMemmove(b *testing.B, n int) {
	dst := make([]byte, n)
	b.Run(fmt.Sprintf("%d/memmove", n), func(b *testing.B) {
		benchmark(b, n, func(payload []byte, key uint32) uint32 {
			copy(dst, payload)
			return key
		})
	})
}
