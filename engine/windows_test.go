package engine

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/codec/deflate"
)

// takingOver agrees to context takeover in both directions.
func takingOver() *Deflate { return &Deflate{ServerContextTakeover: true, ClientContextTakeover: true} }

// peerWindow is what a client remembers of the messages that came compressed.
type peerWindow struct {
	t       testing.TB
	history []byte
}

// read takes whole frames, and returns the messages in them.
func (p *peerWindow) read(out []byte) (messages []string) {
	p.t.Helper()
	for len(out) > 0 {
		h, n, err := codec.ParseHeader(out)
		if err != nil || n == 0 {
			p.t.Fatalf("% .20x: %v", out, err)
		}
		end := n + int(h.PayloadLen)
		message := string(out[n:end])
		if out[0]&0x40 != 0 {
			message = expand(p.t, out[n:end], p.history)
			p.history = append(p.history, message...)
		}
		messages = append(messages, message)
		out = out[end:]
	}
	return messages
}

// What was compressed with context is not dropped, however short memory becomes while it is compressed: the messages behind it
// would refer to what the peer never got.
func TestDeflateContextIsNotQueued(t *testing.T) {
	tr := newTrace()
	s := &Server{Deflate: takingOver(), Events: tr.events()}
	m := newMemory(t, s)
	c, _ := m.openDeflate(t, tr, offer)
	filler, _ := m.openDeflate(t, tr)
	if _, err := c.SendWith(codec.OpcodeText, []byte("before"), Delivery{Compress: CompressNever}); err != nil {
		t.Fatal(err)
	}
	sendPrepared(t, filler, prepare(t, s, codec.OpcodeBinary, strings.Repeat("x", minOutboxBytes)))
	// There is just memory enough for the frame as it would be without compression, and the window takes some of it.
	text := story(600)
	box := &m.engine.outbox
	box.bytes = slices.Clip(box.bytes)
	box.account()
	taken := s.budget.limit() - s.budget.held.Load() - int64(box.lacks(len(text)+codec.MaxHeaderLen))
	s.budget.held.Add(taken)
	if _, err := c.SendWith(codec.OpcodeText, []byte(text), Delivery{TTL: time.Second}); err != nil {
		t.Fatal(err)
	}
	s.budget.held.Add(-taken)
	m.conns[c.token.Slot()].stalled = true
	m.turn()
	m.pass(5 * time.Second)
	m.drain(c.token)
	if _, err := c.SendText(text + "!"); err != nil {
		t.Fatal(err)
	}
	m.turn()
	peer := &peerWindow{t: t}
	if got := peer.read(m.take(c.token)); !slices.Equal(got, []string{"before", text, text + "!"}) {
		t.Errorf("got %.50q", got)
	}
	if len(peer.history) != 2*len(text)+1 {
		t.Errorf("%d bytes came compressed", len(peer.history))
	}
}

// A long message is compressed outside of the lock, without context. The one behind it refers to nothing before.
func TestDeflateLongWithoutContext(t *testing.T) {
	tr := newTrace()
	m := newMemory(t, &Server{Deflate: takingOver(), Events: tr.events()})
	c, _ := m.openDeflate(t, tr, offer)
	short := story(300)
	peer := &peerWindow{t: t}
	for i, text := range []string{short, story(maxOrderedBytes), short, story(maxOrderedBytes + 1), short, short} {
		if _, err := c.SendText(text); err != nil {
			t.Fatal(err)
		}
		m.turn()
		out := m.take(c.token)
		if i == 3 || i == 4 {
			(&peerWindow{t: t}).read(out)
		}
		if got := peer.read(out); len(got) != 1 || got[0] != text || out[0] != 0xc1 {
			t.Fatalf("message %d begins with %#x, and is %.50q", i, out[0], got)
		}
		if i == 2 || i == 5 {
			if len(out) > 30 {
				t.Errorf("message %d, which came before, takes %d bytes", i, len(out))
			}
		}
	}
}

// Where context is taken over, what never becomes smaller is seldom tried either.
func TestDeflateTakeoverGivesUp(t *testing.T) {
	tr := newTrace()
	m := newMemory(t, &Server{Deflate: takingOver(), Events: tr.events()})
	c, _ := m.openDeflate(t, tr, offer)
	noise := make([]byte, 300)
	for i := range noise {
		noise[i] = byte(i*i*31 + i>>3*77)
	}
	for range missesAllowed + 1 {
		if _, err := c.Send(codec.OpcodeBinary, noise); err != nil {
			t.Fatal(err)
		}
	}
	if m.engine.tries != 1 {
		t.Errorf("of %d messages that do not become smaller %d were put off", missesAllowed+1, m.engine.tries)
	}
}

// A ratio that no honest message has fails the connection, beyond the bytes that are free.
func TestDeflateRatio(t *testing.T) {
	tr := newTrace()
	m := newMemory(t, &Server{Deflate: &Deflate{MaxRatio: 50}, Events: tr.events()})
	c, _ := m.openDeflate(t, tr, offer)
	m.data(c.token, []byte(compressedFrame(true, codec.OpcodeBinary, squeeze(t, strings.Repeat("x", deflate.RatioFreeBytes)))))
	if len(tr.lines) != 1 || len(m.take(c.token)) > 0 {
		t.Fatalf("callbacks %.50q", tr.lines)
	}
	m.data(c.token, []byte(compressedFrame(true, codec.OpcodeBinary, squeeze(t, strings.Repeat("x", deflate.RatioFreeBytes+1)))))
	if out := m.take(c.token); string(out) != "\x88\x02\x03\xf1" {
		t.Errorf("sent % x, want 1009", out)
	}
}

// Windows are made for the first compressed message of either direction, and come back for the next connection.
func TestWindowsAreMadeLate(t *testing.T) {
	tr := newTrace()
	s := &Server{Deflate: takingOver(), Events: tr.events()}
	m := newMemory(t, s)
	l := m.engine
	for i := range 3 {
		c, _ := m.openDeflate(t, tr, offer)
		if len(l.windows)-1 != len(l.freeWindows) {
			t.Fatalf("connection %d has windows before its first message", i)
		}
		m.data(c.token, []byte(compressedFrame(true, codec.OpcodeText, squeeze(t, story(100)))))
		if len(l.windows) != 2 || len(l.freeWindows) != 0 || l.held(c.token) < 100 {
			t.Fatalf("%d windows, %d of them free, which hold %d bytes", len(l.windows)-1, len(l.freeWindows), l.held(c.token))
		}
		if _, err := c.SendText(story(100)); err != nil {
			t.Fatal(err)
		}
		c.Abort()
		m.turn()
		if len(l.freeWindows) != 1 || *l.agreements.At(c.token.Slot()) != (agreement{}) {
			t.Fatalf("the windows did not come back: %+v", *l.agreements.At(c.token.Slot()))
		}
	}
	plain, _ := m.openDeflate(t, tr)
	if l.windowIn(plain.token) != nil {
		t.Error("a connection without compression has a window")
	}
}
