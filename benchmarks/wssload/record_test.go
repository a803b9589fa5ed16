//go:build linux

package main

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

// secret is client_application_traffic_secret_0 of RFC 8448 section 3.
const secret = "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5"

func halves(t *testing.T) (out, in *half) {
	t.Helper()
	b, err := hex.DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []**half{&out, &in} {
		if *h, err = newHalf(b); err != nil {
			t.Fatal(err)
		}
	}
	return out, in
}

// The keys are those of the RFC, and so is the record: the 50 bytes that its client sends.
func TestKeys(t *testing.T) {
	b, _ := hex.DecodeString(secret)
	for label, want := range map[string]string{"key": "17422dda596ed5d9acd890e3c63f5051", "iv": "5b78923dee08579033e523d9"} {
		if got, err := expand(b, label, len(want)/2); err != nil || hex.EncodeToString(got) != want {
			t.Errorf("%s: %x, %v", label, got, err)
		}
	}
	payload := make([]byte, 50)
	for i := range payload {
		payload[i] = byte(i)
	}
	const want = "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4"
	out, _ := halves(t)
	if got := hex.EncodeToString(out.seal(nil, payload)); got != want {
		t.Error(got)
	}
}

// The nonce is the IV with the number of the record (RFC 8446 section 5.3).
func TestNonce(t *testing.T) {
	h, _ := halves(t)
	for _, want := range []string{"5b78923dee08579033e523d9", "5b78923dee08579033e523d8", "5b78923dee08579033e523db"} {
		if got := hex.EncodeToString(h.next()); got != want {
			t.Errorf("%s, expected %s", got, want)
		}
	}
	h.number = 0x0102
	if got := hex.EncodeToString(h.next()); got != "5b78923dee08579033e522db" {
		t.Error(got)
	}
}

// What is sealed opens, in order, whatever its length.
func TestSealOpen(t *testing.T) {
	out, in := halves(t)
	var sent, got, sealed []byte
	for _, n := range []int{1, 125, maxPlaintext, 3*maxPlaintext + 5} {
		message := bytes.Repeat([]byte{byte(n)}, n)
		sent, sealed = append(sent, message...), out.seal(sealed, message)
	}
	p := &peer{in: in}
	records := 0
	for len(sealed) > 0 { // in pieces that end anywhere
		n := min(len(sealed), 1000)
		some, err := p.records(append(bytes.Clone(p.begun), sealed[:n]...), func(b []byte) { got = append(got, b...) })
		if err != nil {
			t.Fatal(err)
		}
		records, sealed = records+some, sealed[n:]
	}
	if !bytes.Equal(got, sent) || records != 7 {
		t.Errorf("%d records with %d bytes of %d", records, len(got), len(sent))
	}
}

// inner seals a record with a type of its own.
func inner(h *half, plaintext ...byte) []byte {
	header := []byte{typeApplication, 3, 3, 0, byte(len(plaintext) + tagLen)}
	return append(header, h.aead.Seal(nil, h.next(), plaintext, header)...)
}

func TestOpen(t *testing.T) {
	out, in := halves(t)
	for _, c := range []struct {
		record []byte
		want   string // of the plaintext or in the error
	}{
		{inner(out, 'a', 'b', typeApplication), "ab"},
		{inner(out, 'c', typeApplication, 0, 0), "c"},
		{inner(out, 4, 1, 2, typeHandshake), ""},
		{inner(out, 24, 1, 2, typeHandshake), "of type 22"},
		{inner(out, 1, 0, typeAlert), "alert: [1 0]"},
		{inner(out, 0, 0), "without a type"},
		{[]byte{typeAlert, 3, 3, 0, 0}, "of type 21 behind"},
		{make([]byte, 30), "of type 0"},
		{append([]byte{typeApplication, 3, 3, 0, 20}, make([]byte, 20)...), "authentication"},
	} {
		switch got, err := in.open(c.record); {
		case err != nil && (c.want == "" || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%v, expected %q", err, c.want)
		case err == nil && string(got) != c.want:
			t.Errorf("%q, expected %q", got, c.want)
		}
	}
	if n, err := recordLen([]byte{typeApplication, 3, 3, 0xff, 0xff, 1}); err == nil {
		t.Errorf("a record of %d bytes", n)
	}
}

func TestSecretOf(t *testing.T) {
	log := []byte("CLIENT_HANDSHAKE_TRAFFIC_SECRET 00 11\n" + clientSecret + "00 2233\n" + serverSecret + "00\n")
	if got, err := secretOf(log, clientSecret); err != nil || hex.EncodeToString(got) != "2233" {
		t.Errorf("%x, %v", got, err)
	}
	if got, err := secretOf(log, serverSecret); err == nil {
		t.Errorf("half a line has the secret %x", got)
	}
}

func TestMessage(t *testing.T) {
	for bytes, header := range map[int]string{5: "8285", 125: "82fd", 126: "82fe007e", 1 << 16: "82ff0000000000010000"} {
		m := newMessage(bytes)
		head := len(header)/2 + len(maskingKey)
		if got := hex.EncodeToString(m.sent[:head]); got != header+"37fa213d" || len(m.sent) != head+bytes || len(m.reply) != len(header)/2+bytes {
			t.Errorf("%d bytes: %s, %d", bytes, got, len(m.sent))
		}
		for i, b := range m.reply[len(header)/2:] {
			if m.sent[head+i]^maskingKey[i%4] != b {
				t.Fatalf("byte %d of %d is not masked", i, bytes)
			}
		}
	}
}
