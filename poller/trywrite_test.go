//go:build linux

package poller

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestTryWrite writes both pieces, either, and none, and what fits of more.
func TestTryWrite(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		token, peer := r.pair()
		for _, pieces := range [][2]string{{"head", "body"}, {"", "body"}, {"head", ""}, {"", ""}} {
			want := pieces[0] + pieces[1]
			if n := r.l.TryWrite(token, []byte(pieces[0]), []byte(pieces[1])); n != len(want) {
				t.Errorf("%d bytes of %q were taken", n, want)
			}
			if got := peer.receive(); string(got) != want {
				t.Errorf("the peer received %q, want %q", got, want)
			}
		}
		big := numbered(4 << 20)
		n := r.l.TryWrite(token, big[:10], big[10:])
		if n == 0 || n == len(big) || r.l.TryWrite(token, big[n:n+1], nil) != 0 {
			t.Errorf("%d bytes of %d were taken", n, len(big))
		}
		if got := peer.receive(); !bytes.Equal(got, big[:n]) {
			t.Errorf("the peer received %d bytes, want the first %d", len(got), n)
		}
		if r.l.woken.Load() || r.l.Held(token) != 0 {
			t.Error("it asked for a turn, or kept something")
		}
	})
}

// TestTryWriteInPieces has a socket take little.
func TestTryWriteInPieces(t *testing.T) {
	r := newRig(t, newMechanism, func() kernel { return &shortKernel{kernel: newKernel()} })
	token, peer := r.pair()
	all := numbered(500_000)
	var got []byte
	for sent := 0; sent < len(all); got = append(got, peer.receive()...) {
		head := all[sent:min(sent+7, len(all))]
		sent += r.l.TryWrite(token, head, all[sent+len(head):])
	}
	if !bytes.Equal(got, all) {
		t.Errorf("the peer received %d bytes of %d, and they differ", len(got), len(all))
	}
}

// TestTryWriteOfNobody makes no system call for tokens that name no connection, and leaves the
// pins of others alone.
func TestTryWriteOfNobody(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		stale, _ := r.pair()
		r.l.Close(stale, nil)
		r.step()
		token, _ := r.pair()
		r.k.onWriteBoth = func(fd int, _, _ []byte) (int, syscall.Errno) {
			t.Errorf("a write to descriptor %d", fd)
			return -1, syscall.EBADF
		}
		for _, none := range []Token{
			0, stale, MakeToken(token.Slot(), token.Generation()+1), MakeToken(token.Slot(), 0),
			MakeToken(7, 0), MakeToken(7, 1), MakeToken(slabChunk, 1), MakeToken(slotListener, 0), MakeToken(slotWake, 1),
		} {
			if n := r.l.TryWrite(none, []byte("head"), []byte("body")); n != 0 || r.l.woken.Load() {
				t.Errorf("TryWrite to %#x: %d, a turn was asked for: %v", uint64(none), n, r.l.woken.Load())
			}
		}
		checkNoPins(t, r.l)
	})
}

func checkNoPins(t *testing.T, l *loop) {
	t.Helper()
	for i := range l.pins {
		if pinned := l.pins[i].Load(); pinned != 0 {
			t.Errorf("%#x is still pinned", pinned)
		}
	}
}

