package engine

import (
	"bytes"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
)

// Limits on messages fail as soon as the bytes show it: the payload need not come.
func TestMessageLimits(t *testing.T) {
	for name, test := range map[string]struct {
		in   string
		want string
	}{
		"1009 by a header alone": {string(codec.AppendMaskedHeader(nil, true, codec.OpcodeBinary, 101, 1)), "[close 1009]"},
		"1009 by the second":     {masked(false, codec.OpcodeBinary, strings.Repeat("a", 100)) + "\x80\x81", "[close 1009]"},
		"fits":                   {masked(true, codec.OpcodeText, strings.Repeat("a", 100)), fmt.Sprintf("[text %q]", strings.Repeat("a", 100))},
		"1008 by a first byte":   {masked(false, codec.OpcodeText, "a") + masked(false, codec.OpcodeContinuation, "b") + "\x80", "[close 1008]"},
	} {
		s := &Server{MaxMessageBytes: 100, MaxFragments: 2, Events: Events{Message: echo}}
		m := newMemory(t, s)
		c := m.open()
		m.data(c, []byte(test.in))
		if got := fmt.Sprint(wireEvents(append([]byte("\r\n\r\n"), m.take(c)...))); got != test.want {
			t.Errorf("%s: sent %s, want %s", name, got, test.want)
		}
		if failed := name != "fits"; failed != (s.Stats().ProtocolErrors == 1) {
			t.Errorf("%s: %d protocol errors", name, s.Stats().ProtocolErrors)
		}
	}
}

// The defaults are those of the table in options.go.
func TestDefaultLimits(t *testing.T) {
	for want, in := range map[string]string{
		"[]":           string(codec.AppendMaskedHeader(nil, true, codec.OpcodeBinary, 1<<20, 1)),
		"[close 1009]": string(codec.AppendMaskedHeader(nil, true, codec.OpcodeBinary, 1<<20+1, 1)),
		"[close 1008]": masked(false, codec.OpcodeText, "") + strings.Repeat(masked(false, codec.OpcodeContinuation, ""), 65535) + "\x00",
	} {
		m := newMemory(t, &Server{})
		c := m.open()
		m.data(c, []byte(in))
		if got := fmt.Sprint(wireEvents(append([]byte("\r\n\r\n"), m.take(c)...))); got != want {
			t.Errorf("sent %s, want %s", got, want)
		}
	}
	m := newMemory(t, &Server{})
	c := m.accept()
	m.pass(DefaultHandshakeTimeout - time.Millisecond)
	if m.over(c) {
		t.Error("the handshake timeout came early")
	}
	m.pass(2 * tick)
	if !m.over(c) {
		t.Error("the handshake timeout did not come")
	}
}

// W48: announced bytes reserve no memory, whatever the limit.
func TestAnnouncedLengthReservesNothingW48(t *testing.T) {
	for _, length := range []int{1 << 20, math.MaxInt32, math.MaxInt} {
		m := newMemory(t, &Server{MaxMessageBytes: math.MaxInt64, Events: Events{Message: echo}})
		c := m.open()
		in := append(codec.AppendMaskedHeader(nil, true, codec.OpcodeBinary, length, 1), "0123456789"...)
		m.data(m.open(), in) // makes what every loop has once
		in = append(codec.AppendMaskedHeader(nil, true, codec.OpcodeBinary, length, 1), "0123456789"...)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m.data(c, in)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 4<<10 {
			t.Errorf("%d bytes allocated for %d announced", n, length)
		}
	}
}

// W48: what one connection can make the engine keep is a message, a write queue and little more; and
// all of it is given back when the connection is closed.
func TestMemoryOfOneConnectionW48(t *testing.T) {
	const limit = 1 << 20
	m := newMemory(t, &Server{MaxMessageBytes: limit, MaxBufferedBytes: limit, Events: Events{Message: echo}})
	c := m.open()
	idle := heapBytes()
	m.conns[c.Slot()].stalled = true
	for range 100 {
		m.data(c, []byte(masked(true, codec.OpcodeBinary, make([]byte, 50_000))))
		m.data(c, []byte(masked(true, codec.OpcodePing, strings.Repeat("p", 125))))
	}
	m.data(c, codec.AppendMaskedHeader(nil, true, codec.OpcodeBinary, limit, 1))
	m.data(c, make([]byte, limit-1))
	for range 40 { // the pools give half of what lies unused back at every tick
		m.pass(250 * time.Millisecond)
	}
	queued := uint64(cap(m.conns[c.Slot()].queue))
	if held := heapBytes() - idle; held > limit+64<<10+queued || queued > 2*limit {
		t.Errorf("one connection holds %d bytes, %d of them in its write queue", held, queued)
	}
	m.Close(c, nil)
	m.turn()
	for range 40 {
		m.pass(250 * time.Millisecond)
	}
	m.take(c)
	if held := int64(heapBytes()) - int64(idle); held > 64<<10 {
		t.Errorf("%d bytes are held after the connection was closed", held)
	}
	runtime.KeepAlive(m)
}

