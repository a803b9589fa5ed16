package codec

import (
	"bytes"
	"testing"

	"github.com/wsloop/wsloop/codec/codectest"
)

// TestAppendFrame compares with bytes written by hand, in vector notation.
func TestAppendFrame(t *testing.T) {
	payload := func(n int) []byte { return bytes.Repeat([]byte{0x61}, n) }
	for _, c := range []struct {
		name      string
		got       []byte
		wantBytes string
	}{
		{"text", AppendFrame(nil, true, OpcodeText, []byte("Hello")), `81 05 "Hello"`},
		{"fragment", AppendFrame(nil, false, OpcodeText, []byte("Hel")), `01 03 "Hel"`},
		{"continuation", AppendFrame(nil, true, OpcodeContinuation, []byte("lo")), `80 02 "lo"`},
		{"empty", AppendFrame(nil, true, OpcodePing, nil), `89 00`},
		{"125", AppendFrame(nil, true, OpcodeBinary, payload(125)), `82 7d 61*125`},
		{"126", AppendFrame(nil, true, OpcodeBinary, payload(126)), `82 7e 007e 61*126`},
		{"65535", AppendFrame(nil, true, OpcodeBinary, payload(65535)), `82 7e ffff 61*65535`},
		{"65536", AppendFrame(nil, true, OpcodeBinary, payload(65536)), `82 7f 0000000000010000 61*65536`},
		{"after", AppendFrame([]byte("x"), true, OpcodePong, []byte("y")), `"x" 8a 01 "y"`},
		{
			"masked", AppendMaskedFrame(nil, true, OpcodeText, []byte("Hello"), 0x3d21fa37),
			`81 85 37fa213d 7f9f4d5158`,
		},
		{"masked string", AppendMaskedFrame(nil, true, OpcodeText, "Hello", 0x3d21fa37), `81 85 37fa213d 7f9f4d5158`},
		{"masked empty", AppendMaskedFrame(nil, true, OpcodePing, "", 0x3d21fa37), `89 80 37fa213d`},
		{
			"masked 126", AppendMaskedFrame([]byte("x"), true, OpcodeBinary, payload(126), 0x04030201),
			`"x" 82 fe 007e 01020304 masked(01020304, 61*126)`,
		},
		{
			"masked 65536", AppendMaskedFrame(nil, false, OpcodeBinary, payload(65536), 0x04030201),
			`02 ff 0000000000010000 01020304 masked(01020304, 61*65536)`,
		},
	} {
		want, err := codectest.Bytes(c.wantBytes)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(c.got, want) {
			t.Errorf("%s: got %x, want %x", c.name, clipBytes(c.got), clipBytes(want))
		}
	}
}

func TestAppendMaskedFrameLeavesThePayload(t *testing.T) {
	payload := []byte("not to be touched")
	AppendMaskedFrame(nil, true, OpcodeText, payload, 0xffffffff)
	if string(payload) != "not to be touched" {
		t.Errorf("the payload became %q", payload)
	}
}

func clipBytes(b []byte) []byte { return b[:min(len(b), 40)] }
