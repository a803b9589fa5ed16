package codec

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"unsafe"
)

func TestDecoderIsSmallAndWithoutPointers(t *testing.T) {
	typ := reflect.TypeFor[Decoder]()
	if typ.Size() != unsafe.Sizeof(Decoder{}) || typ.Size() > 48 {
		t.Errorf("a Decoder has %d bytes", typ.Size())
	}
	for i := range typ.NumField() {
		switch f := typ.Field(i); f.Type.Kind() {
		case reflect.Uint8, reflect.Uint32, reflect.Uint64, reflect.Int64:
		default:
			t.Errorf("field %s is a %v", f.Name, f.Type)
		}
	}
}

func TestZeroDecoderIsAServers(t *testing.T) {
	if (Decoder{}) != NewDecoder(RoleServer) {
		t.Error("the zero Decoder is not that of a server")
	}
}

func TestProtocolErrorSentinels(t *testing.T) {
	for v := valid + 1; int(v) < len(violations); v++ {
		err := error(v.at(17))
		matches := 0
		for code, sentinel := range map[StatusCode]error{
			StatusProtocolError:           ErrProtocol,
			StatusInvalidFramePayloadData: ErrInvalidUTF8,
			StatusPolicyViolation:         ErrTooManyFragments,
			StatusMessageTooBig:           ErrMessageTooBig,
		} {
			if errors.Is(err, sentinel) {
				matches++
				if violations[v].code != code {
					t.Errorf("%v is %v", err, sentinel)
				}
			}
		}
		if matches != 1 {
			t.Errorf("%v matches %d sentinels", err, matches)
		}
		if text := err.Error(); violations[v].reason == "" || !strings.Contains(text, violations[v].reason) || !strings.Contains(text, "byte 17") {
			t.Errorf("violation %d reads %q", v, text)
		}
	}
}

// TestPartPayloadCannotReachTheNextFrame: an append to a payload must not write over what follows.
func TestPartPayloadCannotReachTheNextFrame(t *testing.T) {
	in := AppendMaskedFrame(nil, true, OpcodeText, []byte("one"), 1)
	in = AppendMaskedFrame(in, true, OpcodePing, []byte("two"), 2)
	var d Decoder
	var p Part
	for len(in) > 0 {
		n, ok, err := d.Next(in, nil, &p)
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		if cap(p.Payload) != len(p.Payload) {
			t.Errorf("%v: capacity %d of %d bytes", p.Opcode, cap(p.Payload), len(p.Payload))
		}
		in = in[n:]
	}
}

// TestAppendToLeavesThePart: the caller's input stays masked, and is read only.
func TestAppendToLeavesThePart(t *testing.T) {
	in := AppendMaskedFrame(nil, true, OpcodeText, []byte("Hello"), 0x3d21fa37)
	before := string(in)
	var d Decoder
	var p Part
	if _, ok, err := d.Next(in, nil, &p); !ok || err != nil {
		t.Fatal(ok, err)
	}
	got, err := d.AppendTo([]byte("> "), &p)
	if string(got) != "> Hello" || err != nil || string(in) != before {
		t.Errorf("got %q, %v; the input became %x", got, err, in)
	}
}

// TestFailureInPartIsFinal: what Unmask and AppendTo find ends the decoding too.
func TestFailureInPartIsFinal(t *testing.T) {
	use := map[string]func(*Decoder, *Part) error{
		"Unmask":   (*Decoder).Unmask,
		"AppendTo": func(d *Decoder, p *Part) error { _, err := d.AppendTo(nil, p); return err },
	}
	for name, use := range use {
		in := AppendMaskedFrame(nil, true, OpcodePing, "", 1)
		in = AppendMaskedFrame(in, true, OpcodeText, []byte("ab\xffcd"), 0x3d21fa37)
		var d Decoder
		var p Part
		n, _, _ := d.Next(in, nil, &p)
		if _, ok, err := d.Next(in[n:], nil, &p); !ok || err != nil {
			t.Fatal(ok, err)
		}
		err := use(&d, &p)
		want := ProtocolError{StatusInvalidFramePayloadData, 6 + 6 + 2, violations[textNotUTF8].reason}
		if got, ok := err.(*ProtocolError); !ok || *got != want {
			t.Fatalf("%s: %v, want %v", name, err, &want)
		}
		n, ok, err := d.Next(in, nil, &p)
		if got, is := err.(*ProtocolError); n != 0 || ok || !is || *got != want {
			t.Errorf("Next after %s: %d, %v, %v", name, n, ok, err)
		}
	}
}

// TestOffsetCountsTheStream: the offset in an error counts the whole stream, not one read.
func TestOffsetCountsTheStream(t *testing.T) {
	var d Decoder
	var p Part
	frame := AppendMaskedFrame(nil, true, OpcodeBinary, make([]byte, 1000), 1)
	for range 3 {
		if _, ok, err := d.Next(frame, nil, &p); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	_, _, err := d.Next([]byte{0x82, 0x05}, nil, &p)
	if got, ok := err.(*ProtocolError); !ok || got.Offset != int64(3*len(frame)+1) {
		t.Errorf("error %v, want one at byte %d", err, 3*len(frame)+1)
	}
}
