package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
)

func TestParseHeaderReadsWhatEncoderWrites(t *testing.T) {
	for _, payloadLen := range []int{0, 1, 125, 126, 127, 65535, 65536, 1 << 30} {
		for _, op := range []Opcode{OpcodeContinuation, OpcodeText, OpcodeBinary} {
			for _, fin := range []bool{false, true} {
				for _, key := range []uint32{0, 0x3d21fa37} {
					want := Header{Fin: fin, Opcode: op, Masked: true, MaskingKey: key, PayloadLen: uint64(payloadLen)}
					b := AppendMaskedHeader(nil, fin, op, payloadLen, key)
					expectHeader(t, b, want)

					want.Masked, want.MaskingKey = false, 0
					b = AppendHeader(nil, fin, op, payloadLen)
					expectHeader(t, b, want)
					if len(b) != HeaderLen(payloadLen) {
						t.Errorf("HeaderLen(%d) = %d, written %d", payloadLen, HeaderLen(payloadLen), len(b))
					}
				}
			}
		}
	}
}

func expectHeader(t *testing.T, b []byte, want Header) {
	t.Helper()
	for n := range len(b) {
		if h, used, err := ParseHeader(b[:n]); h != (Header{}) || used != 0 || err != nil {
			t.Errorf("% x: ParseHeader = %+v, %d, %v; want more bytes", b[:n], h, used, err)
		}
	}
	rest := append(bytes.Clone(b), 0xff)
	if h, used, err := ParseHeader(rest); h != want || used != len(b) || err != nil {
		t.Errorf("% x: ParseHeader = %+v, %d, %v; want %+v", rest, h, used, err, want)
	}
}

func TestParseHeaderKeepsReservedBits(t *testing.T) {
	for rsv := range uint8(8) {
		h, n, err := ParseHeader([]byte{0x81 | rsv<<4, 5})
		if h.Rsv != rsv || n != 2 || err != nil {
			t.Errorf("rsv %d: %+v, %d, %v", rsv, h, n, err)
		}
	}
}

func TestParseHeaderErrors(t *testing.T) {
	for _, c := range []struct {
		in     string
		offset int64
	}{
		{"\x83", 0},
		{"\xb3", 0},
		{"\x09", 0},
		{"\x89\x7e", 1},
		{"\x89\x7f", 1},
		{"\x88\x01", 1},
		{"\x82\x7e\x00\x7d", 3},
		{"\x82\x7f\x80", 2},
		{"\x82\x7f\x00\x00\x00\x00\x00\x00", 7},
		{"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", 2},
	} {
		for n := range len(c.in) + 1 {
			h, used, err := ParseHeader([]byte(c.in[:n]))
			var p *ProtocolError
			if int64(n) <= c.offset {
				if err != nil {
					t.Errorf("%x: %v at %d bytes", c.in, err, n)
				}
			} else if h != (Header{}) || used != 0 || !errors.As(err, &p) || p.Offset != c.offset || p.Code != StatusProtocolError {
				t.Errorf("%x: %+v, %d, %v; want an error at byte %d", c.in[:n], h, used, err, c.offset)
			}
		}
	}
}

// TestFirstBytes goes through every first byte in every sequence, against the rules of RFC 6455
// sections 5.2, 5.4 and 5.5, and RFC 7692 section 6, written as a list.
func TestFirstBytes(t *testing.T) {
	for _, deflate := range []bool{false, true} {
		for _, s := range sequences {
			firsts := "\x00\x80\x88\x89\x8a"
			if s == betweenMessages {
				firsts = "\x01\x02\x81\x82\x88\x89\x8a"
				if deflate {
					firsts += "\x41\x42\xc1\xc2"
				}
			}
			for first := range 256 {
				want := bytes.IndexByte([]byte(firsts), byte(first)) >= 0
				if got := s.check(byte(first), deflate) == valid; got != want {
					t.Errorf("%#02x in message %#x, deflate %v: legal %v", first, uint8(s), deflate, got)
				}
			}
		}
	}
}

// sequences are all that there are.
var sequences = []sequence{
	betweenMessages, sequence(OpcodeText), sequence(OpcodeBinary), rsv1Bit | sequence(OpcodeText), rsv1Bit | sequence(OpcodeBinary),
}

// TestEveryFirstByteThroughDecoder checks that Next asks those rules, on its short way too.
func TestEveryFirstByteThroughDecoder(t *testing.T) {
	for _, deflate := range []bool{false, true} {
		for _, s := range sequences {
			for first := range 256 {
				testFirstByte(t, deflate, s, byte(first))
			}
		}
	}
}

