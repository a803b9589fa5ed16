package engine

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
)

// expectFrames compares what a peer in memory received, given as String of each frame.
func (m *memory) expectFrames(t testing.TB, c Conn, want ...string) {
	t.Helper()
	all, err := frames(m.take(c.token))
	if err != nil {
		t.Error(err)
	}
	if got := fmt.Sprint(all); got != fmt.Sprint(want) {
		t.Errorf("sent %s\nwant %s", got, want)
	}
}

func (m *memory) conn(t *trace) Conn {
	m.open()
	t.lines = nil
	return t.conn
}

// The closing handshake begun by the server (RFC 6455 section 7.1.2).
func TestCloseByServer(t *testing.T) {
	t.Parallel()
	tr := newTrace()
	tr.message = func(c Conn, _ codec.Opcode, _ []byte) {
		if err := c.Close(codec.StatusNormalClosure, "bye"); err != nil {
			t.Error(err)
		}
	}
	c := serve(t, &Server{CloseTimeout: never, Events: tr.events()}).open()
	c.send(codec.OpcodeText, "go")
	if f := c.read(); f.String() != `close 1000 "bye"` {
		t.Errorf("got %v", f)
	}
	c.write(closeFrame(4000, "me too"))
	c.expectEOF()
	await(t, tr.gone, "Close")
	tr.expect(t, "open", "text go", "close 4000 me too, <nil>")
}

// The closing handshake begun by the peer, who is answered with the same code.
func TestCloseByPeer(t *testing.T) {
	t.Parallel()
	tr := newTrace()
	c := serve(t, &Server{CloseTimeout: never, Events: tr.events()}).open()
	c.write(closeFrame(3000, "bye"))
	c.expectClose(3000)
	c.expectEOF()
	await(t, tr.gone, "Close")
	tr.expect(t, "open", "close 3000 bye, <nil>")
}

// Bytes behind the peer's Close frame are read and dropped: closing over unread input would reset the
// connection, and our Close frame might be lost with it.
func TestBytesBehindCloseDelayTheEnd(t *testing.T) {
	tr := newTrace()
	m := newMemory(t, &Server{Events: tr.events()})
	c := m.conn(tr)
	m.data(c.token, []byte(closeFrame(codec.StatusNormalClosure, "")+masked(true, codec.OpcodeText, "late")))
	if m.gone(c.token) || !m.over(c.token) {
		t.Errorf("closed %t, FIN sent %t", m.gone(c.token), m.over(c.token))
	}
	m.data(c.token, []byte("more"))
	m.eof(c.token)
	if !m.gone(c.token) {
		t.Error("open after FIN")
	}
	m.expectFrames(t, c, `close 1000 ""`)
	tr.expect(t, "close 1000 , <nil>")
}

// What was sent before Close goes out before the Close frame, however slow the peer reads.
func TestCloseFlushesWhatWasSent(t *testing.T) {
	t.Parallel()
	const messages, length = 16, 64 << 10
	sent := make(chan struct{})
	tr := newTrace()
	tr.open = func(c Conn) {
		for i := range messages {
			if _, err := c.Send(codec.OpcodeBinary, []byte(strings.Repeat(string(rune('a'+i)), length))); err != nil {
				t.Error(err)
			}
		}
		if err := c.Close(codec.StatusNormalClosure, ""); err != nil {
			t.Error(err)
		}
		close(sent)
	}
	c := serve(t, &Server{CloseTimeout: never, Events: tr.events()}).open()
	await(t, sent, "Close to be called")
	for i := range messages {
		c.expect(codec.OpcodeBinary, strings.Repeat(string(rune('a'+i)), length))
	}
	c.expectClose(codec.StatusNormalClosure)
	c.write(closeFrame(codec.StatusNormalClosure, ""))
	c.expectEOF()
}

// W114: both sides close at once. One Close frame each way, and a clean end.
func TestSimultaneousCloseW114(t *testing.T) {
	for name, turn := range map[string]bool{"ours is sent": true, "ours waits": false} {
		tr := newTrace()
		m := newMemory(t, &Server{Events: tr.events()})
		c := m.conn(tr)
		if err := c.Close(codec.StatusGoingAway, ""); err != nil {
			t.Error(err)
		}
		if turn {
			m.turn()
		}
		m.data(c.token, []byte(closeFrame(codec.StatusNormalClosure, "")))
		m.expectFrames(t, c, `close 1001 ""`)
		tr.expect(t, "close 1000 , <nil>")
		if !m.gone(c.token) {
			t.Errorf("%s: still open", name)
		}
	}
}

// W112: a peer that goes on sending after our Close frame is read and ignored, and cut off when the
// close timeout has passed, which its bytes do not extend.
func TestDataAfterCloseIsDiscardedW112(t *testing.T) {
	tr := newTrace()
	s := &Server{CloseTimeout: 5 * time.Second, Events: tr.events()}
	m := newMemory(t, s)
	c := m.conn(tr)
	_ = c.Close(codec.StatusNormalClosure, "")
	for range 5 {
		m.data(c.token, []byte(masked(true, codec.OpcodeText, "more")+masked(true, codec.OpcodePing, "?")+
			masked(false, codec.OpcodeText, "never")+masked(true, codec.OpcodeContinuation, "ends")))
		if m.gone(c.token) {
			t.Fatal("closed before the timeout")
		}
		m.pass(time.Second)
	}
	m.pass(2 * tick)
	if !m.gone(c.token) {
		t.Error("open after the timeout")
	}
	m.expectFrames(t, c, `close 1000 ""`)
	tr.expect(t, "close 1006 , engine: close deadline passed")
	if n := s.Stats().CloseTimeouts; n != 1 {
		t.Errorf("%d timeouts", n)
	}
}

