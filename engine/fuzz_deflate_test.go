package engine

import (
	"bytes"
	"compress/flate"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/codec/codectest"
	"github.com/wsloop/wsloop/codec/deflate"
)

// The bits of the setup of FuzzCompressed. Those above cut what is sent.
const (
	fuzzTakeover = 1 << iota
	fuzzText
	fuzzPieces // Events.Fragment is set
	fuzzSmall  // limits
)

const fuzzCutShift = 4

// FuzzCompressed: two compressed messages of one connection, whole or corrupt, in fragments and pieces, are delivered as compress/flate
// reads them, or fail the connection with the code that fits. What is echoed comes back the same, and nothing is held in the end.
func FuzzCompressed(f *testing.F) {
	for _, c := range codectest.Load(f, "../codec/deflate/testdata") {
		before := []byte(nil)
		if text := c.Options["window"]; text != "" {
			window, err := codectest.Bytes(text)
			if err != nil {
				f.Fatal(err)
			}
			before = []byte(squeeze(f, string(window)))
		}
		f.Add(uint8(fuzzTakeover), before, c.In)
		f.Add(uint8(fuzzText|5<<fuzzCutShift), c.In, []byte(squeeze(f, "text")))
	}
	for i, text := range []string{"", "short", story(300), story(400), story(5000), "\xff" + story(300)} {
		small := []byte(squeeze(f, text))
		for setup := range uint8(16) {
			f.Add(setup|uint8(i)<<fuzzCutShift, small, small)
		}
	}
	const tail = "\x00\x00\xff\xff"
	fuse := squeeze(f, string(make([]byte, 70<<10)))
	bomb := strings.TrimSuffix(strings.Repeat(fuse+tail, 4), tail)
	for _, setup := range []uint8{0, fuzzTakeover | 4<<fuzzCutShift, fuzzSmall | 8<<fuzzCutShift} {
		f.Add(setup, []byte(fuse), []byte(bomb))
		f.Add(setup, []byte(bomb), []byte(fuse))
	}
	f.Fuzz(func(t *testing.T, setup uint8, first, second []byte) {
		if len(first)+len(second) > 1<<10 {
			return
		}
		r := newFuzzReceiver(t, setup)
		for _, src := range [][]byte{first, second} {
			if !r.send(src) {
				break
			}
		}
		r.end()
	})
}

// fuzzReceiver is the connection that FuzzCompressed sends to, and what is known of it.
type fuzzReceiver struct {
	t       *testing.T
	setup   uint8
	limits  deflate.Limits
	server  *Server
	m       *memory
	c       Conn
	got     []string
	closure *Closure
	history []byte // of what was sent to it
	peer    peerWindow
}

func newFuzzReceiver(t *testing.T, setup uint8) *fuzzReceiver {
	r := &fuzzReceiver{t: t, setup: setup, limits: deflate.Limits{MessageBytes: 1 << 20}, peer: peerWindow{t: t}}
	d := &Deflate{Threshold: 1}
	if setup&fuzzTakeover != 0 {
		d.ServerContextTakeover, d.ClientContextTakeover = true, true
	}
	if setup&fuzzSmall != 0 {
		r.limits = deflate.Limits{MessageBytes: 100 << 10, Ratio: 300}
	}
	d.MaxRatio = int(r.limits.Ratio)
	r.server = &Server{MaxMessageBytes: int64(r.limits.MessageBytes), Deflate: d, Events: Events{
		Open:    func(c Conn) { r.c = c },
		Message: r.message,
		Close:   func(_ Conn, how Closure) { r.closure = &how },
	}}
	if setup&fuzzPieces != 0 {
		r.server.Events.Fragment = func(c Conn, p Fragment) {
			if !p.First || !p.Last {
				t.Errorf("a compressed message comes in pieces: %v, %v", p.First, p.Last)
			}
			r.message(c, p.Opcode, p.Payload)
		}
	}
	r.m = newMemory(t, r.server)
	token := r.m.accept()
	r.m.data(token, []byte(head("/", offer)))
	if r.m.take(token); r.c.token != token {
		t.Fatal("the connection did not open")
	}
	return r
}

func (r *fuzzReceiver) message(c Conn, op codec.Opcode, payload []byte) {
	r.got = append(r.got, string(payload))
	echo(c, op, payload)
}

