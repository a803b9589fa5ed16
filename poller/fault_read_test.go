//go:build linux

package poller

import (
	"bytes"
	"errors"
	"syscall"
	"testing"
)

func TestW23OneByteReads(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		r.k.onRead = func(fd int, b []byte) (int, syscall.Errno) { return r.k.kernel.read(fd, b[:1]) }
		token, peer := r.pair()
		want := numbered(3000)
		peer.send(want)
		peer.shutdown()
		r.until("EOF", func() bool { return r.eof[token] > 0 })
		if !bytes.Equal(r.data[token], want) {
			t.Error("the bytes differ")
		}
		if r.eof[token] != 1 {
			t.Errorf("EOF came %d times", r.eof[token])
		}
	})
}

// TestW23ReadsThatSayNothing has every other read fail for no lasting reason.
func TestW23ReadsThatSayNothing(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		calls := 0
		r.k.onRead = func(fd int, b []byte) (int, syscall.Errno) {
			switch calls++; calls % 3 {
			case 1:
				return -1, syscall.EAGAIN
			case 2:
				return -1, syscall.EINTR
			}
			return r.k.kernel.read(fd, b[:7])
		}
		token, peer := r.pair()
		want := numbered(500)
		peer.send(want)
		r.until("all bytes", func() bool { return len(r.data[token]) == len(want) })
		if !bytes.Equal(r.data[token], want) {
			t.Error("the bytes differ")
		}
	})
}

func TestW24ReadFails(t *testing.T) {
	for _, errno := range []syscall.Errno{
		syscall.ECONNRESET, syscall.ETIMEDOUT, syscall.EPIPE, syscall.EIO, syscall.ENOTCONN,
	} {
		t.Run(errno.Error(), func(t *testing.T) {
			eachMechanism(t, func(t *testing.T, r *rig) {
				token, peer := r.pair()
				other, otherPeer := r.pair()
				fd := int(r.conn(token).fd.Load())
				r.k.onRead = func(from int, b []byte) (int, syscall.Errno) {
					if from == fd {
						return -1, errno
					}
					return r.k.kernel.read(from, b)
				}
				peer.send([]byte("x"))
				otherPeer.send([]byte("y"))
				for range 3 {
					r.step()
				}
				if !errors.Is(r.closedWith[token], errno) || r.closedCount[token] != 1 {
					t.Errorf("Closed with %v, %d times", r.closedWith[token], r.closedCount[token])
				}
				if r.k.closes[fd] != 1 {
					t.Errorf("the descriptor was closed %d times", r.k.closes[fd])
				}
				if string(r.data[other]) != "y" {
					t.Errorf("the other connection received %q", r.data[other])
				}
			})
		})
	}
}

// TestW27HangupAfterData has the peer go while bytes can still be read, whether or
// not the loop has bytes for it. All of them are delivered, then the end.
func TestW27HangupAfterData(t *testing.T) {
	for name, queued := range map[string]bool{"NothingQueued": false, "Queued": true} {
		t.Run(name, func(t *testing.T) {
			eachMechanism(t, func(t *testing.T, r *rig) {
				token, peer := r.pair()
				if queued {
					if err := r.l.Write(token, make([]byte, 1<<20)); err != nil || r.l.Pending(token) == 0 {
						t.Fatalf("Write: %v, %d bytes pending", err, r.l.Pending(token))
					}
				}
				want := numbered(150_000) // more than one read
				peer.send(want)
				peer.close()
				for range 20 {
					r.step()
				}
				if !bytes.Equal(r.data[token], want) {
					t.Errorf("%d bytes arrived, want %d", len(r.data[token]), len(want))
				}
				if r.eof[token] == 0 && r.closedCount[token] == 0 {
					t.Error("neither EOF nor Closed came")
				}
			})
		})
	}
}

// TestW27HangupWithRest has the handler take its time.
func TestW27HangupWithRest(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		token, peer := r.pair()
		var got []byte
		r.onData = func(_ Token, b []byte) int {
			n := min(len(b), 999)
			got = append(got, b[:n]...)
			return n
		}
		want := numbered(100_000)
		peer.send(want)
		peer.close()
		r.until("the end", func() bool { return r.eof[token]+r.closedCount[token] > 0 })
		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes arrived, want %d", len(got), len(want))
		}
	})
}

// TestW27HangupDoesNotSpin has the peer be gone for good: when nobody reads any
// more, the loop must not be told of it for ever.
func TestW27HangupDoesNotSpin(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		past, pastPeer := r.pair()
		paused, pausedPeer := r.pair()
		r.l.Pause(paused)
		pastPeer.close()
		pausedPeer.close()
		for range 5 {
			r.step()
		}
		if r.eof[past] != 1 || r.eof[paused] != 0 {
			t.Errorf("EOF came %d times, and %d times to the paused connection", r.eof[past], r.eof[paused])
		}
		if n, _ := r.l.mechanism.poll(r.l.events[:], 0); n != 0 {
			t.Errorf("%d events are still reported", n)
		}
	})
}

// TestW28EventOfTheDead puts events of connections that are gone beside one of the
// connection that has their slot and descriptor now.
func TestW28EventOfTheDead(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		dead, deadPeer := r.pair()
		fd := r.conn(dead).fd.Load()
		r.l.Close(dead, nil)
		r.step()
		deadPeer.close()
		alive, peer := r.pair()
		if alive.Slot() != dead.Slot() || r.conn(alive).fd.Load() != fd {
			t.Fatalf("slot %d and descriptor %d were not reused: %d, %d", dead.Slot(), fd, alive.Slot(), r.conn(alive).fd.Load())
		}
		peer.send([]byte("mine"))
		reads := 0
		r.k.onRead = func(fd int, b []byte) (int, syscall.Errno) { reads++; return r.k.kernel.read(fd, b) }
		all := readyRead | readyWrite | readyHangup
		copy(r.l.events[:], []event{{dead, all}, {alive, readyRead}, {dead, all}, {MakeToken(1<<20, 1), all}})
		r.l.nextTick = never
		r.l.turn(4)
		if reads != 1 || string(r.data[alive]) != "mine" || len(r.data[dead]) != 0 {
			t.Errorf("%d reads, the connection received %q, the dead one %q", reads, r.data[alive], r.data[dead])
		}
		if r.closedCount[dead] != 1 || r.closedCount[alive] != 0 {
			t.Error("an event of the dead closed a connection")
		}
	})
}

// TestW28EventAfterCloseInOneBatch has one connection close another whose event
// follows in the batch.
func TestW28EventAfterCloseInOneBatch(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		a, aPeer := r.pair()
		b, bPeer := r.pair()
		other := map[Token]Token{a: b, b: a}
		calls := 0
		r.onData = func(t Token, data []byte) int {
			calls++
			r.l.Close(other[t], nil)
			return len(data)
		}
		aPeer.send([]byte("x"))
		bPeer.send([]byte("x"))
		r.step()
		if calls != 1 {
			t.Errorf("Data came %d times, want once", calls)
		}
	})
}

// numbered is n bytes that do not repeat soon.
func numbered(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i) ^ byte(i>>8)*31 ^ byte(i>>16)*7
	}
	return b
}
