package engine

import (
	"errors"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
)

// The outbox of a loop is bounded for all its connections together, however little each has sent: what
// does not fit waits in backlogs, and goes out with the same flush. One message always goes into an empty outbox.
func TestOutboxLimit(t *testing.T) {
	const conns, limit, size = 20, 1000, 100
	tr := newTrace()
	s := &Server{Loops: 1, MaxMemoryBytes: 8 << 20, Events: tr.events()}
	m := newMemory(t, s)
	if s.settings.maxOutbox != 1<<20 {
		t.Errorf("the limit in force is %d", s.settings.maxOutbox)
	}
	s.settings.maxOutbox = limit
	var all []Conn
	for range conns {
		all = append(all, m.conn(tr))
	}
	payload := strings.Repeat("x", size-codec.HeaderLen(size-2))
	for round := range 2 {
		queued := 0
		for _, c := range all {
			sent, err := c.SendText(payload)
			if err != nil {
				t.Error(err)
			}
			if sent.Queued > 0 {
				queued++
			}
		}
		// Behind nine there is no room for a tenth and the longest header.
		if queued != conns-9 || len(m.engine.outbox.bytes) > limit {
			t.Errorf("round %d: %d of %d queued, %d bytes in the outbox", round, queued, conns, len(m.engine.outbox.bytes))
		}
		if err := all[conns-1].Ping([]byte(payload)); !errors.Is(err, ErrBufferFull) {
			t.Errorf("round %d: Ping: %v", round, err)
		}
		m.turn()
		for i, c := range all {
			if n := len(m.take(c.token)); n != size {
				t.Errorf("round %d: %d bytes to the peer of %d", round, n, i)
			}
		}
	}
	if sent, err := all[0].SendText(strings.Repeat("y", 2*limit)); err != nil || sent.Queued != 0 {
		t.Errorf("a long message in an empty outbox: %+v, %v", sent, err)
	}
	if sent, err := all[1].SendText(""); err != nil || sent.Queued == 0 {
		t.Errorf("a message behind it: %+v, %v", sent, err)
	}
	if err := all[1].Close(codec.StatusNormalClosure, ""); err != nil {
		t.Errorf("Close behind it: %v", err)
	}
	m.turn()
	m.expectFrames(t, all[1], `text fin=true of 0 bytes ""`, `close 1000 ""`)
}

// While the driver's queue gets shorter, Buffered tells so and Send finds room.
func TestBufferedWhileDraining(t *testing.T) {
	const limit, read = 1000, 400
	tr := newTrace()
	m := newMemory(t, &Server{MaxBufferedBytes: limit, Overflow: Overflow{Policy: OverflowDropNewest}, Events: tr.events()})
	c := m.conn(tr)
	m.conns[c.token.Slot()].stalled = true
	long := strings.Repeat("x", 900)
	if _, err := c.SendText(long); err != nil {
		t.Fatal(err)
	}
	m.turn()
	before := c.Buffered()
	if _, err := c.SendText(long[:read]); !errors.Is(err, ErrBufferFull) {
		t.Errorf("Send to a full queue: %v", err)
	}
	m.progress(c.token, read)
	if n := c.Buffered(); n != before-read {
		t.Errorf("%d bytes buffered, want %d", n, before-read)
	}
	if _, err := c.SendText(long[:read]); err != nil {
		t.Errorf("Send after the peer read: %v", err)
	}
	// What waits in the outbox counts besides.
	m.engine.Progress(c.token, 10)
	if n := c.Buffered(); n != 10+codec.HeaderLen(read)+read {
		t.Errorf("%d bytes buffered with a message in the outbox", n)
	}
}

// The same over a socket. The message is longer than three writes from the queue and the socket take,
// so it cannot have left at once when the peer has read most of it.
func TestBufferedWhileDrainingOverASocket(t *testing.T) {
	t.Parallel()
	const length, read = 16 << 20, 12 << 20
	opened := make(chan Conn, 1)
	s := serveOn(t, &Server{MaxMessageBytes: length, MaxBufferedBytes: 2 * length, Events: Events{
		Open: func(c Conn) { opened <- c },
	}}, "unix", filepath.Join(t.TempDir(), "s"))
	peer := s.open()
	c := await(t, opened, "Open")
	if _, err := c.Send(codec.OpcodeBinary, make([]byte, length)); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); !isSlow(c); runtime.Gosched() {
		if time.Since(start) > patience {
			t.Fatal("the socket was never full")
		}
	}
	before := c.Buffered()
	if _, err := io.CopyN(io.Discard, peer.in, read); err != nil {
		t.Fatal(err)
	}
	if n := c.Buffered(); n == 0 || n >= before {
		t.Errorf("%d bytes buffered after the peer read, %d before", n, before)
	}
}
