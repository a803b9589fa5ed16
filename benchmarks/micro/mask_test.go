package micro

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	antlabs "github.com/antlabs/wsutil/mask"
	gobwas "github.com/gobwas/ws"

	"github.com/wsloop/wsloop/mask"
)

// A masker masks payload in place, from its first byte on.
type masker struct {
	library string
	mask    func(payload []byte, key [4]byte)
}

// maskers are ours and those that a program can call. exposed_test.go appends the others.
var maskers = []masker{
	{"wsloop", func(payload []byte, key [4]byte) { mask.XOR(payload, binary.LittleEndian.Uint32(key[:])) }},
	{"gobwas", func(payload []byte, key [4]byte) { gobwas.Cipher(payload, key, 0) }},
	// greatws masks with a package of its author's.
	{"greatws", func(payload []byte, key [4]byte) { antlabs.Mask(payload, binary.LittleEndian.Uint32(key[:])) }},
}

// maskBytes are the payloads that are measured.
var maskBytes = []int{16, 128, 1024, 4096, 16384, 65536, 1 << 20}

// What is measured is masking: every library does it, at every length and alignment.
func TestMaskers(t *testing.T) {
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	for _, m := range maskers {
		t.Run(m.library, func(t *testing.T) {
			buf := make([]byte, 400)
			for start := range 16 {
				for n := range 300 {
					want := bytes.Clone(buf)
					for i := range n {
						want[start+i] ^= key[i%4]
					}
					m.mask(buf[start:start+n], key)
					if !bytes.Equal(buf, want) {
						t.Fatalf("%d bytes at %d: got % x, want % x", n, start, buf[:start+n+1], want[:start+n+1])
					}
				}
			}
		})
	}
}

// BenchmarkMask goes through the libraries at one length before it turns to the next, so that what is compared is measured
// one after the other. memmove is the measure: what it costs to move as many bytes.
func BenchmarkMask(b *testing.B) {
	moved := make([]byte, maskBytes[len(maskBytes)-1])
	memmove := masker{"memmove", func(payload []byte, _ [4]byte) { copy(moved, payload) }}
	for _, n := range maskBytes {
		for _, m := range append([]masker{memmove}, maskers...) {
			b.Run(fmt.Sprintf("bytes=%d/lib=%s", n, m.library), func(b *testing.B) { benchmarkMask(b, n, m.mask) })
		}
	}
}

// benchmarkMask masks payloads that stand one behind the other as frames of a client do in a buffer of 64 KiB, so
// that alignment varies.
func benchmarkMask(b *testing.B, n int, mask func([]byte, [4]byte)) {
	head := headBytes(n)
	step := head + n
	buf := make([]byte, step*max(1, 65536/step))
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	start := head
	b.SetBytes(int64(n))
	for b.Loop() {
		mask(buf[start:start+n], key)
		if start += step; start > len(buf) {
			start = head
		}
	}
}

// headBytes is the length of the header of a masked frame (RFC 6455 section 5.2).
func headBytes(payloadLen int) int {
	switch {
	case payloadLen <= 125:
		return 6
	case payloadLen <= 0xffff:
		return 8
	default:
		return 14
	}
}
