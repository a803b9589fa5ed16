package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

// allowedOnTheWire is RFC 6455 section 7.4 and the IANA registry as a list.
func allowedOnTheWire(code int) bool {
	switch code {
	case 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014:
		return true
	}
	return 3000 <= code && code <= 4999
}

// TestEveryStatusCode takes all 65536 codes through both directions and through a Close frame that
// arrives whole and in pieces.
func TestEveryStatusCode(t *testing.T) {
	for n := range 1 << 16 {
		code, allowed := StatusCode(n), allowedOnTheWire(n)
		if code.Valid() != allowed {
			t.Fatalf("StatusCode(%d).Valid() = %v", n, code.Valid())
		}
		payload := binary.BigEndian.AppendUint16(nil, uint16(n))
		got, reason, err := ParseClose(payload)
		if allowed && (got != code || len(reason) != 0 || err != nil) || !allowed && (got != 0 || !errors.Is(err, ErrProtocol)) {
			t.Fatalf("ParseClose of %d: %d, %q, %v", n, got, reason, err)
		}
		if v, _ := checkClose(payload[:1], false); v != valid && allowed {
			t.Fatalf("the first byte of %d was refused", n)
		}
		sent, err := AppendClose(nil, code, "")
		if allowed && (!bytes.Equal(sent, payload) || err != nil) || !allowed && (sent != nil || err != ErrStatusCode) {
			t.Fatalf("AppendClose of %d: %x, %v", n, sent, err)
		}
	}
}

func TestParseClose(t *testing.T) {
	for _, c := range []struct {
		payload string
		code    StatusCode
		reason  string
		fail    StatusCode
		offset  int64
	}{
		{payload: "", code: StatusNoStatusRcvd},
		{payload: "\x03", fail: StatusProtocolError, offset: 1},
		{payload: "\x03\xe8", code: StatusNormalClosure},
		{payload: "\x03\xe9bye", code: StatusGoingAway, reason: "bye"},
		{payload: "\x00\x00", fail: StatusProtocolError, offset: 0},
		{payload: "\x03\xed", fail: StatusProtocolError, offset: 1},
		{payload: "\x03\xe8a\xff", fail: StatusInvalidFramePayloadData, offset: 3},
		{payload: "\x03\xe8\xe2\x82", fail: StatusInvalidFramePayloadData, offset: 4},
	} {
		code, reason, err := ParseClose([]byte(c.payload))
		if c.fail == 0 {
			if code != c.code || string(reason) != c.reason || err != nil {
				t.Errorf("%q: %d, %q, %v", c.payload, code, reason, err)
			}
			continue
		}
		var p *ProtocolError
		if !errors.As(err, &p) || p.Code != c.fail || p.Offset != c.offset || code != 0 || reason != nil {
			t.Errorf("%q: %d, %q, %v; want %d at byte %d", c.payload, code, reason, err, c.fail, c.offset)
		}
	}
}

// A violation in a Close payload has its place in the stream, whether the frame came whole or byte by byte.
func TestDecoderParseClose(t *testing.T) {
	frame := []byte("\x81\x80\x00\x00\x00\x00\x88\x84\x00\x00\x00\x00\x03\xe8a\xff")
	for step := range len(frame) {
		var d Decoder
		var a Assembler
		var err error
		for rest := bytes.Clone(frame); len(rest) > 0 && err == nil; {
			b := rest[:min(step+1, len(rest))]
			m, n, ok, e := a.Next(&d, b, nil)
			if rest, err = rest[n:], e; ok && m.Opcode == OpcodeClose {
				_, _, err = d.ParseClose(m.Payload)
			}
		}
		var p *ProtocolError
		if !errors.As(err, &p) || p.Code != StatusInvalidFramePayloadData || p.Offset != int64(len(frame)-1) {
			t.Errorf("%d bytes at a time: %v", step+1, err)
		}
		if _, _, again := d.Next(frame, nil, new(Part)); again == nil || again.Error() != err.Error() {
			t.Errorf("%d bytes at a time: %v, then %v", step+1, err, again)
		}
	}
}

func TestAppendClose(t *testing.T) {
	const before = "before"
	for _, c := range []struct {
		code   StatusCode
		reason string
		want   string
		err    error
	}{
		{StatusNormalClosure, "", "\x03\xe8", nil},
		{StatusNormalClosure, "bye", "\x03\xe8bye", nil},
		{4999, "é", "\x13\x87é", nil},
		{StatusGoingAway, strings.Repeat("r", 123), "\x03\xe9" + strings.Repeat("r", 123), nil},
		{StatusGoingAway, strings.Repeat("r", 124), "", ErrReasonTooLong},
		{StatusGoingAway, strings.Repeat("é", 61) + "é", "", ErrReasonTooLong},
		{StatusGoingAway, "\xff", "", ErrInvalidUTF8},
		{StatusGoingAway, "ends in \xe2\x82", "", ErrInvalidUTF8},
		{StatusNoStatusRcvd, "", "", ErrStatusCode},
		{StatusAbnormalClosure, "", "", ErrStatusCode},
		{StatusTLSHandshake, "", "", ErrStatusCode},
	} {
		got, err := AppendClose([]byte(before), c.code, c.reason)
		if string(got) != before+c.want || err != c.err {
			t.Errorf("AppendClose(%d, %q) = %q, %v; want %q, %v", c.code, c.reason, got, err, c.want, c.err)
		}
	}
}
