//go:build wsdebug

package engine

import (
	"bytes"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

// W67: built with wsdebug, a payload that a callback keeps reads 0xDB as soon as it has returned,
// whether it came whole or in pieces.
func TestKeptPayloadIsPoisonedW67(t *testing.T) {
	var kept [][]byte
	keep := func(_ Conn, payload []byte) { kept = append(kept, payload) }
	events := Events{Message: func(c Conn, _ codec.Opcode, payload []byte) { keep(c, payload) }, Ping: keep, Pong: keep}
	streaming := Events{Fragment: func(c Conn, f Fragment) { keep(c, f.Payload) }, Ping: keep, Pong: keep}
	const payload = "some payload"
	in := masked(true, codec.OpcodeText, payload) + masked(true, codec.OpcodePing, payload) + masked(true, codec.OpcodePong, payload) +
		masked(false, codec.OpcodeBinary, payload) + masked(true, codec.OpcodeContinuation, payload)
	for _, e := range []Events{events, streaming} {
		for _, cut := range []int{0, 10} {
			kept = nil
			m := newMemory(t, &Server{Events: e})
			c := m.open()
			b := []byte(in)
			m.engine.Data(c, b[:cut])
			m.engine.Data(c, b[cut:])
			if len(kept) < 4 {
				t.Fatalf("%d payloads", len(kept))
			}
			for i, p := range kept {
				if len(p) == 0 || len(bytes.Trim(p, "\xdb")) > 0 {
					t.Errorf("cut at %d: payload %d reads %q after its callback", cut, i, p)
				}
			}
		}
	}
}

// Poisoning changes nothing for a callback that sends its payload back.
func TestEchoWithPoison(t *testing.T) {
	m := newMemory(t, &Server{Events: Events{Message: echo}})
	c := m.open()
	m.data(c, []byte(masked(true, codec.OpcodeText, "hello")))
	if got := string(m.take(c)); got != "\x81\x05hello" {
		t.Errorf("sent %q", got)
	}
}