// TestTryWriteFails has it find that the socket failed, which the loop hears of, or that it takes nothing.
func TestTryWriteFails(t *testing.T) {
	for _, test := range []struct {
		errno      syscall.Errno
		closeWrite bool
		want       error // nil: it goes on
	}{
		{errno: syscall.EAGAIN},
		{errno: syscall.EINTR},
		{errno: syscall.EPIPE, want: syscall.EPIPE},
		{errno: syscall.ECONNRESET, want: syscall.ECONNRESET},
		{errno: syscall.ETIMEDOUT, want: syscall.ETIMEDOUT},
		{errno: syscall.EPIPE, closeWrite: true},
		{errno: syscall.ECONNRESET, closeWrite: true, want: syscall.ECONNRESET},
	} {
		eachMechanism(t, func(t *testing.T, r *rig) {
			token, peer := r.pair()
			other, _ := r.pair()
			if test.closeWrite {
				r.l.CloseWrite(token)
			}
			r.k.onWriteBoth = func(int, []byte, []byte) (int, syscall.Errno) { return -1, test.errno }
			if n := r.l.TryWrite(token, []byte("head"), []byte("body")); n != 0 {
				t.Errorf("%v: %d bytes", test.errno, n)
			}
			checkNoPins(t, r.l)
			r.step()
			if err, closed := r.closedWith[token]; closed != (test.want != nil) || err != test.want {
				t.Errorf("%v: Closed, %v, with %v, want %v", test.errno, closed, err, test.want)
			}
			if test.want == nil {
				peer.send([]byte("on"))
				r.step()
				if string(r.data[token]) != "on" {
					t.Errorf("%v: %q was received", test.errno, r.data[token])
				}
			}
			if r.closedCount[other] != 0 {
				t.Error("another connection was closed")
			}
		})
	}
}

// reset has the peer of a connection over TCP reset it, and TryWrite be the first to hear.
func (r *rig) reset(token Token, c *net.TCPConn) {
	r.Helper()
	if err := c.SetLinger(0); err != nil {
		r.Fatal(err)
	}
	c.Close()
	r.l.TryWrite(token, []byte("x"), nil)
}

// TestTryWriteTakesTheError has TryWrite be told that the peer reset the connection. The system tells it once, and
// a read then looks like the end of the stream.
func TestTryWriteTakesTheError(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		for _, prepare := range []func(Token){
			func(Token) {}, r.l.Pause, r.l.CloseWrite,
		} {
			token, c := r.dial(r.listen())
			prepare(token)
			r.reset(token, c)
			r.until("Closed", func() bool { return r.closedCount[token] > 0 })
			if !errors.Is(r.closedWith[token], syscall.ECONNRESET) || r.eof[token] != 0 {
				t.Errorf("Closed with %v, EOF came %d times, want ECONNRESET alone", r.closedWith[token], r.eof[token])
			}
		}
	})
}

// awaitReset waits until the system knows that the peer reset the connection, and leaves the error there.
func (r *rig) awaitReset(token Token) {
	r.Helper()
	fds := []unix.PollFd{{Fd: r.conn(token).fd.Load()}}
	if n, err := unix.Poll(fds, int(rigDeadline.Milliseconds())); n != 1 || fds[0].Revents&unix.POLLERR == 0 {
		r.Fatalf("no reset: %v, %#x", err, fds[0].Revents)
	}
}

// A holder is a kernel's writeBoth that writes, and then waits until it is let go.
type holder struct {
	k       *faultKernel
	entered chan int // descriptors
	letGo   chan struct{}
}

func (r *rig) hold() *holder {
	h := &holder{r.k, make(chan int, 2*len(pins{})), make(chan struct{})}
	r.k.onWriteBoth = h.writeBoth
	return h
}

func (h *holder) writeBoth(fd int, head, body []byte) (int, syscall.Errno) {
	n, errno := h.k.kernel.writeBoth(fd, head, body)
	h.entered <- fd
	<-h.letGo
	return n, errno
}

// write calls TryWrite on a goroutine and returns once it is held. What it returns comes through the channel.
func (h *holder) write(r *rig, t Token, head string) <-chan int {
	result := make(chan int, 1)
	go func() { result <- r.l.TryWrite(t, []byte(head), nil) }()
	<-h.entered
	return result
}

