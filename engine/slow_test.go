package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

// slowTest is a connection whose peer does not read. It has begun a frame, of which the peer
// has read a part, so all that is sent now waits in the backlog.
type slowTest struct {
	*testing.T
	*memory
	server  *Server
	trace   *trace
	c       Conn
	want    []string // what the peer is going to receive
	queued  int      // bytes that wait
	drained int      // calls of Events.Drained
}

// begunBytes is what is left of the begun frame, and messageBytes the frame of each further message.
const (
	begunBytes   = 60
	messageBytes = 102
	messageCost  = messageBytes + itemBytes
)

// roomFor is a MaxBufferedBytes with room for so many messages behind the begun frame, with
// the longest header for the last.
func roomFor(messages int) int {
	return begunBytes + messages*messageCost + codec.MaxHeaderLen - codec.HeaderLen(100)
}

func newSlowTest(t *testing.T, s *Server) *slowTest {
	t.Helper()
	st := &slowTest{T: t, server: s, trace: newTrace()}
	s.Events = st.trace.events()
	s.Events.Drained = func(Conn) { st.drained++ }
	st.memory = newMemory(t, s)
	st.c = st.conn(st.trace)
	st.stall()
	return st
}

// stall makes the peer slow.
func (st *slowTest) stall() {
	st.Helper()
	st.conns[st.c.token.Slot()].stalled = true
	begun := strings.Repeat("#", messageBytes-2)
	if sent, err := st.c.SendText(begun); err != nil || sent != (Sent{}) {
		st.Fatalf("%+v, %v", sent, err)
	}
	st.turn()
	st.progress(st.c.token, messageBytes-begunBytes)
	st.expectMessage(begun)
	st.queued = begunBytes
}

func (st *slowTest) expectMessage(payload string) {
	st.want = append(st.want, frame{true, codec.OpcodeText, []byte(payload)}.String())
}

// payload is of the length that makes a frame of messageBytes.
func payloadOf(n int) string { return fmt.Sprintf("%-100d", n) }

// queue sends messages first to last, which are taken.
func (st *slowTest) queue(first, last int) {
	st.Helper()
	for i := first; i <= last; i++ {
		sent, err := st.c.SendText(payloadOf(i))
		st.queued += messageBytes
		if err != nil || sent != (Sent{Queued: st.queued}) {
			st.Fatalf("message %d: %+v, %v; want %d queued", i, sent, err, st.queued)
		}
	}
	st.expectBuffered()
}

func (st *slowTest) expectBuffered() {
	st.Helper()
	if n := st.c.Buffered(); n != st.queued {
		st.Errorf("%d bytes buffered, want %d", n, st.queued)
	}
}

// expect lets the peer read all, which must be these messages behind the begun one.
func (st *slowTest) expect(messages ...int) {
	st.Helper()
	for _, i := range messages {
		st.expectMessage(payloadOf(i))
	}
	st.drain(st.c.token)
	st.turn() // for what Drained sends
	st.expectFrames(st, st.c, st.want...)
	st.want, st.queued = nil, 0
	st.expectBuffered()
}

// refused checks a Send that changed nothing but the counters.
func (st *slowTest) refused(sent Sent, err, want error) {
	st.Helper()
	if !errors.Is(err, want) || sent != (Sent{}) {
		st.Errorf("%+v, %v; want %v", sent, err, want)
	}
	st.expectBuffered()
}

// counts compares the counters of messages and policies.
func (st *slowTest) counts(want Stats) {
	st.Helper()
	got := st.server.Stats()
	got = Stats{
		BufferFull: got.BufferFull, DroppedOldest: got.DroppedOldest, Replaced: got.Replaced, Expired: got.Expired,
		TooSlow: got.TooSlow, DroppedTooSlow: got.DroppedTooSlow, RefusedSends: got.RefusedSends,
	}
	if got != want {
		st.Errorf("counters %+v\nwant     %+v", got, want)
	}
}

// dropped compares what the connection counts.
func (st *slowTest) dropped(want int) {
	st.Helper()
	if stats, err := st.c.Stats(); err != nil || stats.Dropped != want || stats.Buffered != st.queued {
		st.Errorf("%+v, %v; want %d dropped and %d buffered", stats, err, want, st.queued)
	}
}
