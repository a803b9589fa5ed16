package codec

import (
	"bytes"
	"fmt"
	"testing"
)

// BenchmarkDecode decodes and unmasks a read buffer full of masked frames. Unmasking in place spoils
// the input, so the key is one that leaves ASCII ASCII.
func BenchmarkDecode(b *testing.B) {
	for _, size := range []int{16, 125, 1024, 16384} {
		for _, op := range []Opcode{OpcodeBinary, OpcodeText} {
			b.Run(fmt.Sprintf("%v-%d", op, size), func(b *testing.B) {
				const key = 0x01020304
				frame := AppendMaskedFrame(nil, true, op, bytes.Repeat([]byte("a"), size), key)
				benchmarkDecode(b, bytes.Repeat(frame, max(1, 32768/len(frame))), len(frame))
			})
		}
	}
}

// BenchmarkDecodeFragments is the same for a message in fragments that arrive whole, which takes the
// long way through the header.
func BenchmarkDecodeFragments(b *testing.B) {
	fragment := bytes.Repeat([]byte("a"), 125)
	frame := stream(
		AppendMaskedFrame(nil, false, OpcodeBinary, fragment, 0x01020304),
		AppendMaskedFrame(nil, true, OpcodeContinuation, fragment, 0x01020304))
	benchmarkDecode(b, bytes.Repeat(frame, 100), len(frame)/2)
}

// benchmarkDecode reports the time per frame.
func benchmarkDecode(b *testing.B, in []byte, frameLen int) {
	b.SetBytes(int64(frameLen))
	b.ReportAllocs()
	var d Decoder
	var p Part
	lim := Limits{MessageBytes: 1 << 20, Fragments: 100}
	rest := in
	for b.Loop() {
		if len(rest) == 0 {
			rest = in
		}
		n, ok, err := d.Next(rest, &lim, &p)
		if !ok || err != nil {
			b.Fatal(ok, err)
		}
		if err := d.Unmask(&p); err != nil {
			b.Fatal(err)
		}
		rest = rest[n:]
	}
}

func BenchmarkParseHeader(b *testing.B) {
	for _, payloadLen := range []int{125, 1000, 100000} {
		b.Run(fmt.Sprint(payloadLen), func(b *testing.B) {
			in := AppendMaskedHeader(nil, true, OpcodeBinary, payloadLen, 0x01020304)
			for b.Loop() {
				if _, n, err := ParseHeader(in); n != len(in) || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}

// BenchmarkNext is Next alone, without unmasking.
func BenchmarkNext(b *testing.B) {
	in := maskedText(125)
	var d Decoder
	var p Part
	lim := Limits{MessageBytes: 1 << 20, Fragments: 100}
	for b.Loop() {
		if _, ok, err := d.Next(in, &lim, &p); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

func BenchmarkAppendFrame(b *testing.B) {
	for _, size := range []int{16, 125, 1024} {
		payload, buf := make([]byte, size), make([]byte, 0, 2048)
		b.Run(fmt.Sprintf("server-%d", size), func(b *testing.B) {
			for b.Loop() {
				buf = AppendFrame(buf[:0], true, OpcodeBinary, payload)
			}
		})
		b.Run(fmt.Sprintf("client-%d", size), func(b *testing.B) {
			for b.Loop() {
				buf = AppendMaskedFrame(buf[:0], true, OpcodeBinary, payload, 0x01020304)
			}
		})
	}
}

// BenchmarkAssemble joins a message of 64 KiB that arrives in reads of 4 KiB.
func BenchmarkAssemble(b *testing.B) {
	in := AppendMaskedFrame(nil, true, OpcodeText, bytes.Repeat([]byte("a"), 1<<16), 0x01020304)
	memory := &countingMemory{t: b, received: 1 << 16}
	a := Assembler{Memory: memory}
	var d Decoder
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		for rest := in; len(rest) > 0; {
			piece := rest[:min(4096, len(rest))]
			rest = rest[len(piece):]
			receiveAll(b, &a, &d, piece)
		}
	}
}