func testFirstByte(t *testing.T, deflate bool, s sequence, first byte) {
	t.Helper()
	d := Decoder{sequence: s}
	if deflate {
		d.Deflate()
	}
	var p Part
	n, ok, err := d.Next([]byte{first, 0x80, 1, 2, 3, 4}, nil, &p)
	if want := s.check(first, deflate); want != valid {
		if ok || err == nil || *err.(*ProtocolError) != *want.at(0) {
			t.Errorf("%#02x in message %#x: %v, %v, want %v", first, uint8(s), ok, err, want.at(0))
		}
		return
	}
	control := first&0x08 != 0
	compressed := !control && (first|byte(s))&rsv1Bit != 0
	if !ok || n != 6 || err != nil || !p.Start || !p.End || p.Fin != (first >= 0x80) || p.Compressed != compressed {
		t.Errorf("%#02x in message %#x: %d, %v, %v, %+v", first, uint8(s), n, ok, err, p)
	}
	after := s
	if !control {
		after = betweenMessages
		if first < 0x80 {
			after = sequence(p.Opcode)
			if compressed {
				after |= rsv1Bit
			}
		}
	}
	if d.sequence != after {
		t.Errorf("%#02x in message %#x leads to %#x, want %#x", first, uint8(s), uint8(d.sequence), uint8(after))
	}
}

// TestCompressedMessage: a compressed text is unmasked, not validated, and has a limit of its own, whole and in pieces, in
// one frame and in several.
func TestCompressedMessage(t *testing.T) {
	notUTF8 := bytes.Repeat([]byte{0xff}, 200)
	whole := AppendMaskedFrame(nil, true, OpcodeText, notUTF8, 0x01020304)
	MarkCompressed(whole)
	fragments := AppendMaskedFrame(nil, false, OpcodeText, notUTF8[:100], 7)
	MarkCompressed(fragments)
	fragments = AppendMaskedFrame(fragments, true, OpcodePing, []byte("?"), 8)
	fragments = AppendMaskedFrame(fragments, true, OpcodeContinuation, notUTF8[100:], 9)
	plain := AppendMaskedFrame(nil, true, OpcodeText, []byte("plain"), 10)
	for _, in := range [][]byte{whole, fragments} {
		for _, piece := range []int{1, 7, len(in) + len(plain)} {
			for limit, want := range map[uint64]StatusCode{199: StatusMessageTooBig, 200: 0} {
				checkCompressed(t, slices.Concat(in, plain), piece, &Limits{MessageBytes: 10, CompressedBytes: limit}, notUTF8, want)
			}
		}
	}
}

func checkCompressed(t *testing.T, in []byte, piece int, lim *Limits, payload []byte, want StatusCode) {
	t.Helper()
	var a Assembler
	var d Decoder
	d.Deflate()
	var got []string
	for b := range slices.Chunk(bytes.Clone(in), piece) {
		for len(b) > 0 {
			m, n, ok, err := a.Next(&d, b, lim)
			var p *ProtocolError
			if errors.As(err, &p) {
				if p.Code != want {
					t.Errorf("limit %d, pieces of %d: %v", lim.CompressedBytes, piece, err)
				}
				return
			}
			if b = b[n:]; ok {
				got = append(got, fmt.Sprint(m.Opcode, m.Compressed, len(m.Payload)))
				if m.Compressed && !bytes.Equal(m.Payload, payload) {
					t.Errorf("pieces of %d: got % x", piece, m.Payload)
				}
			}
		}
	}
	got = slices.DeleteFunc(got, func(s string) bool { return s == "ping false 1" })
	if fmt.Sprint(got) != fmt.Sprintf("[text true %d text false 5]", len(payload)) || want != 0 {
		t.Errorf("limit %d, pieces of %d: got %v, want status %d", lim.CompressedBytes, piece, got, want)
	}
}

// TestEvery16BitLength takes both encodings that can be wrong through ParseHeader.
func TestEvery16BitLength(t *testing.T) {
	b16, b64 := []byte{0x82, 126, 0, 0}, []byte{0x82, 127, 0, 0, 0, 0, 0, 0, 0, 0}
	for n := range 1 << 16 {
		binary.BigEndian.PutUint16(b16[2:], uint16(n))
		binary.BigEndian.PutUint64(b64[2:], uint64(n))
		h, _, err := ParseHeader(b16)
		if (err == nil) != (n >= 126) || err == nil && h.PayloadLen != uint64(n) {
			t.Fatalf("%d in 16 bits: %+v, %v", n, h, err)
		}
		if _, _, err := ParseHeader(b64); err == nil {
			t.Fatalf("%d in 64 bits was accepted", n)
		}
	}
}

func TestNames(t *testing.T) {
	for got, want := range map[fmt.Stringer]string{
		OpcodeContinuation: "continuation",
		OpcodeClose:        "close",
		OpcodePong:         "pong",
		Opcode(11):         "opcode 0xb",
		RoleServer:         "server",
		RoleClient:         "client",
		Role(7):            "role 7",
		StatusGoingAway:    "going away",
		StatusCode(4000):   "status 4000",
	} {
		if got.String() != want {
			t.Errorf("String() = %q, want %q", got, want)
		}
	}
	named := map[string]StatusCode{}
	for c := StatusCode(1000); c <= 1015; c++ {
		if other, found := named[c.String()]; found {
			t.Errorf("%d and %d are both %q", c, other, c)
		}
		named[c.String()] = c
	}
}
