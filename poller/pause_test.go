//go:build linux

package poller

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"syscall"
	"testing"
)

// settle takes turns until the kernel reports nothing, and fails if it never stops.
func (r *rig) settle() {
	r.Helper()
	for range 20 {
		n, _ := r.l.mechanism.poll(r.l.events[:], 0)
		if n == 0 {
			return
		}
		r.l.nextTick = never
		r.l.turn(n)
	}
	r.Error("the loop is told of the same again and again")
}

// TestPauseOutlivesTheClose has a paused connection's peer send and close, with output that
// waits or without. All bytes come after Resume, then the end, and meanwhile the loop is
// left alone.
func TestPauseOutlivesTheClose(t *testing.T) {
	for name, queued := range map[string]bool{"NothingQueued": false, "Queued": true} {
		t.Run(name, func(t *testing.T) {
			eachMechanism(t, func(t *testing.T, r *rig) {
				token, peer := r.pair()
				if queued {
					r.k.onWrite = func(int, []byte) (int, syscall.Errno) { return -1, syscall.EAGAIN }
					_ = r.l.Write(token, []byte("never sent"))
				}
				r.l.Pause(token)
				want := numbered(150_000) // more than one read
				peer.send(want)
				peer.close()
				r.settle()
				if len(r.data[token])+r.eof[token]+r.closedCount[token] != 0 {
					t.Fatalf("while paused: %d bytes, EOF %d times, Closed %d times",
						len(r.data[token]), r.eof[token], r.closedCount[token])
				}
				r.l.Resume(token)
				r.until("EOF", func() bool { return r.eof[token] > 0 })
				if !bytes.Equal(r.data[token], want) {
					t.Errorf("%d bytes arrived, want %d", len(r.data[token]), len(want))
				}
				if queued { // and can never leave
					r.until("Closed", func() bool { return r.closedCount[token] > 0 })
				}
			})
		})
	}
}

// TestPauseEndsWithAReset has the peer of a paused connection reset it: at once where the
// mechanism tells, and after Resume in any case.
func TestPauseEndsWithAReset(t *testing.T) {
	for name, queued := range map[string]bool{"NothingQueued": false, "Queued": true} {
		t.Run(name, func(t *testing.T) {
			eachMechanism(t, func(t *testing.T, r *rig) {
				token, client := r.dial(r.listen())
				if queued {
					_ = r.l.Write(token, make([]byte, 16<<20))
				}
				r.onData = func(token Token, b []byte) int { r.l.Pause(token); return 1 }
				if _, err := client.Write(make([]byte, 1000)); err != nil {
					t.Fatal(err)
				}
				r.until("Data", func() bool { return r.conn(token).flags&connPaused != 0 })
				r.onData = nil
				_ = client.SetLinger(0)
				client.Close()
				_, epoll := r.m.mechanism.(*epoll)
				if epoll || queued {
					r.until("Closed while paused", func() bool { return r.closedCount[token] > 0 })
				} else {
					r.settle()
					r.l.Resume(token)
					r.until("Closed", func() bool { return r.closedCount[token] > 0 })
				}
				if err := r.closedWith[token]; !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("Closed with %v, want ECONNRESET", err)
				}
			})
		})
	}
}

// TestPauseBeforeItsEvent has one connection pause another whose event follows in the
// batch: bytes, or bytes and the peer's end.
func TestPauseBeforeItsEvent(t *testing.T) {
	for name, closes := range map[string]bool{"Bytes": false, "BytesAndEnd": true} {
		t.Run(name, func(t *testing.T) {
			eachMechanism(t, func(t *testing.T, r *rig) {
				a, aPeer := r.pair()
				b, bPeer := r.pair()
				other := map[Token]Token{a: b, b: a}
				var paused Token
				r.onData = func(token Token, data []byte) int {
					r.data[token] = append(r.data[token], data...)
					if paused == 0 {
						paused = other[token]
						r.l.Pause(paused)
					}
					return len(data)
				}
				for _, p := range []peer{aPeer, bPeer} {
					p.send([]byte("mine"))
					if closes {
						p.close()
					}
				}
				r.settle()
				if len(r.data[paused])+r.eof[paused]+r.closedCount[paused] != 0 {
					t.Fatal("the paused connection was told something")
				}
				r.l.Resume(paused)
				r.settle()
				if string(r.data[paused]) != "mine" || (r.eof[paused] == 1) != closes {
					t.Errorf("after Resume: %q, EOF %d times", r.data[paused], r.eof[paused])
				}
			})
		})
	}
}

