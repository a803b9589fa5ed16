package engine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

// fillWindow has a client send text that takes its whole window.
func fillWindow(t *testing.T, m *memory, c Conn) {
	t.Helper()
	for i := range 3 {
		m.data(c.token, []byte(compressedFrame(true, codec.OpcodeText, squeeze(t, unlike(20_000+i)))))
	}
}

// A connection that is closed for memory gives its window back at once, so that no other one has to go.
func TestDeflateWindowOfTheWorst(t *testing.T) {
	tr := newTrace()
	s := &Server{Loops: 1, MaxMemoryBytes: 16 << 20, Deflate: takingOver(), Events: tr.events()}
	m := newMemory(t, s)
	var all []Conn
	for range 10 {
		c, _ := m.openDeflate(t, tr, offer)
		fillWindow(t, m, c)
		all = append(all, c)
	}
	for range 4000 { // who hold nothing, and make the share small
		m.open()
	}
	m.engine.empty()
	s.budget.held.Add(1000 - s.budget.excess())
	m.engine.relieve()
	m.turn()
	m.turn() // the Close frame leaves
	if n := s.Stats().MemoryClosures; n != 1 {
		t.Errorf("%d closures for 1000 bytes", n)
	}
	closed := 0
	for _, c := range all {
		if m.over(c.token) {
			closed++
		}
	}
	if closed != 1 {
		t.Errorf("%d of those with a window are closed", closed)
	}
}

// What is inflated of one connection in a turn is bounded: the rest of what it sent waits for the next.
func TestDeflateTurn(t *testing.T) {
	tr := newTrace()
	received := 0
	tr.message = func(Conn, codec.Opcode, []byte) { received++ }
	m := newMemory(t, &Server{Deflate: &Deflate{}, Events: tr.events()})
	c, _ := m.openDeflate(t, tr, offer)
	frame := compressedFrame(true, codec.OpcodeText, squeeze(t, strings.Repeat("x", inflatedPerTurn/2)))
	input := []byte(strings.Repeat(frame, 20))
	n := m.engine.Data(c.token, input)
	if received < 2 || received > 3 || n != received*len(frame) {
		t.Errorf("%d messages and %d of %d bytes in one turn", received, n, len(input))
	}
	m.turn()
	m.data(c.token, input[n:])
	if received != 20 {
		t.Errorf("%d messages", received)
	}
}

// A goroutine that waits for room compresses as well, and what follows refers to nothing that the peer does not have.
func TestDeflateSendWait(t *testing.T) {
	tr := newTrace()
	m := newMemory(t, &Server{Deflate: takingOver(), Events: tr.events()})
	c, _ := m.openDeflate(t, tr, offer)
	peer := peerWindow{t: t}
	var want []string
	for i := range 6 {
		text := fmt.Sprint(i, story(600))
		want = append(want, text)
		if i%2 == 0 {
			if _, err := c.SendText(text); err != nil {
				t.Fatal(err)
			}
		} else if err := c.SendWait(t.Context(), codec.OpcodeText, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	m.turn()
	out := m.take(c.token)
	if len(out) > 6*300 {
		t.Errorf("%d bytes", len(out))
	}
	if got := peer.read(out); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%.100q", got)
	}
}

// A refused handshake promises no window.
func TestDeflateRefusedPromisesNothing(t *testing.T) {
	s := &Server{Deflate: takingOver(), Origins: []string{"https://good.example"}}
	m := newMemory(t, s)
	m.data(m.accept(), []byte(head("/", offer, "Origin: https://evil.example")))
	if n := s.windowBytes.Load(); n != 0 {
		t.Errorf("%d bytes are promised", n)
	}
}
