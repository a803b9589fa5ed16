package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

// W65: many goroutines send to one connection. Frames are not interleaved, and the messages of each
// goroutine come in its order.
func TestSendFromManyGoroutinesW65(t *testing.T) {
	t.Parallel()
	const senders, messages = 64, 100
	opened := make(chan Conn, 1)
	s := serve(t, &Server{Events: Events{Open: func(c Conn) { opened <- c }}})
	c := s.open()
	to := await(t, opened, "Open")
	var all sync.WaitGroup
	for sender := range senders {
		all.Go(func() {
			payload := make([]byte, 16+sender*20)
			for i := range messages {
				binary.BigEndian.PutUint64(payload, uint64(sender))
				binary.BigEndian.PutUint64(payload[8:], uint64(i))
				for j := 16; j < len(payload); j++ {
					payload[j] = byte(sender)
				}
				for {
					_, err := to.Send(codec.OpcodeBinary, payload)
					if err == nil {
						break
					}
					if !errors.Is(err, ErrBufferFull) {
						t.Error(err)
						return
					}
				}
				clear(payload) // W66: what is sent is what the buffer held at the call
			}
		})
	}
	var next [senders]uint64
	for range senders * messages {
		f := c.read()
		sender, i := binary.BigEndian.Uint64(f.payload), binary.BigEndian.Uint64(f.payload[8:])
		if f.op != codec.OpcodeBinary || !f.fin || sender >= senders || len(f.payload) != 16+int(sender)*20 {
			t.Fatalf("got %v", f)
		}
		if strings.Trim(string(f.payload[16:]), string([]byte{byte(sender)})) != "" || i != next[sender] {
			t.Fatalf("sender %d: message %d, want %d: %v", sender, i, next[sender], f)
		}
		next[sender]++
	}
	all.Wait()
}

// W66: the caller may change the buffer as soon as Send has returned.
func TestSendCopiesW66(t *testing.T) {
	tr := newTrace()
	m := newMemory(t, &Server{Events: tr.events()})
	c := m.conn(tr)
	b := []byte("one")
	_, _ = c.Send(codec.OpcodeText, b)
	copy(b, "two")
	_ = c.Ping(b)
	copy(b, "six")
	w, err := c.NewWriter(codec.OpcodeBinary)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write(b)
	clear(b)
	m.turn()
	m.expectFrames(t, c, `text fin=true of 3 bytes "one"`, `ping fin=true of 3 bytes "two"`, `binary fin=false of 3 bytes "six"`)
}

