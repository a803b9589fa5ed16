package engine

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
)

// wait runs f on another goroutine, and returns once it waits for room.
func (st *slowTest) wait(f func() error) <-chan error {
	st.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	for start := time.Now(); !st.waitedFor(); runtime.Gosched() {
		select {
		case err := <-done:
			st.Fatalf("returned %v instead of waiting", err)
		default:
		}
		if time.Since(start) > patience {
			st.Fatal("nobody waits")
		}
	}
	return done
}

// waitedFor says whether anybody waits for room.
func (st *slowTest) waitedFor() bool {
	l := st.engine
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sendingOf(st.c.token)
	return s.backlog != 0 && l.backlogs[s.backlog].room != nil
}

func (st *slowTest) sendWait(ctx context.Context, i int) func() error {
	return func() error { return st.c.SendWait(ctx, codec.OpcodeText, []byte(payloadOf(i))) }
}

// SendWait waits until there is room, under every policy: nothing is dropped for it, and nobody closed.
func TestSendWait(t *testing.T) {
	for policy := OverflowClose; policy <= OverflowKeepLatest; policy++ {
		st := newSlowTest(t, &Server{MaxBufferedBytes: roomFor(3), Overflow: Overflow{Policy: policy}})
		st.queue(1, 2)
		if err := st.sendWait(t.Context(), 3)(); err != nil {
			t.Fatal(err)
		}
		st.queued += messageBytes
		done := st.wait(st.sendWait(t.Context(), 4))
		st.turn()
		if st.progress(st.c.token, 1); !st.stillWaits(done) {
			t.Errorf("%v: there is no room yet", policy)
		}
		st.read(begunBytes - 1)
		if err := await(t, done, "SendWait"); err != nil {
			t.Error(err)
		}
		st.expect(1, 2, 3, 4)
		st.counts(Stats{})
	}
}

// stillWaits says whether what was woken waits again.
func (st *slowTest) stillWaits(done <-chan error) bool {
	for start := time.Now(); !st.waitedFor(); runtime.Gosched() {
		if len(done) > 0 || time.Since(start) > patience {
			return false
		}
	}
	return true
}

