package engine

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/codec/codectest"
)

// streamed is what Events.Fragment brought, joined to messages.
type streamed struct {
	t        *testing.T
	messages []string
	open     bool
	pieces   int
}

func (s *streamed) add(f Fragment) {
	s.pieces++
	if f.First == s.open {
		s.t.Errorf("First is %t, in a message: %t", f.First, s.open)
	}
	if f.First {
		s.messages = append(s.messages, f.Opcode.String()+" ")
	}
	last := &s.messages[len(s.messages)-1]
	if !strings.HasPrefix(*last, f.Opcode.String()) {
		s.t.Errorf("a piece of opcode %v of %q", f.Opcode, *last)
	}
	*last += string(f.Payload)
	s.open = !f.Last
}

// Events.Fragment takes the place of Message: pieces come as they arrive, marked First and Last, and
// control frames in between, however the bytes are cut.
func TestFragmentStreaming(t *testing.T) {
	in := []byte(masked(true, codec.OpcodeText, "whole") +
		masked(false, codec.OpcodeBinary, "one ") + masked(true, codec.OpcodePing, "ping") +
		masked(false, codec.OpcodeContinuation, "") + masked(true, codec.OpcodeContinuation, "two") +
		masked(true, codec.OpcodeBinary, "") +
		masked(false, codec.OpcodeText, "a\xc3") + masked(true, codec.OpcodeContinuation, "\xa4"))
	want := []string{"text whole", "binary one two", "binary ", "text aä"}
	for lengths := range codectest.Cuts(len(in)) {
		got := &streamed{t: t}
		s := &Server{Events: Events{
			Message:  func(Conn, codec.Opcode, []byte) { t.Error("Message was called") },
			Fragment: func(_ Conn, f Fragment) { got.add(f) },
			Ping:     func(Conn, []byte) { got.pieces += 1000 },
		}}
		m := newMemory(t, s)
		c := m.open()
		for piece := range codectest.Pieces(in, lengths) {
			m.data(c, piece)
		}
		if !slices.Equal(got.messages, want) || got.open || got.pieces < 1000 {
			t.Fatalf("cut %s: got %q, open %t, %d", brief(lengths), got.messages, got.open, got.pieces)
		}
		if n := len(m.engine.rares) - 1 - len(m.engine.freeRares); n != 0 {
			t.Fatalf("cut %s: the connection still owns memory", brief(lengths))
		}
	}
}

// A message longer than any buffer passes through without being kept.
func TestFragmentStreamingKeepsNothing(t *testing.T) {
	const length = 64 << 20
	received := 0
	m := newMemory(t, &Server{MaxMessageBytes: length, Events: Events{Fragment: func(_ Conn, f Fragment) {
		received += len(f.Payload)
	}}})
	c := m.open()
	before := heapBytes()
	m.data(c, codec.AppendMaskedHeader(nil, true, codec.OpcodeBinary, length, 1))
	piece := make([]byte, 64<<10)
	for range length / len(piece) {
		m.data(c, piece)
	}
	if grown := int64(heapBytes()) - int64(before); grown > 256<<10 {
		t.Errorf("%d bytes kept", grown)
	}
	if received != length {
		t.Errorf("received %d bytes", received)
	}
	runtime.KeepAlive(m)
}

// Invalid text fails in the piece where it is wrong, and the limits count as for whole messages.
func TestFragmentStreamingFailures(t *testing.T) {
	for want, in := range map[string]string{
		"close 1007": masked(false, codec.OpcodeText, "ok") + masked(false, codec.OpcodeContinuation, "\xff"),
		"close 1009": masked(false, codec.OpcodeText, strings.Repeat("a", 60)) + masked(false, codec.OpcodeContinuation, strings.Repeat("a", 60)),
		"close 1008": masked(false, codec.OpcodeText, "a") + masked(false, codec.OpcodeContinuation, "b") + masked(false, codec.OpcodeContinuation, "c"),
		"close 1002": masked(false, codec.OpcodeText, "a") + masked(true, codec.OpcodeText, "b"),
	} {
		for _, cut := range []int{0, 3, len(in) - 1} {
			seen := ""
			m := newMemory(t, &Server{MaxMessageBytes: 100, MaxFragments: 2, Events: Events{
				Fragment: func(_ Conn, f Fragment) { seen += string(f.Payload) },
			}})
			c := m.open()
			m.data(c, []byte(in[:cut]))
			m.data(c, []byte(in[cut:]))
			if strings.Contains(seen, "\xff") {
				t.Errorf("%s: invalid text was handed up", want)
			}
			if got := fmt.Sprint(wireEvents(append([]byte("\r\n\r\n"), m.take(c)...))); got != "["+want+"]" {
				t.Errorf("cut at %d: sent %s, want %s", cut, got, want)
			}
		}
	}
}

// Our Close frame in the middle of a message that streams in: its rest is dropped, and the peer's
// Close frame behind it is found.
func TestCloseWhileStreaming(t *testing.T) {
	rest := masked(false, codec.OpcodeContinuation, "\xa4 more") + masked(true, codec.OpcodeContinuation, "and more") +
		masked(true, codec.OpcodeText, "next") + closeFrame(codec.StatusNormalClosure, "")
	for cut := range len(rest) {
		seen := ""
		var closure Closure
		m := newMemory(t, &Server{Events: Events{
			Fragment: func(c Conn, f Fragment) {
				seen += string(f.Payload)
				_ = c.Close(codec.StatusGoingAway, "")
			},
			Close: func(_ Conn, how Closure) { closure = how },
		}})
		c := m.open()
		m.data(c, []byte(masked(false, codec.OpcodeText, "a\xc3")+rest[:cut]))
		m.data(c, []byte(rest[cut:]))
		if !m.gone(c) || seen != "a\xc3" || closure != (Closure{Code: codec.StatusNormalClosure}) {
			t.Errorf("cut at %d: gone %t, seen %q, %+v", cut, m.gone(c), seen, closure)
		}
	}
}