// TestPauseWithRestOfAnother has connections that all have a rest pause and resume those
// before and behind them in the list.
func TestPauseWithRestOfAnother(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		const conns, size = 5, 98 // a multiple of what Data takes
		all := numbered(size * conns)
		var peers []peer
		for range conns {
			_, p := r.pair()
			peers = append(peers, p)
		}
		random := rand.New(rand.NewPCG(7, 8))
		r.onData = func(token Token, b []byte) int {
			if r.conn(token).flags&connPaused != 0 {
				t.Error("Data of a paused connection")
			}
			r.data[token] = append(r.data[token], b[:7]...)
			for range conns {
				other := r.opened[random.IntN(conns)]
				if random.IntN(2) == 0 {
					r.l.Pause(other)
				} else {
					r.l.Resume(other)
				}
			}
			return 7
		}
		for i, p := range peers {
			p.send(all[size*i:][:size])
		}
		r.until("all bytes", func() bool {
			total := 0
			for _, token := range r.opened {
				total += len(r.data[token])
			}
			if n := len(r.l.rests); n > conns {
				t.Fatalf("%d connections are listed %d times for the next turn", conns, n)
			}
			if n, _ := r.l.mechanism.poll(r.l.events[:], 0); n == 0 && len(r.l.rests) == 0 {
				for _, token := range r.opened {
					r.l.Resume(token)
				}
			}
			return total == len(all)
		})
		for i, token := range r.opened {
			if !bytes.Equal(r.data[token], all[size*i:][:size]) {
				t.Errorf("the bytes of connection %d differ", i)
			}
		}
	})
}

// TestPauseInterest holds what the kernel is asked for: reading unless paused, writing as
// long as output waits.
func TestPauseInterest(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		token, peer := r.pair()
		want := func(step string, in interest) {
			t.Helper()
			if got := r.conn(token).interest; got != in {
				t.Errorf("%s: interest %02b, want %02b", step, got, in)
			}
		}
		full := func(int, [][]byte) (int, syscall.Errno) { return -1, syscall.EAGAIN }
		r.k.onWrite = func(int, []byte) (int, syscall.Errno) { return -1, syscall.EAGAIN }
		r.k.onWritev = full
		want("opened", interestRead)
		r.l.Pause(token)
		want("paused", 0)
		_ = r.l.Write(token, []byte("x"))
		want("paused with output", interestWrite)
		r.l.Resume(token)
		want("resumed with output", interestRead|interestWrite)
		r.l.Pause(token)
		want("paused again", interestWrite)
		r.k.onWritev = nil
		r.step()
		if r.drained[token] != 1 || string(peer.receive()) != "x" {
			t.Error("the output of a paused connection did not leave")
		}
		want("drained", 0)
		r.l.Resume(token)
		want("resumed", interestRead)
		peer.shutdown()
		r.step()
		want("past FIN", 0)
		r.l.Pause(token)
		r.l.Resume(token)
		want("resumed past FIN", 0)
	})
}

// TestResumeRefused has the mechanism refuse to watch a connection again that has bytes
// left.
func TestResumeRefused(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		token, peer := r.pair()
		r.onData = func(token Token, _ []byte) int { r.l.Pause(token); return 1 }
		peer.send([]byte("xy"))
		r.step()
		r.m.onModify = func() syscall.Errno { return syscall.ENOMEM }
		r.l.Resume(token)
		if len(r.l.rests) != 0 {
			t.Error("the bytes of a connection that ended are to be presented")
		}
		r.step()
		if r.closedWith[token] != syscall.ENOMEM {
			t.Errorf("Closed with %v, want ENOMEM", r.closedWith[token])
		}
	})
}
