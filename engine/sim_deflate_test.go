//go:build linux || darwin || freebsd

package engine

import (
	"bytes"
	"math/rand/v2"
	"strings"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/codec/deflate"
)

// simDeflate is a client's side of permessage-deflate.
type simDeflate struct {
	offer    string // nothing if the client does not offer it
	agreed   bool
	inflater deflate.Inflater
	deflater deflate.Deflater
	in, out  *deflate.Window // nil without takeover
}

// drawDeflate draws what the server is willing to.
func drawDeflate(draw *rand.Rand) *Deflate {
	if draw.IntN(3) == 0 {
		return nil
	}
	return &Deflate{
		Level: draw.IntN(3) * 3, Threshold: 1 + draw.IntN(300),
		ServerContextTakeover: draw.IntN(2) == 0, ClientContextTakeover: draw.IntN(2) == 0,
		ClientMaxWindowBits: 8 + draw.IntN(8), MaxWindowBytes: []int64{0, 70_000}[draw.IntN(2)],
	}
}

// draw draws what the client offers.
func (d *simDeflate) draw(random *rand.Rand) {
	if random.IntN(2) == 0 {
		return
	}
	d.offer = "Sec-WebSocket-Extensions: permessage-deflate" +
		[]string{"", "; client_max_window_bits", "; client_max_window_bits=10"}[random.IntN(3)] +
		[]string{"", "; server_no_context_takeover"}[random.IntN(2)] +
		[]string{"", "; server_max_window_bits=9"}[random.IntN(2)]
}

// answer reads what the server agreed to.
func (d *simDeflate) answer(head string, decoder *codec.Decoder) {
	_, agreed, ok := strings.Cut(head, "Sec-WebSocket-Extensions: ")
	if !ok {
		return
	}
	agreed, _, _ = strings.Cut(agreed, "\r\n")
	d.agreed = true
	decoder.Deflate()
	if !strings.Contains(agreed, "server_no_context_takeover") {
		w := deflate.NewWindow(32<<10, nil)
		d.in = &w
	}
	if !strings.Contains(agreed, "client_no_context_takeover") {
		w := deflate.NewWindow(1<<8, nil) // which every window agreed to holds
		d.out = &w
	}
}

// compress compresses a message if that makes it smaller.
func (d *simDeflate) compress(payload []byte) ([]byte, bool) {
	if !d.agreed {
		return payload, false
	}
	out, ok := d.deflater.Append(nil, payload, d.out)
	if !ok {
		return payload, false
	}
	return out, true
}

// inflate undoes what the server did.
func (d *simDeflate) inflate(m codec.Message) ([]byte, error) {
	if !m.Compressed {
		return m.Payload, nil
	}
	return d.inflater.Append(nil, m.Payload, m.Opcode == codec.OpcodeText, d.in, nil)
}

// mark sets RSV1 in a frame.
func mark(frame string, compressed bool) string {
	if !compressed {
		return frame
	}
	b := bytes.Clone([]byte(frame))
	codec.MarkCompressed(b)
	return string(b)
}
