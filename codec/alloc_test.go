package codec

import (
	"bytes"
	"strings"
	"testing"
)

// stream is what a client might send: the input of the allocation tests and benchmarks.
func stream(frames ...[]byte) []byte { return bytes.Join(frames, nil) }

func maskedText(n int) []byte {
	return AppendMaskedFrame(nil, true, OpcodeText, bytes.Repeat([]byte("a"), n), 0x3d21fa37)
}

func TestNoAllocations(t *testing.T) {
	fragment := bytes.Repeat([]byte("f"), 500)
	for name, in := range map[string][]byte{
		"whole": stream(maskedText(125), maskedText(125), maskedText(70000)),
		"ping":  AppendMaskedFrame(nil, true, OpcodePing, []byte("ping"), 7),
		"fragments": stream(
			AppendMaskedFrame(nil, false, OpcodeText, fragment, 1),
			AppendMaskedFrame(nil, true, OpcodePing, []byte("ping"), 7),
			AppendMaskedFrame(nil, false, OpcodeContinuation, fragment, 2),
			AppendMaskedFrame(nil, true, OpcodeContinuation, fragment, 3)),
	} {
		for _, pieceLen := range []int{len(in), 300, 7} {
			memory := &countingMemory{t: t, received: 1 << 20}
			a := Assembler{Memory: memory}
			var d Decoder
			buf := make([]byte, len(in))
			messages := 0
			run := func() {
				copy(buf, in)
				for rest := buf; len(rest) > 0; {
					piece := rest[:min(pieceLen, len(rest))]
					rest = rest[len(piece):]
					messages += receiveAll(t, &a, &d, piece)
				}
			}
			if n := testing.AllocsPerRun(20, run); n != 0 || messages == 0 {
				t.Errorf("%s in pieces of %d: %v allocations, %d messages", name, pieceLen, n, messages)
			}
		}
	}
}

// receiveAll takes all of b as the engine would, and returns the number of messages in it.
func receiveAll(t testing.TB, a *Assembler, d *Decoder, b []byte) (messages int) {
	for len(b) > 0 {
		_, n, ok, err := a.Next(d, b, nil)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			messages++
		}
		if a.Empty() {
			a.Release()
		}
		b = b[n:]
	}
	return messages
}

func TestNoAllocationsSending(t *testing.T) {
	buf, payload, text := make([]byte, 0, 1<<10), make([]byte, 125), strings.Repeat("t", 125)
	n := testing.AllocsPerRun(20, func() {
		buf = AppendFrame(buf[:0], true, OpcodeText, payload)
		buf = AppendMaskedFrame(buf, true, OpcodeText, payload, 0x3d21fa37)
		buf = AppendMaskedFrame(buf, true, OpcodeText, text, 0x3d21fa37)
		reason, err := AppendClose(buf, StatusGoingAway, "restart")
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := ParseClose(reason[len(buf):]); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