// W69: every length form, the limit, and one byte over it.
func TestSendLengthsW69(t *testing.T) {
	const limit = 1 << 20
	tr := newTrace()
	s := &Server{MaxBufferedBytes: limit, Events: tr.events()}
	m := newMemory(t, s)
	c := m.conn(tr)
	for _, n := range []int{0, 1, 125, 126, 127, math.MaxUint16, math.MaxUint16 + 1, limit - codec.MaxHeaderLen} {
		payload := strings.Repeat("x", n)
		if _, err := c.SendText(payload); err != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
		m.turn()
		all, err := frames(m.take(c.token))
		if err != nil || len(all) != 1 || all[0].op != codec.OpcodeText || !all[0].fin || string(all[0].payload) != payload {
			t.Errorf("%d bytes: sent %v, %v", n, all, err)
		}
	}
	tooLong := []int{limit - codec.MaxHeaderLen + 1, limit}
	if math.MaxInt > math.MaxInt32 && !raceBuild { // 2 GiB that nobody touches
		huge := math.MaxInt32
		tooLong = append(tooLong, huge+1)
	}
	for _, n := range tooLong {
		if _, err := c.Send(codec.OpcodeBinary, make([]byte, n)); !errors.Is(err, ErrBufferFull) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	m.turn()
	m.expectFrames(t, c)
	if n := s.Stats().BufferFull; n != uint64(len(tooLong)) {
		t.Errorf("BufferFull is %d after %d refusals", n, len(tooLong))
	}
}

// A peer that does not read: what waits has a limit, Buffered tells it exactly, pongs are left out
// but for the latest, and when the peer reads again everything that was accepted arrives in order.
func TestBufferLimit(t *testing.T) {
	const message, limit = 1000, 10_000
	tr := newTrace()
	s := &Server{MaxBufferedBytes: limit, Overflow: Overflow{Policy: OverflowDropNewest}, Events: tr.events()}
	m := newMemory(t, s)
	c := m.conn(tr)
	m.conns[c.token.Slot()].stalled = true
	var want []string
	waiting := 0
	for i := 0; ; i++ {
		payload := strings.Repeat(string(rune('a'+i)), message)
		_, err := c.SendText(payload)
		if errors.Is(err, ErrBufferFull) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, frame{true, codec.OpcodeText, []byte(payload)}.String())
		waiting += codec.HeaderLen(message) + message
		if i%3 == 0 {
			m.turn() // some wait in the driver's queue, some in the outbox
		}
		if n := c.Buffered(); n != waiting {
			t.Fatalf("%d bytes buffered, want %d", n, waiting)
		}
	}
	if waiting <= limit-message-codec.MaxHeaderLen-10*itemBytes || waiting > limit {
		t.Errorf("refused at %d bytes with a limit of %d", waiting, limit)
	}
	m.turn()
	// The pongs overtake the messages, as far as there is room for them.
	const pings = 60
	for i := range pings {
		m.data(c.token, []byte(masked(true, codec.OpcodePing, strings.Repeat(string(rune('0'+i)), 125))))
	}
	pongs := 0
	if n := c.Buffered(); n > limit+controlBytes {
		t.Errorf("%d bytes buffered", n)
	}
	m.drain(c.token)
	both, err := frames(m.take(c.token))
	var all []frame
	last := frame{}
	for _, f := range both {
		if f.op == codec.OpcodePong {
			last, pongs = f, pongs+1
		} else {
			all = append(all, f)
		}
	}
	if string(last.payload) != strings.Repeat(string(rune('0'+pings-1)), 125) || both[len(both)-1].op != codec.OpcodePong {
		t.Errorf("the latest ping is not answered, or not in its place, but %s sent", last)
	}
	if got := fmt.Sprint(all); err != nil || got != fmt.Sprint(want) {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
	if full := s.Stats().BufferFull; pongs < 20 || pongs+int(full) != pings+1+1 {
		t.Errorf("%d pongs, and %d refusals with that of the message", pongs, full)
	}
	if n := c.Buffered(); n != 0 {
		t.Errorf("%d bytes buffered after all was read", n)
	}
	if _, err := c.SendText("again"); err != nil {
		t.Error(err)
	}
}

// What is being written still counts: nobody gets past the limit in the middle of a flush, and what
// is sent then goes out with the next one.
func TestBufferLimitWhileFlushing(t *testing.T) {
	tr := newTrace()
	m := newMemory(t, &Server{MaxBufferedBytes: 100, Events: tr.events()})
	c := m.conn(tr)
	_, _ = c.SendText(strings.Repeat("a", 60))
	m.writing = func() {
		m.writing = nil
		if n := c.Buffered(); n != 62 {
			t.Errorf("%d bytes buffered", n)
		}
		if _, err := c.SendText(strings.Repeat("b", 60)); !errors.Is(err, ErrBufferFull) {
			t.Errorf("a second message: %v", err)
		}
		if _, err := c.SendText("short"); err != nil {
			t.Error(err)
		}
	}
	m.turn()
	m.expectFrames(t, c, frame{true, codec.OpcodeText, []byte(strings.Repeat("a", 60))}.String())
	m.turn()
	m.expectFrames(t, c, `text fin=true of 5 bytes "short"`)
}

// W68: what must not stand in a Close frame is refused, and nothing is sent.
func TestCloseRefusesWhatMustNotBeSentW68(t *testing.T) {
	tr := newTrace()
	m := newMemory(t, &Server{Events: tr.events()})
	c := m.conn(tr)
	for _, code := range []codec.StatusCode{0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535} {
		if err := c.Close(code, ""); !errors.Is(err, codec.ErrStatusCode) {
			t.Errorf("code %d: %v", code, err)
		}
	}
	if err := c.Close(1000, strings.Repeat("x", 124)); !errors.Is(err, codec.ErrReasonTooLong) {
		t.Errorf("reason of 124 bytes: %v", err)
	}
	if err := c.Close(1000, "\xff"); !errors.Is(err, codec.ErrInvalidUTF8) {
		t.Errorf("reason not UTF-8: %v", err)
	}
	m.turn()
	m.expectFrames(t, c)
	if _, err := c.SendText("open"); err != nil {
		t.Error(err)
	}
	if err := c.Close(4999, strings.Repeat("x", 123)); err != nil {
		t.Error(err)
	}
	m.turn()
	m.expectFrames(t, c, `text fin=true of 4 bytes "open"`, fmt.Sprintf("close 4999 %q", strings.Repeat("x", 123)))
}

// What Send and Ping do not take.
func TestSendRefusesOpcodesAndLongControlFrames(t *testing.T) {
	tr := newTrace()
	m := newMemory(t, &Server{Events: tr.events()})
	c := m.conn(tr)
	for op := range codec.Opcode(16) {
		if op == codec.OpcodeText || op == codec.OpcodeBinary {
			continue
		}
		if _, err := c.Send(op, nil); !errors.Is(err, ErrOpcode) {
			t.Errorf("Send of %v: %v", op, err)
		}
		if _, err := c.NewWriter(op); !errors.Is(err, ErrOpcode) {
			t.Errorf("NewWriter of %v: %v", op, err)
		}
	}
	for _, send := range []func([]byte) error{c.Ping, c.Pong} {
		if err := send(make([]byte, 126)); !errors.Is(err, ErrControlTooLong) {
			t.Errorf("126 bytes: %v", err)
		}
		if err := send(make([]byte, 125)); err != nil {
			t.Errorf("125 bytes: %v", err)
		}
	}
	m.turn()
	if all, err := frames(m.take(c.token)); err != nil || len(all) != 2 || len(all[1].payload) != 125 {
		t.Errorf("sent %v, %v", all, err)
	}
}

// W111: a pong with another payload than the ping's is handed up as it is, and the connection stays.
func TestPongW111(t *testing.T) {
	tr := newTrace()
	m := newMemory(t, &Server{Events: tr.events()})
	c := m.conn(tr)
	_ = c.Ping([]byte("a"))
	_ = c.Pong([]byte("b"))
	m.turn()
	m.expectFrames(t, c, `ping fin=true of 1 bytes "a"`, `pong fin=true of 1 bytes "b"`)
	m.data(c.token, []byte(masked(true, codec.OpcodePong, "other")+masked(true, codec.OpcodePong, "")))
	tr.expect(t, "pong other", "pong ")
}

// One callback sends to two connections in turns, more often than one writev takes pieces.
func TestInterleavedSendsKeepTheirOrder(t *testing.T) {
	t.Parallel()
	const messages = 1000
	var pair []Conn // used on the one loop alone
	s := serve(t, &Server{Loops: 1, Events: Events{
		Open: func(c Conn) { pair = append(pair, c) },
		Message: func(Conn, codec.Opcode, []byte) {
			for i := range messages {
				_, _ = pair[0].SendText(fmt.Sprint(i))
				_, _ = pair[1].SendText(fmt.Sprint(-i))
			}
		},
	}})
	a, b := s.open(), s.open()
	a.send(codec.OpcodeText, "go")
	for i := range messages {
		a.expect(codec.OpcodeText, fmt.Sprint(i))
		b.expect(codec.OpcodeText, fmt.Sprint(-i))
	}
}