// TestHeldWriteHidesAnError reads while a write has taken the error and has not said so.
func TestHeldWriteHidesAnError(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		token, c := r.dial(r.listen())
		if err := c.SetLinger(0); err != nil {
			t.Fatal(err)
		}
		c.Close()
		r.awaitReset(token)
		h := r.hold()
		result := h.write(r, token, "x")
		for range 5 {
			r.step()
		}
		if r.eof[token] != 0 || r.closedCount[token] != 0 {
			t.Errorf("while it is held EOF came %d times, Closed %d times", r.eof[token], r.closedCount[token])
		}
		close(h.letGo)
		if n := <-result; n != 0 {
			t.Errorf("%d bytes", n)
		}
		r.step()
		if !errors.Is(r.closedWith[token], syscall.ECONNRESET) || r.eof[token] != 0 {
			t.Errorf("Closed with %v, EOF came %d times, want ECONNRESET alone", r.closedWith[token], r.eof[token])
		}
	})
}

// TestHeldWriteAndEnd has the peer end the connection in good order during a write: EOF comes after it.
func TestHeldWriteAndEnd(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		token, peer := r.pair()
		h := r.hold()
		result := h.write(r, token, "x")
		peer.shutdown()
		r.step()
		if r.eof[token] != 0 {
			t.Error("EOF came while it was held")
		}
		close(h.letGo)
		<-result
		r.until("EOF", func() bool { return r.eof[token] > 0 })
		if r.closedCount[token] != 0 {
			t.Errorf("Closed with %v", r.closedWith[token])
		}
	})
}

// TestCloseDuringTryWrite closes a connection while somebody writes to it, and gives its slot to another. Its
// descriptor stays open until the write is over, and no longer than to the turn that this asks for.
func TestCloseDuringTryWrite(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		token, peer := r.pair()
		fd := int(r.conn(token).fd.Load())
		h := r.hold()
		result := h.write(r, token, "late")
		r.l.Close(token, nil)
		r.step()
		next, nextPeer := r.pair()
		if next.Slot() != token.Slot() || int(r.conn(next).fd.Load()) == fd {
			t.Errorf("slot %d and descriptor %d follow %d and %d", next.Slot(), r.conn(next).fd.Load(), token.Slot(), fd)
		}
		peer.send([]byte("to nobody")) // its events are nobody's
		r.k.onWriteBoth = nil
		if n := r.l.TryWrite(next, []byte("ne"), []byte("xt")); n != 4 {
			t.Errorf("%d bytes to the next connection", n)
		}
		for range 5 {
			r.step()
		}
		if r.closedCount[token] != 1 || r.k.closes[fd] != 0 || r.l.woken.Load() {
			t.Errorf("while it is held: Closed came %d times, %d closes of the descriptor, a turn is asked for: %v",
				r.closedCount[token], r.k.closes[fd], r.l.woken.Load())
		}
		if a, b := string(peer.receive()), string(nextPeer.receive()); a != "late" || b != "next" {
			t.Errorf("the peers received %q and %q", a, b)
		}
		close(h.letGo)
		if n := <-result; n != len("late") {
			t.Errorf("%d bytes", n)
		}
		if !r.l.woken.Load() {
			t.Error("no turn is asked for")
		}
		r.step()
		if r.k.closes[fd] != 1 || len(r.l.undead) != 0 {
			t.Errorf("%d closes of the descriptor, %d still to come", r.k.closes[fd], len(r.l.undead))
		}
		if len(r.data[next]) != 0 {
			t.Errorf("the next connection received %q", r.data[next])
		}
	})
}

// TestSomeStayPinned lets go of the writes to two connections of four, which were closed together.
func TestSomeStayPinned(t *testing.T) {
	r := newRig(t, newMechanism, newKernel)
	holders := [2]*holder{r.hold(), r.hold()}
	var results [4]<-chan int
	var fds [4]int
	for i := range results {
		token, _ := r.pair()
		fds[i] = int(r.conn(token).fd.Load())
		r.k.onWriteBoth = holders[i%2].writeBoth
		results[i] = holders[i%2].write(r, token, "x")
		r.l.Close(token, nil)
	}
	for odd, h := range holders {
		r.step()
		close(h.letGo)
		<-results[odd]
		<-results[odd+2]
		r.step()
		for i, fd := range fds {
			if want := i%2 <= odd; (r.k.closes[fd] == 1) != want {
				t.Errorf("descriptor %d was closed %d times", i, r.k.closes[fd])
			}
		}
	}
}