// A message that could not fit into an empty buffer is not waited for, nor is one that may not be sent.
func TestSendWaitDoesNotWaitInVain(t *testing.T) {
	st := newSlowTest(t, &Server{MaxBufferedBytes: roomFor(3)})
	st.queue(1, 3)
	ctx := t.Context()
	if err := st.c.SendWait(ctx, codec.OpcodeText, make([]byte, roomFor(3)-itemBytes)); !errors.Is(err, ErrBufferFull) {
		t.Errorf("a message that never fits: %v", err)
	}
	if err := st.c.SendWait(ctx, codec.OpcodePing, nil); !errors.Is(err, ErrOpcode) {
		t.Errorf("a ping: %v", err)
	}
	if err := (Conn{}).SendWait(ctx, codec.OpcodeText, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("no connection: %v", err)
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	if err := st.c.SendWait(over, codec.OpcodeText, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that is over: %v", err)
	}
	st.expectBuffered()
	if _, err := st.c.NewWriter(codec.OpcodeText); err != nil {
		t.Fatal(err)
	}
	if err := st.c.SendWait(ctx, codec.OpcodeText, nil); !errors.Is(err, ErrMessageOpen) {
		t.Errorf("between fragments: %v", err)
	}
}

// The longest message that SendWait takes gets its place even if the buffer was full when it came.
func TestSendWaitWithTheLongestMessage(t *testing.T) {
	st := newSlowTest(t, &Server{MaxBufferedBytes: roomFor(3)})
	st.queue(1, 3)
	long := strings.Repeat("x", roomFor(3)-itemBytes-codec.MaxHeaderLen)
	done := st.wait(func() error { return st.c.SendWait(t.Context(), codec.OpcodeText, []byte(long)) })
	for i := 1; i <= 3; i++ {
		st.expectMessage(payloadOf(i))
	}
	st.drain(st.c.token)
	if err := await(t, done, "SendWait"); err != nil {
		t.Error(err)
	}
	st.expectMessage(long)
	st.expect()
}

// What is cancelled is not sent, and leaves nothing behind however often it happens.
func TestSendWaitCancelled(t *testing.T) {
	st := newSlowTest(t, &Server{MaxBufferedBytes: roomFor(2)})
	st.queue(1, 2)
	ctx, cancel := context.WithCancel(t.Context())
	done := st.wait(st.sendWait(ctx, 3))
	room := st.engine.backlogs[1].room
	cancel()
	if err := await(t, done, "SendWait"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for range 100 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
		if err := st.sendWait(ctx, 3)(); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		cancel()
	}
	if st.engine.backlogs[1].room != room {
		t.Error("every waiter has a channel of its own")
	}
	st.expect(1, 2)
}

// Room is what the peer reads of a long message, not only its end.
func TestSendWaitWhileALongMessageIsRead(t *testing.T) {
	st := newSlowTest(t, &Server{MaxBufferedBytes: 10_000})
	long := strings.Repeat("x", 9000)
	if err := st.c.SendWait(t.Context(), codec.OpcodeText, []byte(long)); err != nil {
		t.Fatal(err)
	}
	st.read(begunBytes)
	done := st.wait(func() error { return st.c.SendWait(t.Context(), codec.OpcodeText, []byte(long[:5000])) })
	st.progress(st.c.token, 5000)
	if err := await(t, done, "SendWait"); err != nil {
		t.Error(err)
	}
	st.expectMessage(long)
	st.expectMessage(long[:5000])
	st.expect()
}

// Those who wait hear at once that nothing more can be sent, not when the last byte has gone.
func TestSendWaitOnAConnectionThatEnds(t *testing.T) {
	for name, end := range map[string]func(*slowTest){
		"Close":    func(st *slowTest) { _ = st.c.Close(codec.StatusNormalClosure, "") },
		"Abort":    func(st *slowTest) { st.c.Abort() },
		"too slow": func(st *slowTest) { _, _ = st.c.SendText(payloadOf(9)) },
		"peer":     func(st *slowTest) { st.engine.Data(st.c.token, []byte(closeFrame(codec.StatusNormalClosure, ""))) },
		"FIN":      func(st *slowTest) { st.engine.EOF(st.c.token) },
		"failure":  func(st *slowTest) { st.engine.Data(st.c.token, []byte("\xff\xff")) },
		"reset":    func(st *slowTest) { st.memory.Close(st.c.token, io.EOF); st.bury() },
	} {
		st := newSlowTest(t, &Server{MaxBufferedBytes: roomFor(2)})
		st.queue(1, 2)
		first := st.wait(st.sendWait(t.Context(), 3))
		second := st.wait(st.sendWait(t.Context(), 4))
		end(st)
		for _, done := range []<-chan error{first, second} {
			if err := await(t, done, name); !errors.Is(err, ErrClosed) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// Many wait for a peer that reads little by little. Nobody is forgotten, and each one's messages
// keep their order.
func TestManyWaitForOnePeer(t *testing.T) {
	const senders, messages = 50, 20
	st := newSlowTest(t, &Server{MaxBufferedBytes: roomFor(5)})
	done := make(chan error, senders)
	for sender := range senders {
		go func() {
			for i := range messages {
				if err := st.sendWait(t.Context(), sender*messages+i)(); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for start := time.Now(); len(done) < senders || st.c.Buffered() > 0; runtime.Gosched() {
		if time.Since(start) > patience {
			t.Fatalf("%d of %d are done", len(done), senders)
		}
		if n := st.c.Buffered(); n > roomFor(5) {
			t.Fatalf("%d bytes buffered", n)
		}
		st.turn()
		st.read(min(100, len(st.conns[st.c.token.Slot()].queue)))
	}
	for range senders {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	all, err := frames(st.take(st.c.token))
	if err != nil || len(all) != senders*messages+1 {
		t.Fatalf("%d frames, %v", len(all), err)
	}
	expectOrder(t, all[1:], messages)
}

// expectOrder checks that the messages of each sender, who numbers them from its own number times
// messages on, are complete and in order.
func expectOrder(t *testing.T, all []frame, messages int) {
	t.Helper()
	next := make(map[int]int)
	for _, f := range all {
		n := numberOf(t, f)
		if sender := n / messages; next[sender] != n%messages {
			t.Fatalf("sender %d: message %d, want %d", sender, n%messages, next[sender])
		}
		next[n/messages]++
	}
	for sender, n := range next {
		if n != messages {
			t.Errorf("sender %d: %d messages", sender, n)
		}
	}
}