// send sends a message and checks what comes of it. It says whether the connection goes on.
func (r *fuzzReceiver) send(src []byte) bool {
	op := codec.OpcodeBinary
	if r.setup&fuzzText != 0 {
		op = codec.OpcodeText
	}
	r.got = nil
	stream := r.frames(op, string(src))
	piece := []int{len(stream), 1, 7, 200}[r.setup>>(fuzzCutShift+2)&3]
	for b := range slices.Chunk(stream, piece) {
		r.m.data(r.c.token, b)
	}
	standard, whole := readStandard(src, r.history, int(r.limits.MessageBytes)+1)
	echoed := r.echoed()
	switch {
	case len(r.got) > 1 || len(r.got) == 1 == (len(echoed) == 0):
		r.t.Fatalf("%d messages, %d echoes", len(r.got), len(echoed))
	case whole && r.allows(len(standard), len(src)) && (op != codec.OpcodeText || utf8.Valid(standard)):
		if len(r.got) != 1 {
			r.t.Fatalf("%.100q is not delivered: %v", standard, r.closure)
		}
	case whole && len(r.got) > 0:
		r.t.Fatalf("%.100q of %d bytes is delivered, of %d", r.got, len(r.got[0]), len(src))
	}
	if len(r.got) == 0 {
		return false
	}
	message := []byte(r.got[0])
	if !bytes.HasPrefix(message, standard) || whole && len(message) != len(standard) || !r.allows(len(message), len(src)) {
		r.t.Fatalf("got %.100q of %d bytes, compress/flate has %.100q of %d", message, len(message), standard, len(standard))
	}
	if !slices.Equal(echoed, r.got) {
		r.t.Fatalf("echoed %.100q for %.100q", echoed, r.got)
	}
	if r.setup&fuzzTakeover != 0 {
		r.history = append(r.history, message...)
		r.history = r.history[max(0, len(r.history)-32<<10):]
	}
	return true
}

// allows says whether a message may have this length.
func (r *fuzzReceiver) allows(n, compressed int) bool {
	ratio := uint64(r.limits.Ratio) * uint64(compressed)
	return uint64(n) <= r.limits.MessageBytes && (r.limits.Ratio == 0 || n <= deflate.RatioFreeBytes || uint64(n) <= ratio)
}

// frames sends a message in one frame to four.
func (r *fuzzReceiver) frames(op codec.Opcode, src string) []byte {
	stream := ""
	for left := int(r.setup>>fuzzCutShift) & 3; left >= 0; left-- {
		n := len(src) / (left + 1)
		if stream == "" {
			stream = compressedFrame(left == 0, op, src[:n])
		} else {
			stream += masked(left == 0, codec.OpcodeContinuation, src[:n])
		}
		src = src[n:]
	}
	return []byte(stream)
}

// echoed reads what came back. If that is a Close frame, it has a code for what may be wrong with a message.
func (r *fuzzReceiver) echoed() []string {
	out := r.m.take(r.c.token)
	if r.setup&fuzzTakeover == 0 {
		r.peer.history = nil
	}
	if len(r.got) > 0 || len(out) == 0 {
		return r.peer.read(out)
	}
	if code := code(out[2:]); out[0] != 0x88 || len(out) != 4 || code != codec.StatusInvalidFramePayloadData && code != codec.StatusMessageTooBig {
		r.t.Fatalf("sent % x", out)
	}
	return nil
}

// end hangs up, and looks at what is left.
func (r *fuzzReceiver) end() {
	r.m.eof(r.c.token)
	r.m.turn()
	l := r.m.engine
	l.empty()
	if r.closure == nil || r.server.windowBytes.Load() != 0 || len(l.freeWindows) != len(l.windows)-1 {
		r.t.Errorf("at the end: %v, %d bytes of windows, %d of %d are free", r.closure, r.server.windowBytes.Load(), len(l.freeWindows), len(l.windows)-1)
	}
	expectNothingHeld(r.t, r.server)
}

// readStandard has compress/flate inflate a message, up to a length. It is whole if all of it was inflated before what RFC 7692 section 7.2.2
// appends, and nothing was left behind its last block.
func readStandard(src, history []byte, most int) (message []byte, whole bool) {
	const tail, final = "\x00\x00\xff\xff", "\x01\x00\x00\xff\xff"
	read := func(end string) (b []byte, rest int, err error) {
		in := bytes.NewReader(append(bytes.Clone(src), end...))
		b, err = io.ReadAll(io.LimitReader(flate.NewReaderDict(in, history), int64(most)))
		return b, in.Len(), err
	}
	message, rest, err := read(tail + final)
	alone, _, _ := read("")
	switch {
	case len(src) == 0 || len(message) >= most:
		return message, true
	case err != nil || rest != 0 && rest != len(tail+final):
		return message, false
	}
	return message, len(alone) == len(message)
}
