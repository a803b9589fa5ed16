package codec

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

// countingMemory checks how an Assembler uses its Memory, and recycles one buffer.
type countingMemory struct {
	t        testing.TB
	free     []byte // to be lent next
	lent     int    // capacity lent at the moment
	maxLent  int
	received int // bytes of the message that the test has fed
}

func (m *countingMemory) Grow(b []byte, need int) []byte {
	if need > m.received && (m.received < reserveFrom || need > reserveRatio*m.received) {
		m.t.Errorf("%d bytes wanted when %d had been received", need, m.received)
	}
	grown := m.free
	if cap(grown) < need {
		grown = make([]byte, 0, 2*need)
	}
	m.free = nil
	m.lent = cap(grown)
	m.maxLent = max(m.maxLent, m.lent)
	return append(grown[:0], b...)
}

func (m *countingMemory) Release(b []byte) {
	if cap(b) != m.lent {
		m.t.Errorf("%d bytes given back, %d were lent", cap(b), m.lent)
	}
	m.free, m.lent = b[:0], 0
}

// TestMemoryFollowsTheBytesReceived: announcing gigabytes reserves nothing.
func TestMemoryFollowsTheBytesReceived(t *testing.T) {
	const piece = 1000
	memory := &countingMemory{t: t}
	a := Assembler{Memory: memory}
	var d Decoder
	feed := func(b []byte) {
		t.Helper()
		if m, n, ok, err := a.Next(&d, b, nil); ok || err != nil || n != len(b) {
			t.Fatal(m.Opcode, n, ok, err)
		}
	}
	feed(AppendMaskedHeader(nil, false, OpcodeBinary, 1<<30, 0x3d21fa37))
	if memory.lent != 0 || cap(a.data) != 0 {
		t.Errorf("%d bytes reserved for a header", memory.lent)
	}
	for range 100 {
		memory.received += piece
		feed(make([]byte, piece))
		if memory.lent > 2*memory.received && memory.received < reserveFrom || len(a.data) != memory.received {
			t.Errorf("%d of %d bytes for %d received", len(a.data), memory.lent, memory.received)
		}
	}
	if a.Empty() {
		t.Error("Empty in the middle of a message")
	}
	a.Release()
	if memory.lent != 0 || !a.Empty() {
		t.Errorf("%d bytes held after Release, Empty %v", memory.lent, a.Empty())
	}
}

// TestHeapGrowthFollowsTheBytesReceived is the same without a Memory.
func TestHeapGrowthFollowsTheBytesReceived(t *testing.T) {
	const piece, slack = 100, 512
	var a Assembler
	var d Decoder
	a.Next(&d, AppendMaskedHeader(nil, true, OpcodeBinary, 1<<30, 1), nil)
	for received := piece; received < 1<<20; received += piece {
		a.Next(&d, make([]byte, piece), nil)
		if most := 2*received + slack; len(a.data) != received || cap(a.data) > most && (received < reserveFrom || cap(a.data) > reserveRatio*most) {
			t.Fatalf("%d of %d bytes for %d received", len(a.data), cap(a.data), received)
		}
	}
}

// TestNoMoreThanAnnounced: what is reserved for a frame is its length, if enough of it has come.
func TestNoMoreThanAnnounced(t *testing.T) {
	const length = reserveRatio * (reserveFrom + 500)
	memory := &exactMemory{}
	a := Assembler{Memory: memory}
	var d Decoder
	in := AppendMaskedFrame(nil, false, OpcodeBinary, make([]byte, length), 7)
	const header = 14
	for _, end := range []int{reserveFrom - 1, reserveFrom, reserveFrom + 400, reserveFrom + 600, length} {
		a.Next(&d, in[d.offset:header+end], nil)
	}
	if want := []int{reserveFrom - 1, reserveFrom * reserveRatio, length}; !slices.Equal(memory.wanted, want) {
		t.Errorf("wanted %d, want %d", memory.wanted, want)
	}
}

// exactMemory lends what it is asked for and no more.
type exactMemory struct{ wanted []int }

func (m *exactMemory) Grow(b []byte, need int) []byte {
	m.wanted = append(m.wanted, need)
	return append(make([]byte, 0, need), b...)
}

