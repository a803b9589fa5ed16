package mask

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// FuzzXOR masks a payload in pieces that the input picks and compares with the formula
// of RFC 6455 section 5.3, for each routine: in place, copied, and copied down over the
// payload's own front. A byte of cuts gives a piece of a 16th of its square, so that
// lengths from 0 to 4064 are in reach; when cuts runs out, the rest is one piece.
func FuzzXOR(f *testing.F) {
	f.Add([]byte(nil), uint32(0), []byte(nil), byte(0))
	f.Add([]byte("Hello"), binary.LittleEndian.Uint32(maskingKey[:]), []byte(nil), byte(1)) // RFC 6455 section 5.7
	for n := range 2*blockMin + 1 {
		f.Add(pattern(n), uint32(0x04030201), []byte{byte(n)}, byte(n))
	}
	f.Add(pattern(125), uint32(0x01020304), []byte{4, 5, 7, 9}, byte(4))
	f.Add(pattern(257), uint32(0xff000000), []byte{23, 1, 46, 33}, byte(33))
	f.Add(pattern(9000), uint32(0x80402010), []byte{255, 0, 90, 45, 255}, byte(200))
	f.Fuzz(func(t *testing.T, payload []byte, key uint32, cuts []byte, distance byte) {
		var keyBytes [4]byte
		binary.LittleEndian.PutUint32(keyBytes[:], key)
		want := make([]byte, len(payload))
		for i := range payload {
			want[i] = payload[i] ^ keyBytes[i%4]
		}
		for _, r := range routines() {
			inPlace := bytes.Clone(payload)
			copied := make([]byte, len(payload))
			moved := append(make([]byte, distance), payload...)
			kx, kc, km := key, key, key
			for start, i := 0, 0; start < len(payload) || i < len(cuts); i++ {
				end := len(payload)
				if i < len(cuts) {
					end = min(end, start+int(cuts[i])*int(cuts[i])/16)
				}
				kx = r.xor(inPlace[start:end], kx)
				kc = r.copy(copied[start:], payload[start:end], kc)
				from := moved[int(distance)+start : int(distance)+end]
				km = r.copy(moved[start:], from, km)
				start = end
			}
			if !bytes.Equal(inPlace, want) || !bytes.Equal(copied, want) || !bytes.Equal(moved[:len(want)], want) {
				t.Fatalf("%s: pieces differ from the formula", r.name)
			}
			if kx != kc || kx != km {
				t.Fatalf("%s: next keys differ: %#08x, %#08x, %#08x", r.name, kx, kc, km)
			}
			if r.xor(inPlace, key); !bytes.Equal(inPlace, payload) {
				t.Fatalf("%s: masking twice is not the identity", r.name)
			}
		}
	})
}
