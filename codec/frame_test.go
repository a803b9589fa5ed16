package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
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
// sections 5.2, 5.4 and 5.5 written as a list.
func TestFirstBytes(t *testing.T) {
	legal := map[sequence]string{
		betweenMessages:        "\x01\x02\x81\x82\x88\x89\x8a",
		sequence(OpcodeText):   "\x00\x80\x88\x89\x8a",
		sequence(OpcodeBinary): "\x00\x80\x88\x89\x8a",
	}
	for s, firsts := range legal {
		for first := range 256 {
			want := bytes.IndexByte([]byte(firsts), byte(first)) >= 0
			if got := s.check(byte(first)) == valid; got != want {
				t.Errorf("%v in message %d: legal %v", fmt.Sprintf("%#02x", first), s, got)
			}
		}
	}
}

// TestEveryFirstByteThroughDecoder checks that Next asks those rules, on its short way too.
func TestEveryFirstByteThroughDecoder(t *testing.T) {
	for _, s := range []sequence{betweenMessages, sequence(OpcodeText), sequence(OpcodeBinary)} {
		for first := range 256 {
			d := Decoder{sequence: s}
			var p Part
			n, ok, err := d.Next([]byte{byte(first), 0x80, 1, 2, 3, 4}, nil, &p)
			if want := s.check(byte(first)); want == valid {
				if !ok || n != 6 || err != nil || !p.Start || !p.End || p.Fin != (first >= 0x80) {
					t.Errorf("%#02x in message %d: %d, %v, %v, %+v", first, s, n, ok, err, p)
				}
			} else if ok || err == nil || *err.(*ProtocolError) != *want.at(0) {
				t.Errorf("%#02x in message %d: %v, %v, want %v", first, s, ok, err, want.at(0))
			}
		}
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