// What a burst took is given back by the ticks that follow.
func TestBurstIsNotKept(t *testing.T) {
	page := make([]byte, 8<<20)
	m := newMemory(t, &Server{
		MaxBufferedBytes: math.MaxInt32, MaxMessageBytes: math.MaxInt64,
		Events: Events{Message: echo, Plain: func(_ *handshake.Request, p *Page) { p.Body = page }},
	})
	c := m.open()
	idle := heapBytes()
	m.request(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	m.data(c, codec.AppendMaskedFrame(nil, true, codec.OpcodeBinary, page, 1))
	if sent := m.take(c); len(sent) != 10+len(page) {
		t.Errorf("the echo is %d bytes", len(sent))
	}
	for range 40 {
		m.pass(250 * time.Millisecond)
	}
	if held := int64(heapBytes()) - int64(idle); held > 512<<10 {
		t.Errorf("%d bytes are held", held)
	}
	runtime.KeepAlive(m)
}

// A message that failed half-way is let go at once, though the peer takes its time to leave.
func TestFailureReleasesTheMessage(t *testing.T) {
	m := newMemory(t, &Server{CloseTimeout: never, Events: Events{Message: echo}})
	c := m.open()
	idle := heapBytes()
	m.data(c, codec.AppendMaskedHeader(nil, true, codec.OpcodeText, 1<<20, 0))
	m.data(c, bytes.Repeat([]byte("a"), 1<<20-10))
	m.data(c, []byte("\xff"))
	if !m.over(c) || m.gone(c) {
		t.Fatalf("over %t, gone %t", m.over(c), m.gone(c))
	}
	for range 40 {
		m.pass(250 * time.Millisecond)
	}
	if held := int64(heapBytes()) - int64(idle); held > 64<<10 {
		t.Errorf("%d bytes are held", held)
	}
	runtime.KeepAlive(m)
}

// W50: many connections hold a message in pieces each, all at once. When the messages are done the
// connections cost no more than if they had never come.
func TestBuffersGoBackW50(t *testing.T) {
	const conns, length = 200, 100_000
	m := newMemory(t, &Server{})
	var all []poller.Token
	for range conns {
		all = append(all, m.open())
	}
	idle := heapBytes()
	for _, part := range []int{0, length / 2, length - length/2} {
		for _, c := range all {
			if part == 0 {
				m.data(c, codec.AppendMaskedHeader(nil, true, codec.OpcodeBinary, length, 1))
			}
			m.data(c, make([]byte, part))
		}
	}
	for range 60 {
		m.pass(250 * time.Millisecond)
	}
	if held := int64(heapBytes()) - int64(idle); held > 256<<10 {
		t.Errorf("%d connections hold %d bytes", conns, held)
	}
	runtime.KeepAlive(m)
}

// W51: fifty connections hold open messages of very many one-byte fragments. Less than two bytes are
// kept for each received, and one fragment over the limit is answered with 1008.
func TestManyFragmentsW51(t *testing.T) {
	const conns, fragments = 50, DefaultMaxFragments
	driver := &idleDriver{}
	l := newEngineLoop(t, &Server{}, driver)
	before := heapBytes()
	fragment := []byte(masked(false, codec.OpcodeContinuation, "x"))
	in := make([]byte, 0, 1024*len(fragment))
	for range conns {
		c := driver.open(l, []byte(head("/")))
		l.Data(c, []byte(masked(false, codec.OpcodeBinary, "x")))
		for left := fragments - 1; left > 0; {
			in = in[:0]
			for range min(left, 1024) {
				in = append(in, fragment...)
				left--
			}
			if n := l.Data(c, in); n != len(in) {
				t.Fatalf("%d of %d bytes consumed", n, len(in))
			}
		}
	}
	received := conns * fragments * len(fragment)
	if held := heapBytes() - before; held > 2*uint64(received) {
		t.Errorf("%d bytes are held for %d received", held, received)
	}
	if n := l.server.Stats().ProtocolErrors; n != 0 {
		t.Errorf("%d failures at the limit", n)
	}
	for slot := range uint32(conns) {
		l.Data(l.tokenOf(slot), append([]byte(nil), fragment...))
	}
	if n := l.server.Stats().ProtocolErrors; n != conns {
		t.Errorf("%d failures beyond the limit, want %d", n, conns)
	}
}