// TestShutWaitsForPinned stops while somebody writes. The rig counts at the end what was closed.
func TestShutWaitsForPinned(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		token, _ := r.pair()
		fd := int(r.conn(token).fd.Load())
		var over atomic.Bool
		h := r.hold()
		r.k.onWriteBoth = func(fd int, head, body []byte) (int, syscall.Errno) {
			defer over.Store(true)
			return h.writeBoth(fd, head, body)
		}
		r.k.onClose = func(closed int) syscall.Errno {
			if closed == fd && !over.Load() {
				t.Error("the descriptor was closed during the write")
			}
			return 0
		}
		var once sync.Once
		r.onFlush = func() { once.Do(func() { close(h.letGo) }) } // after the connections were buried
		h.write(r, token, "x")
	})
}

// TestNoPlaceAmongPins has one writer more than there are places.
func TestNoPlaceAmongPins(t *testing.T) {
	r := newRig(t, newMechanism, newKernel)
	h := r.hold()
	var results []<-chan int
	for range len(pins{}) {
		token, _ := r.pair()
		results = append(results, h.write(r, token, "x"))
	}
	token, peer := r.pair()
	if n := r.l.TryWrite(token, []byte("x"), nil); n != 0 || len(peer.receive()) != 0 {
		t.Errorf("%d bytes without a place", n)
	}
	close(h.letGo)
	for _, result := range results {
		if n := <-result; n != 1 {
			t.Errorf("%d bytes with a place", n)
		}
	}
	checkNoPins(t, r.l)
	if n := r.l.TryWrite(token, []byte("x"), nil); n != 1 {
		t.Errorf("%d bytes once there are places", n)
	}
}

// TestTryWriteWhileReused has goroutines write to a connection that is closed and followed by another all the time. Each
// write says whom it is for, and its descriptor must be that connection's until it is over.
func TestTryWriteWhileReused(t *testing.T) {
	rounds, least := 20_000, 1000
	if testing.Short() {
		rounds, least = 2000, 10
	}
	r := newRig(t, newMechanism, newKernel)
	var owners [1 << 16]atomic.Uint64 // by descriptor
	var writes, wrong atomic.Int64
	r.k.onWriteBoth = func(fd int, head, _ []byte) (int, syscall.Errno) {
		want := binary.BigEndian.Uint64(head)
		for range 2 {
			if fd < 0 || fd >= len(owners) || owners[fd].Load() != want {
				wrong.Add(1)
			}
			runtime.Gosched()
		}
		writes.Add(1)
		return len(head), 0
	}
	r.k.onClose = func(fd int) syscall.Errno { owners[fd].Store(0); return 0 }

	var current atomic.Uint64
	var over atomic.Bool
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for !over.Load() {
				t := Token(current.Load())
				r.l.TryWrite(t, binary.BigEndian.AppendUint64(nil, uint64(t)), nil)
			}
		})
	}
	start := time.Now()
	for i := 0; i < rounds || writes.Load() < int64(least) && time.Since(start) < rigDeadline; i++ {
		token, peer := r.pair()
		owners[r.conn(token).fd.Load()].Store(uint64(token))
		current.Store(uint64(token))
		if token.Generation()%4 == 0 {
			runtime.Gosched()
		}
		r.l.Close(token, nil)
		r.step()
		peer.close()
	}
	over.Store(true)
	wg.Wait()
	if wrong.Load() > 0 || writes.Load() < int64(least) {
		t.Errorf("%d of %d writes were to a descriptor that was not the connection's", wrong.Load(), writes.Load())
	}
	t.Logf("%d writes", writes.Load())
}