// The same over a socket, where the peer answers nothing at all.
func TestCloseTimeout(t *testing.T) {
	t.Parallel()
	tr := newTrace()
	tr.open = func(c Conn) { _ = c.Close(codec.StatusNormalClosure, "") }
	c := serve(t, &Server{CloseTimeout: time.Millisecond, Events: tr.events()}).open()
	c.expectClose(codec.StatusNormalClosure)
	c.expectEOF()
	await(t, tr.gone, "Close")
	tr.expect(t, "open", "close 1006 , engine: close deadline passed")
}

// W113: an answer to our Close frame that is none ends the connection without a second one.
func TestInvalidAnswerToCloseW113(t *testing.T) {
	for _, answer := range []string{
		masked(true, codec.OpcodeClose, "x"),
		closeFrame(999, ""), closeFrame(1005, ""),
		closeFrame(codec.StatusNormalClosure, "\xff"),
		masked(false, codec.OpcodeClose, ""),
		"\xc1\x80",
		"\x81\x00",
	} {
		tr := newTrace()
		m := newMemory(t, &Server{Events: tr.events()})
		c := m.conn(tr)
		_ = c.Close(codec.StatusGoingAway, "")
		m.turn()
		m.data(c.token, []byte(answer))
		if !m.over(c.token) {
			t.Errorf("%q: our side is still open", answer)
		}
		m.eof(c.token)
		m.expectFrames(t, c, `close 1001 ""`)
		if len(tr.lines) != 1 || !strings.HasPrefix(tr.lines[0], "close 1006 , codec: ") {
			t.Errorf("%q: callbacks %q", answer, tr.lines)
		}
	}
}

// W115: the answer to a Close frame stands behind data that the peer does not read. The close
// timeout bounds the wait, and a peer that reads in time gets everything.
func TestCloseBehindDataW115(t *testing.T) {
	for _, reads := range []bool{true, false} {
		tr := newTrace()
		m := newMemory(t, &Server{CloseTimeout: 5 * time.Second, Events: tr.events()})
		c := m.conn(tr)
		m.conns[c.token.Slot()].stalled = true
		_, _ = c.SendText("data")
		m.turn()
		m.data(c.token, []byte(closeFrame(codec.StatusNormalClosure, "")))
		m.pass(4 * time.Second)
		if m.gone(c.token) {
			t.Fatal("closed with data unsent and time left")
		}
		if reads {
			m.drain(c.token)
			m.expectFrames(t, c, `text fin=true of 4 bytes "data"`, `close 1000 ""`)
		} else {
			m.pass(time.Second + 2*tick)
		}
		if !m.gone(c.token) {
			t.Errorf("reads %t: still open", reads)
		}
		tr.expect(t, "close 1000 , <nil>")
	}
}

// FIN without a Close frame: what was sent before still goes out, and 1006 is reported.
func TestFINWithoutClose(t *testing.T) {
	tr := newTrace()
	m := newMemory(t, &Server{CloseTimeout: time.Second, Events: tr.events()})
	c := m.conn(tr)
	m.conns[c.token.Slot()].stalled = true
	_, _ = c.SendText("data")
	m.turn()
	m.eof(c.token)
	if _, err := c.SendText("more"); err != ErrClosed {
		t.Errorf("Send after FIN: %v", err)
	}
	m.drain(c.token)
	m.expectFrames(t, c, `text fin=true of 4 bytes "data"`)
	tr.expect(t, fmt.Sprintf("close 1006 , %v", io.EOF))
}

// A connection that failed owes its peer the output that still waits, also after the peer's FIN.
func TestFINAfterFailure(t *testing.T) {
	tr := newTrace()
	m := newMemory(t, &Server{CloseTimeout: time.Second, Events: tr.events()})
	c := m.conn(tr)
	m.conns[c.token.Slot()].stalled = true
	_, _ = c.SendText("data")
	m.data(c.token, []byte("\xff\xff"))
	m.eof(c.token)
	m.drain(c.token)
	m.expectFrames(t, c, `text fin=true of 4 bytes "data"`, `close 1002 ""`)
	if !m.gone(c.token) {
		t.Error("still open")
	}
}

// A reset is reported as 1006, with what the system said.
func TestReset(t *testing.T) {
	t.Parallel()
	tr := newTrace()
	c := serve(t, &Server{Events: tr.events()}).open()
	c.reset()
	await(t, tr.gone, "Close")
	if last := tr.lines[len(tr.lines)-1]; !strings.HasPrefix(last, "close 1006 , ") || strings.HasSuffix(last, "<nil>") {
		t.Error(last)
	}
}
