package engine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

// badFrame has reserved bits set.
const badFrame = "\xf1\x80"

// replyAndClose sends a reply and begins the closing handshake.
func replyAndClose(t testing.TB) func(Conn, codec.Opcode, []byte) {
	return func(c Conn, _ codec.Opcode, _ []byte) {
		if _, err := c.SendText("reply"); err != nil {
			t.Error(err)
		}
		if err := c.Close(codec.StatusNormalClosure, "bye"); err != nil {
			t.Error(err)
		}
	}
}

// What a callback sent before Close survives a peer whose next bytes, in the same segment, break the
// protocol: they come before the turn's flush.
func TestCloseSurvivesBadFrame(t *testing.T) {
	for _, stalled := range []bool{false, true} {
		tr := newTrace()
		tr.message = replyAndClose(t)
		m := newMemory(t, &Server{Events: tr.events()})
		c := m.conn(tr)
		m.conns[c.token.Slot()].stalled = stalled
		m.data(c.token, []byte(masked(true, codec.OpcodeText, "go")+badFrame))
		if stalled {
			if m.over(c.token) {
				t.Error("FIN before the bytes that wait")
			}
			m.drain(c.token)
		}
		m.expectFrames(t, c, `text fin=true of 5 bytes "reply"`, `close 1000 "bye"`)
		if m.gone(c.token) || !m.over(c.token) {
			t.Errorf("stalled %t: closed %t, FIN sent %t", stalled, m.gone(c.token), m.over(c.token))
		}
		m.eof(c.token)
		if !m.gone(c.token) {
			t.Errorf("stalled %t: open after the peer's FIN", stalled)
		}
	}
}

// The same over a socket.
func TestCloseSurvivesBadFrameOverTCP(t *testing.T) {
	t.Parallel()
	tr := newTrace()
	tr.message = replyAndClose(t)
	c := serve(t, &Server{CloseTimeout: never, Events: tr.events()}).open()
	c.write(masked(true, codec.OpcodeText, "go") + badFrame)
	c.expect(codec.OpcodeText, "reply")
	c.expectClose(codec.StatusNormalClosure)
	c.expectEOF()
	c.closeWrite()
	await(t, tr.gone, "Close")
}

// Once the connection failed, what the peer sends is dropped (RFC 6455 section 7.1.7): its Close frame
// does not become the reason of the end.
func TestCloseFrameBehindBadFrameIsDropped(t *testing.T) {
	answer := closeFrame(codec.StatusNormalClosure, "fine")
	for _, closing := range []bool{false, true} {
		for name, segments := range map[string][]string{
			"one segment":       {badFrame + answer},
			"two segments":      {badFrame, answer},
			"a bad Close frame": {closeFrame(999, "") + answer},
			"and on its own":    {closeFrame(999, ""), answer},
		} {
			tr := newTrace()
			m := newMemory(t, &Server{Events: tr.events()})
			c := m.conn(tr)
			want := `close 1002 ""`
			if closing {
				want = `close 4000 ""`
				_ = c.Close(4000, "")
			}
			for _, b := range segments {
				m.data(c.token, []byte(b))
			}
			m.eof(c.token)
			m.expectFrames(t, c, want)
			if got := fmt.Sprint(tr.lines); !m.gone(c.token) || !strings.HasPrefix(got, "[close 1006 , codec: ") {
				t.Errorf("%s, closing %t: closed %t, callbacks %s", name, closing, m.gone(c.token), got)
			}
		}
	}
}

// Nor does it when the connection failed on our side, and the decoder would still read it.
func TestCloseFrameBehindAPanicIsDropped(t *testing.T) {
	answer := closeFrame(codec.StatusNormalClosure, "fine")
	tr := newTrace()
	tr.message = func(Conn, codec.Opcode, []byte) { panic("failed") }
	m := newMemory(t, &Server{Events: tr.events()})
	c := m.conn(tr)
	m.data(c.token, []byte(masked(true, codec.OpcodeText, "go")))
	m.data(c.token, []byte(answer))
	if m.gone(c.token) {
		t.Error("closed before the peer's FIN")
	}
	m.eof(c.token)
	m.expectFrames(t, c, `close 1011 ""`)
	tr.expect(t, "text go", fmt.Sprint("close 1006 , ", ErrPanic))
}
