package engine

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/handshake"
)

// W59: in one turn a connection gets a bounded number of frames, however small they are, and the
// rest waits for its next one.
func TestFramesPerTurnW59(t *testing.T) {
	received := 0
	m := newMemory(t, &Server{Events: Events{Message: func(Conn, codec.Opcode, []byte) { received++ }}})
	c := m.open()
	in := []byte(strings.Repeat(masked(true, codec.OpcodeText, ""), 5*framesPerTurn/2))
	for turn, want := range []int{framesPerTurn, 2 * framesPerTurn, 5 * framesPerTurn / 2} {
		in = in[m.engine.Data(c, in):]
		if received != want {
			t.Errorf("%d frames after turn %d, want %d", received, turn+1, want)
		}
	}
	if len(in) > 0 {
		t.Errorf("%d bytes left", len(in))
	}
}

// W59: two connections flood one loop with empty frames, and a third still gets its echoes.
func TestFloodersDoNotStarveOthersW59(t *testing.T) {
	t.Parallel()
	const exchanges = 50
	var flood atomic.Int64
	s := serve(t, &Server{Loops: 1, Events: Events{
		Upgrade: func(c Conn, r *handshake.Request, _ *handshake.Response) { c.SetData(string(r.Path())) },
		Message: func(c Conn, op codec.Opcode, payload []byte) {
			if len(payload) == 0 {
				flood.Add(1)
				return
			}
			echo(c, op, payload)
		},
	}})
	frames := []byte(strings.Repeat(masked(true, codec.OpcodeBinary, ""), 10_000))
	stop := make(chan struct{})
	ended := make(chan struct{})
	for range 2 {
		c := s.open()
		go func() {
			defer func() { ended <- struct{}{} }()
			for {
				select {
				case <-stop:
					return
				default:
					c.Write(frames)
				}
			}
		}()
	}
	c := s.open()
	for range exchanges {
		c.send(codec.OpcodeText, "hello")
		c.expect(codec.OpcodeText, "hello")
	}
	close(stop)
	<-ended
	<-ended
	if flood.Load() < 100*exchanges {
		t.Errorf("the flood was %d frames", flood.Load())
	}
}

// W54: one of many receivers of a broadcast does not read. The sender is not held up, the others get
// everything, and what the slow one misses is reported to the sender.
func TestBroadcastWithAStalledReceiverW54(t *testing.T) {
	const receivers, messages = 100, 50
	tr := newTrace()
	s := &Server{MaxBufferedBytes: 1000, Overflow: Overflow{Policy: OverflowDropNewest}, Events: tr.events()}
	m := newMemory(t, s)
	var all []Conn
	for range receivers {
		all = append(all, m.conn(tr))
	}
	stalled := all[7]
	m.conns[stalled.token.Slot()].stalled = true
	payload, refused := strings.Repeat("x", 98), 0
	for range messages {
		for _, c := range all {
			if _, err := c.SendText(payload); err != nil {
				refused++
				if c != stalled || !errors.Is(err, ErrBufferFull) {
					t.Errorf("%v: %v", c, err)
				}
			}
		}
		m.turn()
	}
	m.drain(stalled.token)
	for _, c := range all {
		want := 100 * messages
		if c == stalled {
			want -= 100 * refused
		}
		if n := len(m.take(c.token)); n != want {
			t.Errorf("%v received %d bytes, want %d", c, n, want)
		}
	}
	// The first is in the driver's queue. Each of the others counts 64 bytes more, and a new one with the longest
	// header: there is room for five.
	if refused != messages-6 || s.Stats().BufferFull != uint64(refused) {
		t.Errorf("%d messages refused, %d counted", refused, s.Stats().BufferFull)
	}
}