func (m *exactMemory) Release([]byte) {}

// TestPayloadsDoNotOverlap: a control frame in pieces leaves a message in pieces alone, and a message
// begins with nothing of the one before.
func TestPayloadsDoNotOverlap(t *testing.T) {
	memory := &countingMemory{t: t, received: 1 << 20}
	a := Assembler{Memory: memory}
	var d Decoder
	in := AppendMaskedFrame(nil, false, OpcodeText, []byte("Hel"), 1)
	in = AppendMaskedFrame(in, true, OpcodePing, bytes.Repeat([]byte("p"), 125), 2)
	in = AppendMaskedFrame(in, true, OpcodeContinuation, []byte("lo"), 3)
	in = AppendMaskedFrame(in, true, OpcodeText, []byte("next"), 4)
	var got []string
	for i := range in {
		m, n, ok, err := a.Next(&d, in[i:i+1], nil)
		if n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if ok {
			got = append(got, m.Opcode.String()+" "+string(m.Payload))
		}
	}
	want := []string{"ping " + string(bytes.Repeat([]byte("p"), 125)), "text Hello", "text next"}
	if len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("got %q", got)
	}
	if !a.Empty() {
		t.Error("not Empty after the last message")
	}
	a.Release()
	if memory.lent != 0 {
		t.Errorf("%d bytes are still lent", memory.lent)
	}
}

// TestWholeIsNotCopied: a message that arrived whole is a slice of the input, and takes no memory.
func TestWholeIsNotCopied(t *testing.T) {
	in := AppendMaskedFrame(nil, true, OpcodeText, []byte("Hello"), 0x3d21fa37)
	a := Assembler{Memory: &countingMemory{t: t}} // Grow would complain
	var d Decoder
	m, _, ok, err := a.Next(&d, in, nil)
	if !ok || err != nil || &m.Payload[0] != &in[6] || string(m.Payload) != "Hello" || !a.Empty() {
		t.Errorf("%q, %v, %v", m.Payload, ok, err)
	}
}

func TestEmptyCountsControlFrames(t *testing.T) {
	var a Assembler
	var d Decoder
	ping := AppendMaskedFrame(nil, true, OpcodePing, []byte("ping"), 1)
	a.Next(&d, ping[:8], nil)
	if a.Empty() {
		t.Error("Empty in the middle of a Ping")
	}
	m, _, ok, err := a.Next(&d, ping[8:], nil)
	if !ok || err != nil || string(m.Payload) != "ping" || !a.Empty() {
		t.Errorf("%q, %v, %v, Empty %v", m.Payload, ok, err, a.Empty())
	}
}

// TestAddRefusesCloseInPieces: the Assembler does not leave the end of a Close payload to ParseClose.
func TestAddRefusesCloseInPieces(t *testing.T) {
	var a Assembler
	var d Decoder
	in := AppendMaskedFrame(nil, true, OpcodeClose, []byte("\x03\xe8ends in \xe2\x82"), 1)
	for i := range in {
		_, _, ok, err := a.Next(&d, in[i:i+1], nil)
		if last := i == len(in)-1; ok || (err != nil) != last || last && !errors.Is(err, ErrInvalidUTF8) {
			t.Fatalf("byte %d of %d: %v, %v", i, len(in), ok, err)
		}
	}
}

// noMemory refuses.
type noMemory struct{}

func (noMemory) Grow([]byte, int) []byte { return nil }
func (noMemory) Release([]byte)          {}

// TestNoMemory: what finds no memory is not taken, and the error says so.
func TestNoMemory(t *testing.T) {
	a := Assembler{Memory: noMemory{}}
	var d Decoder
	in := AppendMaskedFrame(nil, true, OpcodeBinary, []byte("Hello"), 1)
	if _, _, ok, err := a.Next(&d, in[:8], nil); ok || !errors.Is(err, ErrNoMemory) || a.Held() != 0 {
		t.Errorf("%v, %v, %d bytes held", ok, err, a.Held())
	}
	if len(a.Room(&d)) != 0 {
		t.Error("there is room in no buffer")
	}
}
