package codec

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/wsloop/wsloop/codec/codectest"
)

// seed adds the vectors that are short enough to mutate well.
func seed(f *testing.F, add func(c *codectest.Case)) {
	for _, c := range codectest.Load(f, "testdata") {
		if len(c.In) <= 1000 {
			add(&c)
		}
	}
}

// FuzzHeader: a header is understood in one way only, and its encoding is the one we would write.
func FuzzHeader(f *testing.F) {
	seed(f, func(c *codectest.Case) { f.Add(c.In[:min(len(c.In), MaxHeaderLen)]) })
	f.Fuzz(func(t *testing.T, in []byte) {
		h, n, err := ParseHeader(in)
		if err != nil || n == 0 {
			if h != (Header{}) || n != 0 {
				t.Fatalf("%x: %+v, %d with %v", in, h, n, err)
			}
			return
		}
		var again []byte
		switch {
		case h.PayloadLen > 1<<31-1:
			return // more than an int holds everywhere
		case h.Masked:
			again = AppendMaskedHeader(nil, h.Fin, h.Opcode, int(h.PayloadLen), h.MaskingKey)
		default:
			again = AppendHeader(nil, h.Fin, h.Opcode, int(h.PayloadLen))
		}
		again[0] |= h.Rsv << 4
		if !bytes.Equal(again, in[:n]) {
			t.Fatalf("%x: %+v is written as %x", in[:n], h, again)
		}
		for short := range n {
			if _, used, err := ParseHeader(in[:short]); used != 0 || err != nil {
				t.Fatalf("%x: %d, %v after %d bytes", in[:n], used, err, short)
			}
		}
	})
}

// FuzzDecoder: however the input is cut, both ways of receiving see what the reference sees, at the
// same places, and the Assembler asks for no more than was received or is allowed.
func FuzzDecoder(f *testing.F) {
	seed(f, func(c *codectest.Case) {
		s := parseSetup(f, c)
		f.Add(c.In, []byte{1, 2, 3}, uint8(s.role), uint16(s.limits.MessageBytes), uint8(s.limits.Fragments))
	})
	f.Fuzz(func(t *testing.T, in, pieceLens []byte, role uint8, messageBytes uint16, fragments uint8) {
		s := setup{role: Role(role & 1), limits: Limits{MessageBytes: uint64(messageBytes), Fragments: uint32(fragments)}}
		want := reference{setup: s, in: in}
		want.run()
		for name, newReceiver := range receivers {
			for _, lengths := range [][]int{{len(in)}, lengthsFrom(pieceLens, len(in))} {
				r := newReceiver(s)
				if a, ok := r.(*assemblerReceiver); ok {
					a.a.Memory = &countingMemory{t: t, received: mostAssembled(len(in), s.limits)}
				}
				feed(r, codectest.Pieces(in, lengths))
				got := r.log()
				// Receiving in parts judges a Close payload only when it is whole.
				late := name == "parts" && want.closeInPieces && want.failed && !got.failed
				if late {
					got.events = append(got.events, want.events[len(want.events)-1])
				}
				if !slices.Equal(got.events, want.events) || got.failedAt != want.failedAt && !late {
					t.Fatalf("%s, cut %v, %+v\nin   % x\ngot  %q at %d\nwant %q at %d",
						name, lengths, s, in, got.events, got.failedAt, want.events, want.failedAt)
				}
			}
		}
	})
}

// lengthsFrom makes piece lengths that sum to n, by turns as seed says.
func lengthsFrom(seed []byte, n int) (lengths []int) {
	for i := 0; n > 0; i++ {
		length := n
		if len(seed) > 0 {
			length = min(n, 1+int(seed[i%len(seed)]))
		}
		lengths = append(lengths, length)
		n -= length
	}
	return lengths
}

func mostAssembled(received int, lim Limits) int {
	if lim.MessageBytes == 0 {
		return received
	}
	return min(received, int(lim.MessageBytes))
}

// FuzzRoundTrip: what the encoder writes for one side, the decoder of the other side reads.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("Hello"), uint16(3), uint32(0x3d21fa37), uint8(4))
	f.Add(bytes.Repeat([]byte("a"), 126), uint16(125), uint32(0), uint8(9))
	for _, n := range []int{125, 1<<16 - 1, 1 << 16} {
		f.Add(make([]byte, n), uint16(n/2), uint32(0x01020304), uint8(255))
	}
	f.Fuzz(func(t *testing.T, payload []byte, at uint16, key uint32, pieceLen uint8) {
		cut := min(int(at), len(payload))
		control := payload[:min(len(payload), MaxControlPayload)]
		var fromServer, fromClient []byte
		for _, frame := range []struct {
			fin     bool
			op      Opcode
			payload []byte
		}{
			{true, OpcodeBinary, payload},
			{false, OpcodeBinary, payload[:cut]},
			{true, OpcodePing, control},
			{true, OpcodeContinuation, payload[cut:]},
		} {
			fromServer = AppendFrame(fromServer, frame.fin, frame.op, frame.payload)
			fromClient = AppendMaskedFrame(fromClient, frame.fin, frame.op, frame.payload, key)
		}
		want := []string{
			payloadEvent("binary", payload), payloadEvent("ping", control), payloadEvent("binary", payload),
		}
		for role, in := range map[Role][]byte{RoleClient: fromServer, RoleServer: fromClient} {
			for name, newReceiver := range receivers {
				r := newReceiver(setup{role: role})
				feed(r, codectest.Pieces(in, lengthsFrom([]byte{pieceLen}, len(in))))
				if got := r.log().events; !slices.Equal(got, want) {
					t.Fatalf("%v, %s: got %s\nwant %s", role, name, clip(got), clip(want))
				}
			}
		}
	})
}

// FuzzClose: a payload that is accepted is the one we would send, no beginning of it is refused, and
// one that is refused is refused at the same byte when it arrives byte by byte.
func FuzzClose(f *testing.F) {
	seed(f, func(c *codectest.Case) {
		if h, n, err := ParseHeader(c.In); err == nil && h.Opcode == OpcodeClose {
			f.Add(c.In[n:])
		}
	})
	f.Add([]byte("\x03\xe8bye"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) > MaxControlPayload {
			return
		}
		refusedAt := -1
		for n := 0; n <= len(payload) && refusedAt < 0; n++ {
			if v, at := checkClose(payload[:n], n == len(payload)); v != valid {
				refusedAt = at
			}
		}
		code, reason, err := ParseClose(payload)
		var p *ProtocolError
		switch {
		case errors.As(err, &p):
			if p.Offset != int64(refusedAt) {
				t.Fatalf("%x: %v, in pieces at byte %d", payload, err, refusedAt)
			}
		case refusedAt >= 0:
			t.Fatalf("%x: %d %q, in pieces refused at byte %d", payload, code, reason, refusedAt)
		case len(payload) > 0:
			again, err := AppendClose(nil, code, string(reason))
			if err != nil || !bytes.Equal(again, payload) {
				t.Fatalf("%x: %d %q is sent as %x, %v", payload, code, reason, again, err)
			}
		}
	})
}
