package engine

import (
	"errors"
	"net"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
)

// openSlow is open for a peer that takes little before it is read: as much as two segments of the loopback
// interface, without which TCP gets nowhere.
func (r *running) openSlow() *client {
	r.t.Helper()
	c := r.open()
	if err := c.Conn.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
		r.t.Fatal(err)
	}
	return c
}

// numberOf is the number of a message that payloadOf made.
func numberOf(t testing.TB, f frame) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(string(f.payload)))
	if err != nil || f.op != codec.OpcodeText || !f.fin || len(f.payload) != 100 {
		t.Fatalf("got %v, %v", f, err)
	}
	return n
}

// slowSocket is a server with one connection, whose peer does not read.
type slowSocket struct {
	*running
	peer    *client
	c       Conn
	closed  chan Closure
	drained chan struct{}
	next    int // number of the next message
	dropped int // messages that gave way, as Send told
}

func newSlowSocket(t *testing.T, s *Server) *slowSocket {
	t.Helper()
	ss := &slowSocket{closed: make(chan Closure, 1), drained: make(chan struct{}, 1000)}
	opened := make(chan Conn, 1)
	s.Loops = 1
	s.Events = Events{
		Open:    func(c Conn) { opened <- c },
		Drained: func(Conn) { ss.drained <- struct{}{} },
		Close:   func(_ Conn, how Closure) { ss.closed <- how },
	}
	ss.running = serve(t, s)
	ss.peer = ss.openSlow()
	ss.c = await(t, opened, "Open")
	return ss
}

// flood sends messages until one has an outcome that enough accepts. A burst that the loop has not yet tried to
// write is no sign of a slow peer: it gets its time.
func (ss *slowSocket) flood(d func(i int) Delivery, enough func(Sent, error) bool) (Sent, error) {
	ss.t.Helper()
	burst := ss.settings.maxBuffered / 2
	for start := time.Now(); time.Since(start) < patience; {
		if ss.c.Buffered() > burst && ss.waiting() == 0 {
			runtime.Gosched()
			continue
		}
		sent, err := ss.c.SendWith(codec.OpcodeText, []byte(payloadOf(ss.next)), d(ss.next))
		if err == nil {
			ss.next++
			ss.dropped += sent.Dropped
		}
		if enough(sent, err) {
			return sent, err
		}
		if err != nil && !errors.Is(err, ErrBufferFull) {
			ss.t.Fatal(err)
		}
	}
	ss.t.Fatal("the peer never was slow")
	return Sent{}, nil
}

func plainly(int) Delivery { return Delivery{} }

// isSlow says whether the driver's queue held bytes after a flush.
func isSlow(c Conn) bool {
	c.loop.mu.Lock()
	defer c.loop.mu.Unlock()
	s := c.loop.sendingOf(c.token)
	return s != nil && s.flags&sendSlow != 0
}

// waiting is the number of messages in the backlog, if the peer is slow.
func (ss *slowSocket) waiting() int {
	l := ss.c.loop
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sendingOf(ss.c.token)
	if s == nil || s.flags&sendSlow == 0 {
		return 0
	}
	return l.backlogs[s.backlog].frames
}

// stall sends until so many messages wait for a slow peer.
func (ss *slowSocket) stall(messages int) {
	ss.t.Helper()
	ss.flood(plainly, func(Sent, error) bool { return ss.waiting() >= messages })
}

// A peer that does not read is closed, with what it can still read and the Close frame, once too much waits.
func TestOverflowCloseOverASocket(t *testing.T) {
	t.Parallel()
	for _, code := range []codec.StatusCode{codec.StatusTryAgainLater, codec.StatusPolicyViolation} {
		ss := newSlowSocket(t, &Server{MaxBufferedBytes: 64 << 10, CloseTimeout: never, Overflow: Overflow{Code: code}})
		sent, err := ss.flood(plainly, func(_ Sent, err error) bool { return errors.Is(err, ErrTooSlow) })
		stats := ss.Stats()
		if !errors.Is(err, ErrTooSlow) || stats.TooSlow != 1 || stats.DroppedTooSlow != uint64(sent.Dropped) || sent.Dropped == 0 {
			t.Errorf("%+v, %v: %+v", sent, err, stats)
		}
		for i := range ss.next - sent.Dropped {
			if n := numberOf(t, ss.peer.read()); n != i {
				t.Fatalf("message %d, want %d", n, i)
			}
		}
		ss.peer.expectClose(code)
		ss.peer.expectEOF()
		ss.peer.Close()
		if how := await(t, ss.closed, "Close"); !errors.Is(how.Err, ErrTooSlow) || how.Code != codec.StatusAbnormalClosure {
			t.Errorf("closed with %+v", how)
		}
	}
}

// Under the other policies it stays, and what it reads in the end is what the counters say.
func TestOverflowOverASocket(t *testing.T) {
	t.Parallel()
	const rounds = 500
	byKey := func(i int) Delivery { return Delivery{Key: strconv.Itoa(i % 10)} }
	for policy, delivery := range map[OverflowPolicy]func(int) Delivery{
		OverflowDropNewest: plainly, OverflowDropOldest: plainly, OverflowKeepLatest: byKey,
	} {
		t.Run(policy.String(), func(t *testing.T) {
			t.Parallel()
			const limit = 256 << 10
			ss := newSlowSocket(t, &Server{MaxBufferedBytes: limit, Overflow: Overflow{Policy: policy}})
			ss.stall(100)
			refused := 0
			ss.flood(delivery, func(_ Sent, err error) bool {
				if err != nil {
					refused++
				}
				if n := ss.c.Buffered(); n > limit {
					t.Fatalf("%d bytes buffered", n)
				}
				return refused+ss.dropped >= rounds
			})
			ss.expectRest(policy)
			stats := ss.Stats()
			if own, err := ss.c.Stats(); err != nil || uint64(own.Dropped) != stats.BufferFull+stats.DroppedOldest+stats.Replaced {
				t.Errorf("%+v, %v; %+v", own, err, stats)
			}
			if int(stats.DroppedOldest+stats.Replaced) != ss.dropped || int(stats.BufferFull) < refused || stats.TooSlow != 0 {
				t.Errorf("%d refused and %d dropped: %+v", refused, ss.dropped, stats)
			}
			if (stats.Replaced > 0) != (policy == OverflowKeepLatest) {
				t.Errorf("%d replaced", stats.Replaced)
			}
			await(t, ss.drained, "Drained")
		})
	}
}

// expectRest reads all that was not dropped. The last has to be there, and without keys they are in
// order.
func (ss *slowSocket) expectRest(policy OverflowPolicy) {
	ss.t.Helper()
	seen := make(map[int]bool)
	last := -1
	for range ss.next - ss.dropped {
		n := numberOf(ss.t, ss.peer.read())
		if seen[n] || policy != OverflowKeepLatest && n <= last {
			ss.t.Fatalf("message %d after %d", n, last)
		}
		seen[n], last = true, n
	}
	if !seen[ss.next-1] {
		ss.t.Errorf("the last message did not arrive")
	}
	if _, err := ss.c.SendText("the end"); err != nil {
		ss.t.Error(err)
	}
	ss.peer.expect(codec.OpcodeText, "the end")
}
