package engine

import (
	"errors"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
)

// Messages whose time is over do not reach a peer that reads again.
func TestTimeToLiveOverASocket(t *testing.T) {
	t.Parallel()
	ss := newSlowSocket(t, &Server{Overflow: Overflow{TTL: 2 * tick}})
	if err := ss.c.SetOverflow(Overflow{}); err != nil {
		t.Error(err)
	}
	ss.stall(1000)
	if err := ss.c.SetOverflow(ss.Overflow); err != nil {
		t.Error(err)
	}
	for range 1000 {
		if _, err := ss.c.SendText(payloadOf(ss.next)); err != nil {
			t.Fatal(err)
		}
		ss.next++
	}
	mortal, begun := ss.next, ss.c.loop.now.Load()
	for start := time.Now(); ss.c.loop.now.Load()-begun < 5; runtime.Gosched() {
		if time.Since(start) > patience {
			t.Fatal("the clock stands still")
		}
	}
	for range 10 {
		if _, err := ss.c.SendWith(codec.OpcodeText, []byte(payloadOf(ss.next)), Delivery{TTL: never}); err != nil {
			t.Fatal(err)
		}
		ss.next++
	}
	stats := ss.Stats()
	expired := int(stats.Expired)
	if expired == 0 || expired > 1000 {
		t.Errorf("%d messages expired", expired)
	}
	for i := range ss.next {
		if i < mortal-expired || i >= mortal {
			if n := numberOf(t, ss.peer.read()); n != i {
				t.Fatalf("message %d, want %d", n, i)
			}
		}
	}
	if own, err := ss.c.Stats(); err != nil || own.Dropped != expired+int(stats.BufferFull) {
		t.Errorf("%+v, %v", own, err)
	}
}

// A ping is answered before all that waits, a megabyte of it.
func TestPingOvertakesOverASocket(t *testing.T) {
	t.Parallel()
	ss := newSlowSocket(t, &Server{})
	waiting := make(chan int, 1)
	ss.Events.Ping = func(Conn, []byte) { waiting <- ss.waiting() } // the pong is in the outbox
	ss.stall(1 << 20 / messageBytes)
	ss.peer.send(codec.OpcodePing, "hello")
	want, behind := await(t, waiting, "Ping"), -1
	for read := 0; read < ss.next; {
		f := ss.peer.read()
		if f.op == codec.OpcodePong {
			behind = ss.next - read
			continue
		}
		if n := numberOf(t, f); n != read {
			t.Fatalf("message %d, want %d", n, read)
		}
		read++
	}
	if behind != want || want < 1<<19/messageBytes {
		t.Errorf("%d messages behind the pong, %d waited", behind, want)
	}
}

// Stats of a connection tell what waits in the engine and in the system, and nothing once it is gone.
func TestConnStatsOverASocket(t *testing.T) {
	t.Parallel()
	ss := newSlowSocket(t, &Server{MaxBufferedBytes: 256 << 10, Overflow: Overflow{Policy: OverflowDropOldest}})
	ss.stall(100)
	for start := time.Now(); ; runtime.Gosched() {
		stats, err := ss.c.Stats()
		if err != nil || stats.Buffered < 100*messageBytes {
			t.Fatalf("%+v, %v", stats, err)
		}
		if runtime.GOOS != "linux" || stats.Unsent > 0 && stats.RTT > 0 {
			break
		}
		if time.Since(start) > patience {
			t.Fatalf("the system holds nothing: %+v", stats)
		}
	}
	ss.flood(plainly, func(sent Sent, _ error) bool { return sent.Dropped > 0 })
	if stats, err := ss.c.Stats(); err != nil || stats.Dropped != int(ss.Stats().DroppedOldest+ss.Stats().BufferFull) {
		t.Errorf("%+v, %v", stats, err)
	}
	ss.peer.reset()
	await(t, ss.closed, "Close")
	if _, err := ss.c.Stats(); !errors.Is(err, ErrClosed) {
		t.Errorf("Stats of a connection that is gone: %v", err)
	}
	if _, err := (Conn{}).Stats(); !errors.Is(err, ErrClosed) {
		t.Errorf("Stats of none: %v", err)
	}
}

// After a slow phase all its memory goes back, whether the peer has read or gone.
func TestSlowPhaseGivesItsMemoryBack(t *testing.T) {
	t.Parallel()
	for _, leaves := range []bool{false, true} {
		ss := newSlowSocket(t, &Server{})
		ss.stall(1 << 20 / messageBytes)
		if n := ss.Stats().Memory; n < 1<<20 {
			t.Errorf("%d bytes are held", n)
		}
		if leaves {
			ss.peer.reset()
			await(t, ss.closed, "Close")
		} else {
			go func() { _, _ = io.Copy(io.Discard, ss.peer) }()
			await(t, ss.drained, "Drained")
		}
		for start := time.Now(); ss.Stats().Memory > 3*minOutboxBytes; runtime.Gosched() {
			if time.Since(start) > patience {
				t.Fatalf("%d bytes are still held", ss.Stats().Memory)
			}
		}
		ss.stop()
	}
}
