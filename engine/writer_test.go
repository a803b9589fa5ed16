package engine

import (
	"errors"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

func writerTest(t *testing.T, s *Server) (*memory, Conn, *MessageWriter) {
	t.Helper()
	tr := newTrace()
	s.Events = tr.events()
	m := newMemory(t, s)
	c := m.conn(tr)
	w, err := c.NewWriter(codec.OpcodeText)
	if err != nil {
		t.Fatal(err)
	}
	return m, c, w
}

// A message in fragments: control frames go between them, other messages wait their turn, and a
// character may be split.
func TestMessageWriter(t *testing.T) {
	m, c, w := writerTest(t, &Server{})
	for _, part := range []string{"a\xc3", "\xa4", ""} {
		if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
			t.Errorf("Write(%q) = %d, %v", part, n, err)
		}
		if err := c.Ping([]byte("p")); err != nil {
			t.Error(err)
		}
		m.data(c.token, []byte(masked(true, codec.OpcodePing, "q")))
		if _, err := c.SendText("other"); !errors.Is(err, ErrMessageOpen) {
			t.Errorf("SendText: %v", err)
		}
		if _, err := c.Send(codec.OpcodeBinary, nil); !errors.Is(err, ErrMessageOpen) {
			t.Errorf("Send: %v", err)
		}
		if _, err := c.NewWriter(codec.OpcodeBinary); !errors.Is(err, ErrMessageOpen) {
			t.Errorf("NewWriter: %v", err)
		}
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if _, err := c.SendText("other"); err != nil {
		t.Error(err)
	}
	if err := w.Close(); !errors.Is(err, ErrClosed) {
		t.Errorf("second Close: %v", err)
	}
	if _, err := w.Write([]byte("late")); !errors.Is(err, ErrClosed) {
		t.Errorf("Write after Close: %v", err)
	}
	m.turn()
	const ping, pong = `ping fin=true of 1 bytes "p"`, `pong fin=true of 1 bytes "q"`
	m.expectFrames(t, c, `text fin=false of 2 bytes "a\xc3"`, ping, pong, `continuation fin=false of 1 bytes "\xa4"`, ping, pong,
		`continuation fin=false of 0 bytes ""`, ping, pong, `continuation fin=true of 0 bytes ""`, `text fin=true of 5 bytes "other"`)
}

// A message that is closed without a Write is empty and not fragmented.
func TestMessageWriterWithoutWrite(t *testing.T) {
	m, c, w := writerTest(t, &Server{})
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	m.turn()
	m.expectFrames(t, c, `text fin=true of 0 bytes ""`)
}

// A writer whose message is over cannot write into the next one.
func TestMessageWriterAfterItsMessage(t *testing.T) {
	m, c, first := writerTest(t, &Server{})
	_ = first.Close()
	second, err := c.NewWriter(codec.OpcodeBinary)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Write([]byte("late")); !errors.Is(err, ErrClosed) {
		t.Errorf("Write: %v", err)
	}
	if err := first.Close(); !errors.Is(err, ErrClosed) {
		t.Errorf("Close: %v", err)
	}
	_, _ = second.Write([]byte("next"))
	m.turn()
	m.expectFrames(t, c, `text fin=true of 0 bytes ""`, `binary fin=false of 4 bytes "next"`)
}

// A Close frame, ours or the answer to the peer's, may come in the middle of a message, which then
// stays unfinished.
func TestCloseInTheMiddleOfAWrittenMessage(t *testing.T) {
	for name, end := range map[string]func(*memory, Conn){
		"ours":    func(_ *memory, c Conn) { _ = c.Close(codec.StatusNormalClosure, "") },
		"peer's":  func(m *memory, c Conn) { m.data(c.token, []byte(closeFrame(codec.StatusNormalClosure, ""))) },
		"failure": func(m *memory, c Conn) { m.data(c.token, []byte("\xff")) },
	} {
		m, c, w := writerTest(t, &Server{})
		_, _ = w.Write([]byte("part"))
		end(m, c)
		if _, err := w.Write([]byte("more")); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: Write: %v", name, err)
		}
		if err := w.Close(); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: Close: %v", name, err)
		}
		m.turn()
		want := map[bool]string{true: `close 1002 ""`, false: `close 1000 ""`}[name == "failure"]
		m.expectFrames(t, c, `text fin=false of 4 bytes "part"`, want)
	}
}

// A fragment that finds the buffer full is not sent, and can be tried again.
func TestMessageWriterTriesAgain(t *testing.T) {
	m, c, w := writerTest(t, &Server{MaxBufferedBytes: 100})
	m.conns[c.token.Slot()].stalled = true
	first, second := strings.Repeat("a", 60), strings.Repeat("b", 75)
	if _, err := w.Write([]byte(first)); err != nil {
		t.Fatal(err)
	}
	if n, err := w.Write([]byte(second)); n != 0 || !errors.Is(err, ErrBufferFull) {
		t.Errorf("Write = %d, %v", n, err)
	}
	m.turn()
	m.drain(c.token)
	if _, err := w.Write([]byte(second)); err != nil {
		t.Error(err)
	}
	m.conns[c.token.Slot()].stalled = true
	if err := c.Ping([]byte(second)[:8]); err != nil {
		t.Error(err)
	}
	if err := w.Close(); !errors.Is(err, ErrBufferFull) {
		t.Errorf("Close: %v", err)
	}
	m.turn()
	m.drain(c.token)
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	m.turn()
	all, err := frames(m.take(c.token))
	var text []byte
	for _, f := range all {
		if f.op != codec.OpcodePing {
			text = append(text, f.payload...)
		}
	}
	if err != nil || string(text) != first+second || len(all) != 4 || !all[3].fin {
		t.Errorf("sent %v, %v", all, err)
	}
}

// Over a socket, from another goroutine, with a peer that pings all the while.
func TestMessageWriterOverTCP(t *testing.T) {
	t.Parallel()
	const fragments = 200
	opened := make(chan Conn, 1)
	c := serve(t, &Server{Events: Events{Open: func(c Conn) { opened <- c }}}).open()
	w, err := await(t, opened, "Open").NewWriter(codec.OpcodeBinary)
	if err != nil {
		t.Fatal(err)
	}
	pinged := make(chan struct{})
	go func() {
		defer close(pinged)
		for range fragments {
			c.Write([]byte(masked(true, codec.OpcodePing, "?")))
		}
	}()
	for i := range fragments {
		if _, err := w.Write([]byte{byte(i)}); err != nil {
			t.Error(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	var message []byte
	for pongs, done := 0, false; pongs < fragments || !done; {
		f := c.read()
		if f.op == codec.OpcodePong {
			pongs++
			continue
		}
		message = append(message, f.payload...)
		done = f.fin
	}
	<-pinged
	for i, b := range message {
		if b != byte(i) {
			t.Fatalf("byte %d is %d", i, b)
		}
	}
	if len(message) != fragments {
		t.Errorf("%d bytes", len(message))
	}
}
