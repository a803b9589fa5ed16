package engine

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/codec/deflate"
)

// offer is what a client sends that takes compression of any kind.
const offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"

// story is text that becomes smaller.
func story(n int) string {
	return strings.Repeat("the quick brown fox jumps over the lazy dog, again and again; ", n/62+1)[:n]
}

// squeeze compresses with the standard library, for a message of its own.
func squeeze(t testing.TB, payload string) string {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, 6)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, payload); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
}

// expand inflates with the standard library.
func expand(t testing.TB, payload, dictionary []byte) string {
	t.Helper()
	r := flate.NewReaderDict(io.MultiReader(bytes.NewReader(payload), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff")), dictionary)
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// compressedFrame is a masked frame with RSV1.
func compressedFrame(fin bool, op codec.Opcode, payload string) string {
	b := []byte(masked(fin, op, payload))
	codec.MarkCompressed(b)
	return string(b)
}

// openDeflate opens a connection that agreed, and returns what the answer said.
func (m *memory) openDeflate(t testing.TB, tr *trace, fields ...string) (Conn, string) {
	t.Helper()
	token := m.accept()
	m.data(token, []byte(head("/", fields...)))
	answer := string(m.take(token))
	_, agreed, _ := strings.Cut(answer, "Sec-WebSocket-Extensions: ")
	agreed, _, _ = strings.Cut(agreed, "\r\n")
	tr.lines = nil
	return tr.conn, agreed
}

// Messages come compressed, whole, in pieces and in fragments, and are delivered as they were; what is sent is compressed from
// the threshold on, where it becomes smaller.
func TestDeflateEcho(t *testing.T) {
	tr := newTrace()
	var got []string
	tr.message = func(c Conn, op codec.Opcode, payload []byte) {
		got = append(got, string(payload))
		if _, err := c.Send(op, payload); err != nil {
			t.Error(err)
		}
	}
	m := newMemory(t, &Server{Deflate: &Deflate{}, Events: tr.events()})
	c, agreed := m.openDeflate(t, tr, offer)
	if agreed != "permessage-deflate; server_no_context_takeover; client_no_context_takeover" {
		t.Errorf("agreed to %q", agreed)
	}
	long, short := story(5000), "short"
	small := squeeze(t, long)
	for name, in := range map[string]string{
		"whole": compressedFrame(true, codec.OpcodeText, small),
		"fragments": compressedFrame(false, codec.OpcodeText, small[:10]) + masked(true, codec.OpcodePing, "") +
			masked(false, codec.OpcodeContinuation, small[10:11]) + masked(true, codec.OpcodeContinuation, small[11:]),
		"plain": masked(true, codec.OpcodeText, long),
	} {
		for _, piece := range []int{1, 100, len(in)} {
			got = nil
			for i := 0; i < len(in); i += piece {
				m.data(c.token, []byte(in[i:min(i+piece, len(in))]))
			}
			if len(got) != 1 || got[0] != long {
				t.Fatalf("%s in pieces of %d: %d messages", name, piece, len(got))
			}
			out := m.take(c.token)
			if name == "fragments" {
				out = bytes.TrimPrefix(out, []byte("\x8a\x00"))
			}
			if out[0] != 0xc1 || len(out) > len(long)/10 {
				t.Fatalf("%s: the reply begins with %#x and has %d bytes", name, out[0], len(out))
			}
			h, n, _ := codec.ParseHeader(out)
			if text := expand(t, out[n:n+int(h.PayloadLen)], nil); text != long {
				t.Fatalf("%s: the reply differs", name)
			}
		}
	}
	m.data(c.token, []byte(compressedFrame(true, codec.OpcodeText, squeeze(t, short))))
	m.expectFrames(t, c, `text fin=true of 5 bytes "short"`)
}

// Nothing is compressed, and RSV1 is an error, where it was not agreed.
func TestDeflateNotAgreed(t *testing.T) {
	for name, s := range map[string]*Server{"off": {}, "on": {Deflate: &Deflate{}}} {
		for _, fields := range [][]string{nil, {offer}, {"Sec-WebSocket-Extensions: permessage-deflate; unknown"}} {
			if name == "on" && len(fields) > 0 && fields[0] == offer {
				continue
			}
			tr := newTrace()
			server := &Server{Deflate: s.Deflate, Events: tr.events()}
			m := newMemory(t, server)
			c, agreed := m.openDeflate(t, tr, fields...)
			if _, err := c.SendText(story(1000)); err != nil || agreed != "" {
				t.Errorf("%s, %v: agreed to %q, %v", name, fields, agreed, err)
			}
			m.turn()
			if out := m.take(c.token); out[0] != 0x81 {
				t.Errorf("%s, %v: a message begins with %#x", name, fields, out[0])
			}
			m.data(c.token, []byte(compressedFrame(true, codec.OpcodeText, squeeze(t, story(100)))))
			m.expectFrames(t, c, `close 1002 ""`)
		}
	}
}

// What cannot be inflated fails the connection with the right code, and costs no other anything.
func TestDeflateFailures(t *testing.T) {
	const limit = 10_000
	bomb := squeeze(t, strings.Repeat("\x00", 100*limit))
	for name, test := range map[string]struct {
		in   string
		code codec.StatusCode
		is   error
	}{
		"corrupt":   {compressedFrame(true, codec.OpcodeText, "\xff\xff\xff\xff"), 1007, deflate.ErrCorrupt},
		"too long":  {compressedFrame(true, codec.OpcodeBinary, bomb), 1009, deflate.ErrTooBig},
		"not UTF-8": {compressedFrame(true, codec.OpcodeText, squeeze(t, "\xff"+story(100))), 1007, deflate.ErrInvalidUTF8},
		"ratio":     {compressedFrame(true, codec.OpcodeBinary, squeeze(t, strings.Repeat("x", limit-1))), 0, nil},
		"announced": {compressedFrame(false, codec.OpcodeBinary, strings.Repeat("x", int(deflate.MaxCompressed(limit))+1)), 1009, nil},
		"RSV1 late": {compressedFrame(false, codec.OpcodeText, "") + compressedFrame(true, codec.OpcodeContinuation, ""), 1002, nil},
		"RSV1 ping": {compressedFrame(true, codec.OpcodePing, ""), 1002, nil},
	} {
		tr := newTrace()
		s := &Server{Deflate: &Deflate{}, MaxMessageBytes: limit, Events: tr.events()}
		m := newMemory(t, s)
		other, _ := m.openDeflate(t, tr, offer)
		c, _ := m.openDeflate(t, tr, offer)
		m.data(c.token, []byte(test.in))
		out := m.take(c.token)
		if test.code == 0 {
			if len(out) > 0 {
				t.Errorf("%s: sent % x", name, out)
			}
		} else if want := fmt.Sprintf("\x88\x02%c%c", test.code>>8, test.code&0xff); len(out) != 4 || out[2] != byte(test.code>>8) || out[3] != byte(test.code) {
			t.Errorf("%s: sent % x, want % x", name, out, want)
		}
		m.eof(c.token)
		if test.is != nil && !strings.Contains(strings.Join(tr.lines, "\n"), "deflate: ") {
			t.Errorf("%s: %q", name, tr.lines)
		}
		tr.lines = nil
		m.data(other.token, []byte(compressedFrame(true, codec.OpcodeText, squeeze(t, "unharmed"))))
		if len(tr.lines) != 1 || !strings.Contains(tr.lines[0], "unharmed") {
			t.Errorf("%s: the other connection got %q", name, tr.lines)
		}
	}
}

// With context takeover in both directions each message may refer to those before it, and memory is given back at the end.
func TestDeflateTakeover(t *testing.T) {
	tr := newTrace()
	s := &Server{Deflate: &Deflate{ServerContextTakeover: true, ClientContextTakeover: true}, Events: tr.events()}
	m := newMemory(t, s)
	c, agreed := m.openDeflate(t, tr, offer)
	if agreed != "permessage-deflate" {
		t.Errorf("agreed to %q", agreed)
	}
	text := `{"symbol":"WSLP","price":17.25,"volume":1200,"side":"buy","venue":"LOOP"}`
	var sizes []int
	var history []byte
	for range 3 {
		if _, err := c.SendText(text); err != nil {
			t.Fatal(err)
		}
		m.turn()
		out := m.take(c.token)
		h, n, _ := codec.ParseHeader(out)
		payload := out[n : n+int(h.PayloadLen)]
		if out[0] == 0xc1 {
			if got := expand(t, payload, history); got != text {
				t.Fatalf("got %q", got)
			}
			history = append(history, text...)
		}
		sizes = append(sizes, len(payload))
	}
	if sizes[2] > len(text)/4 {
		t.Errorf("messages of %d bytes take %d", len(text), sizes)
	}
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 9)
	for i := range 3 {
		b.Reset()
		io.WriteString(w, story(300))
		w.Flush()
		tr.lines = nil
		m.data(c.token, []byte(compressedFrame(true, codec.OpcodeText, strings.TrimSuffix(b.String(), "\x00\x00\xff\xff"))))
		if len(tr.lines) != 1 {
			t.Fatalf("message %d: %q", i, tr.lines)
		}
	}
	if s.windowBytes.Load() == 0 {
		t.Error("no windows are accounted for")
	}
	c.Abort()
	m.turn()
	m.engine.empty()
	if s.windowBytes.Load() != 0 {
		t.Errorf("%d bytes of windows are left", s.windowBytes.Load())
	}
}

// Beyond the cap no takeover is agreed.
func TestDeflateWindowsAreCapped(t *testing.T) {
	tr := newTrace()
	s := &Server{Deflate: &Deflate{ServerContextTakeover: true, ClientContextTakeover: true, MaxWindowBytes: 50_000}, Events: tr.events()}
	m := newMemory(t, s)
	_, first := m.openDeflate(t, tr, offer)
	c, second := m.openDeflate(t, tr, offer)
	_, third := m.openDeflate(t, tr, offer)
	if first != second || strings.Contains(second, "takeover") || !strings.Contains(third, "client_no_context_takeover") || !strings.Contains(third, "server_no_context_takeover") {
		t.Errorf("agreed to %q, %q, %q", first, second, third)
	}
	c.Abort()
	m.turn()
	if _, again := m.openDeflate(t, tr, offer); again != first {
		t.Errorf("after one has gone: %q", again)
	}
}

// A prepared message is compressed once for all who agreed, and goes plain to the others.
func TestDeflatePrepared(t *testing.T) {
	tr := newTrace()
	s := &Server{Deflate: &Deflate{ServerContextTakeover: true}, Events: tr.events()}
	m := newMemory(t, s)
	var agreed, taking, plain, narrow []Conn
	for range 5 {
		c, _ := m.openDeflate(t, tr, offer+"; server_no_context_takeover")
		agreed = append(agreed, c)
		c, _ = m.openDeflate(t, tr, offer)
		taking = append(taking, c)
		c, _ = m.openDeflate(t, tr)
		plain = append(plain, c)
		c, _ = m.openDeflate(t, tr, offer+"; server_no_context_takeover; server_max_window_bits=9")
		narrow = append(narrow, c)
	}
	text := story(2000)
	p := prepare(t, s, codec.OpcodeText, text)
	for _, c := range taking {
		if _, err := c.SendText(text); err != nil { // now its window holds something
			t.Fatal(err)
		}
	}
	m.turn()
	for _, c := range taking {
		m.take(c.token)
	}
	for i := range agreed {
		for _, c := range []Conn{agreed[i], taking[i], plain[i], narrow[i]} {
			sendPrepared(t, c, p)
		}
	}
	if n := len(m.engine.outbox.bytes); n > len(p.frame)+len(p.frame)/4 {
		t.Errorf("%d bytes in the outbox for a message of %d", n, len(p.frame))
	}
	m.turn()
	for i := range agreed {
		for name, c := range map[string]Conn{"agreed": agreed[i], "taking": taking[i]} {
			out := m.take(c.token)
			h, n, _ := codec.ParseHeader(out)
			if out[0] != 0xc1 || expand(t, out[n:n+int(h.PayloadLen)], nil) != text {
				t.Errorf("%s: begins with %#x", name, out[0])
			}
		}
		for _, c := range []Conn{plain[i], narrow[i]} {
			m.expectFrames(t, c, long("text", text))
		}
		// The next message must not refer to what the window held before the prepared one.
		if _, err := taking[i].SendText(text); err != nil {
			t.Fatal(err)
		}
		m.turn()
		out := m.take(taking[i].token)
		h, n, _ := codec.ParseHeader(out)
		if out[0] != 0xc1 || expand(t, out[n:n+int(h.PayloadLen)], nil) != text {
			t.Errorf("begins with %#x", out[0])
		}
	}
}

// Compress decides before all else, and what never becomes smaller is seldom tried.
func TestDeflateCompress(t *testing.T) {
	tr := newTrace()
	m := newMemory(t, &Server{Deflate: &Deflate{Threshold: 100}, Events: tr.events()})
	c, _ := m.openDeflate(t, tr, offer)
	for _, test := range []struct {
		text  string
		how   Compress
		first byte
	}{
		{story(100), CompressAuto, 0xc1},
		{story(99), CompressAuto, 0x81},
		{story(99), CompressAlways, 0xc1},
		{story(100), CompressNever, 0x81},
	} {
		if _, err := c.SendWith(codec.OpcodeText, []byte(test.text), Delivery{Compress: test.how}); err != nil {
			t.Fatal(err)
		}
		m.turn()
		if out := m.take(c.token); out[0] != test.first {
			t.Errorf("%d bytes, %d: begins with %#x", len(test.text), test.how, out[0])
		}
	}
	noise := make([]byte, 300)
	for i := range noise {
		noise[i] = byte(i*i*31 + i>>3*77)
	}
	for range 3 * probation {
		if _, err := c.Send(codec.OpcodeBinary, noise); err != nil {
			t.Fatal(err)
		}
	}
	if m.engine.tries == 0 {
		t.Error("messages that do not become smaller are tried each time")
	}
}

// Both roles: our own client offers, and what both send is compressed.
func TestDeflateDialed(t *testing.T) {
	for _, d := range []Deflate{{}, {ServerContextTakeover: true, ClientContextTakeover: true}, {Level: 6, ServerMaxWindowBits: 10, ClientMaxWindowBits: 9, ServerContextTakeover: true, ClientContextTakeover: true}} {
		s := serve(t, &Server{Deflate: &d, Events: Events{Message: echo}})
		s.open()
		got := make(chan string, 1)
		c, err := s.Server.Dial(context.Background(), "ws://"+s.addr+"/", &DialOptions{Deflate: true, Events: &Events{
			Message: func(_ Conn, _ codec.Opcode, payload []byte) { got <- string(payload) },
		}})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			text := fmt.Sprint(i, story(100*i))
			if _, err := c.SendText(text); err != nil {
				t.Fatal(err)
			}
			if back := await(t, got, "the echo"); back != text {
				t.Fatalf("%+v: message %d came back with %d bytes", d, i, len(back))
			}
		}
		c.loop.mu.Lock()
		flags := c.loop.sendingOf(c.token).flags
		c.loop.mu.Unlock()
		if flags&sendDeflates == 0 {
			t.Errorf("%+v: nothing was agreed", d)
		}
	}
	s := serve(t, &Server{})
	s.open()
	if _, err := s.Server.Dial(context.Background(), "ws://"+s.addr+"/", &DialOptions{Deflate: true}); !errors.Is(err, errDeflate) {
		t.Errorf("without Server.Deflate: %v", err)
	}
}

// What cannot be used is refused.
func TestDeflateConfig(t *testing.T) {
	for name, d := range map[string]Deflate{
		"Deflate.Level":          {Level: 10},
		"Deflate.Threshold":      {Threshold: -1},
		"Deflate.MaxRatio":       {MaxRatio: -1},
		"Deflate.MaxWindowBytes": {MaxWindowBytes: -1},
		"Deflate":                {ServerMaxWindowBits: 16},
	} {
		var wrong *ConfigError
		if _, err := (&Server{Deflate: &d}).options(); !errors.As(err, &wrong) || !strings.Contains(err.Error(), name) {
			t.Errorf("%+v: %v", d, err)
		}
	}
}

// Compressed messages cost no allocation where no context is taken over.
func TestDeflateAllocatesNothing(t *testing.T) {
	if raceBuild {
		t.Skip("the race detector empties a sync.Pool at random")
	}
	tr := newTrace()
	s := &Server{Deflate: &Deflate{}, Events: Events{Message: echo, Open: tr.events().Open}}
	m := newMemory(t, s)
	c, _ := m.openDeflate(t, tr, offer)
	in := []byte(compressedFrame(true, codec.OpcodeText, squeeze(t, story(1000))))
	piece := make([]byte, len(in))
	countAllocations(t, 1, func() {
		copy(piece, in)
		m.engine.Data(c.token, piece)
		m.turn()
		m.conns[c.token.Slot()].out = m.conns[c.token.Slot()].out[:0]
	})
}
