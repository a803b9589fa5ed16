//go:build linux

package poller

import "testing"

// The loop is turned by the test, over a real kernel, so that every allocation of
// the steady state is counted and no other goroutine adds to them.

// TestEchoAllocatesNothing echoes on live connections, from Data and from Flush.
func TestEchoAllocatesNothing(t *testing.T) {
	r := newAllocsRig(t)
	token, peer := r.pair()
	message, answer := make([]byte, 1000), make([]byte, 2000)
	var due []byte
	vec := make([][]byte, 2)
	r.onData = func(t Token, b []byte) int {
		_ = r.l.Write(t, b)
		due = append(due[:0], b...)
		return len(b)
	}
	r.onFlush = func() {
		if len(due) > 0 {
			vec[0], vec[1] = due[:10], due[10:]
			_ = r.l.Writev(token, vec)
			due = due[:0]
		}
	}
	total := 0
	allocsNone(t, func() {
		writeRaw(peer.fd, message)
		r.step()
		n, _ := readRaw(peer.fd, answer)
		total += n
	})
	if want := (allocsRuns + 1 + allocsWarm) * 2 * len(message); total != want {
		t.Errorf("the peer received %d bytes, want %d", total, want)
	}
}

// TestQueueAllocatesNothing fills and drains an output queue.
func TestQueueAllocatesNothing(t *testing.T) {
	r := newAllocsRig(t)
	token, peer := r.pair()
	big, buf := make([]byte, 500_000), make([]byte, 600_000)
	allocsNone(t, func() {
		_ = r.l.Write(token, big)
		got := 0
		for turn := 0; got < len(big) && turn < 1000; turn++ {
			n, _ := readRaw(peer.fd, buf)
			got += max(n, 0)
			r.step()
		}
		if got != len(big) {
			t.Fatalf("the peer received %d of %d bytes", got, len(big))
		}
	})
	if r.drained[token] == 0 {
		t.Error("nothing was queued")
	}
}

// TestRestAllocatesNothing leaves bytes and takes them later.
func TestRestAllocatesNothing(t *testing.T) {
	r := newAllocsRig(t)
	_, peer := r.pair()
	message := make([]byte, 3000)
	calls := 0
	r.onData = func(_ Token, b []byte) int { calls++; return min(len(b), 1000) }
	allocsNone(t, func() {
		writeRaw(peer.fd, message)
		for range 3 {
			r.step()
		}
	})
	if want := 3 * (allocsRuns + 1 + allocsWarm); calls != want {
		t.Errorf("Data came %d times, want %d", calls, want)
	}
}

// TestWakeAllocatesNothing wakes a loop that waits.
func TestWakeAllocatesNothing(t *testing.T) {
	r := newAllocsRig(t)
	allocsNone(t, func() {
		r.l.sleeping.Store(true) // as wait does
		r.l.Wake()
		r.step()
	})
	if r.flushes != allocsRuns+1+allocsWarm {
		t.Errorf("%d turns", r.flushes)
	}
}

// TestAskAllocatesNothing asks the system about a connection.
func TestAskAllocatesNothing(t *testing.T) {
	r := newAllocsRig(t)
	token, _ := r.pair()
	allocsNone(t, func() {
		if _, err := r.l.Socket(token); err != nil {
			t.Fatal(err)
		}
	})
}

// TestTryWriteAllocatesNothing writes from where the bytes lie, and they are read to where the handler says.
func TestTryWriteAllocatesNothing(t *testing.T) {
	r := newAllocsRig(t)
	token, peer := r.pair()
	head, body, buffer := make([]byte, 10), make([]byte, 1000), make([]byte, 2000)
	answer := make([]byte, 2000)
	received := 0
	r.onBuffer = func(Token) []byte { return buffer }
	r.onData = func(_ Token, b []byte) int {
		received += len(b)
		if n := r.l.TryWrite(token, head, b); n != len(head)+len(b) {
			t.Errorf("%d bytes were taken", n)
		}
		return len(b)
	}
	allocsNone(t, func() {
		writeRaw(peer.fd, body)
		r.step()
		readRaw(peer.fd, answer)
	})
	if want := len(body) * (allocsRuns + 1 + allocsWarm); received != want {
		t.Errorf("%d bytes were received, want %d", received, want)
	}
}

// TestPauseAllocatesNothing pauses with bytes left, and takes them later.
func TestPauseAllocatesNothing(t *testing.T) {
	r := newAllocsRig(t)
	token, peer := r.pair()
	message := make([]byte, 3000)
	total := 0
	r.onData = func(_ Token, b []byte) int {
		r.l.Pause(token)
		n := min(len(b), 2000)
		total += n
		return n
	}
	allocsNone(t, func() {
		writeRaw(peer.fd, message)
		for range 4 {
			r.step()
			r.l.Resume(token)
		}
	})
	if want := len(message) * (allocsRuns + 1 + allocsWarm); total != want {
		t.Errorf("%d bytes were consumed, want %d", total, want)
	}
}

const (
	allocsRuns = 300
	allocsWarm = 20
)

func newAllocsRig(t *testing.T) *rig { return newRig(t, newMechanism, newKernel) }

// allocsNone runs f until pools and slices have their size, then counts.
func allocsNone(t *testing.T, f func()) {
	t.Helper()
	for range allocsWarm {
		f()
	}
	if n := testing.AllocsPerRun(allocsRuns, f); n != 0 {
		t.Errorf("%v allocations per run, want 0", n)
	}
}
