//go:build linux

package poller

import (
	"bytes"
	"errors"
	"fmt"
	"syscall"
	"testing"
)

// TestW25OneByteWrites has the socket take one byte at a time and often none. The
// interest in writing lasts as long as the queue does.
func TestW25OneByteWrites(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		again := false
		take := func() (int, syscall.Errno) {
			if again = !again; again {
				return 1, 0
			}
			return -1, syscall.EAGAIN
		}
		r.k.onWrite = func(fd int, b []byte) (int, syscall.Errno) {
			n, errno := take()
			if errno != 0 {
				return n, errno
			}
			return r.k.kernel.write(fd, b[:n])
		}
		r.k.onWritev = func(fd int, vec [][]byte) (int, syscall.Errno) {
			n, errno := take()
			if errno != 0 {
				return n, errno
			}
			return r.k.kernel.writev(fd, only(vec, n))
		}
		token, peer := r.pair()
		want := numbered(600)
		for round := range 2 {
			if err := r.l.Write(token, want[:200]); err != nil {
				t.Fatal(err)
			}
			if err := r.l.Writev(token, [][]byte{want[200:300], want[300:]}); err != nil {
				t.Fatal(err)
			}
			var got []byte
			r.until("the queue to drain", func() bool {
				pending := r.l.Pending(token)
				if armed := r.conn(token).interest&interestWrite != 0; armed != (pending > 0) {
					t.Fatalf("%d bytes pending, interest in writing: %v", pending, armed)
				}
				got = append(got, peer.receive()...)
				return pending == 0
			})
			if !bytes.Equal(got, want) {
				t.Errorf("the peer received %d bytes, and they differ", len(got))
			}
			if r.drained[token] != round+1 {
				t.Errorf("Drained came %d times in %d rounds", r.drained[token], round+1)
			}
			if r.conn(token).extra != 0 {
				t.Error("the drained connection keeps its rare state")
			}
		}
	})
}

// TestW26PartialWritev cuts a vector at every byte, in Writev and when the rest is
// drained.
func TestW26PartialWritev(t *testing.T) {
	all := numbered(17)
	vec := func() [][]byte {
		return [][]byte{{}, all[:3], all[3:4], {}, all[4:12], all[12:17], {}}
	}
	for cut := range len(all) + 1 {
		for next := range len(all) - cut + 1 {
			r := newRig(t, newMechanism, newKernel)
			token, peer := r.pair()
			cuts := []int{cut, next}
			r.k.onWritev = func(fd int, v [][]byte) (int, syscall.Errno) {
				if len(cuts) == 0 {
					return r.k.kernel.writev(fd, v)
				}
				n := cuts[0]
				cuts = cuts[1:]
				if n == 0 {
					return -1, syscall.EAGAIN
				}
				return r.k.kernel.writev(fd, only(v, n))
			}
			if err := r.l.Writev(token, vec()); err != nil {
				t.Fatal(err)
			}
			if want := len(all) - cut; r.l.Pending(token) != want {
				t.Fatalf("cut at %d: %d bytes pending, want %d", cut, r.l.Pending(token), want)
			}
			if idle := r.conn(token).extra == 0; idle != (cut == len(all)) {
				t.Fatalf("cut at %d: no rare state: %v", cut, idle)
			}
			for range 4 {
				r.step()
			}
			if got := peer.receive(); !bytes.Equal(got, all) {
				t.Fatalf("cut at %d and %d: the peer received %q, want %q", cut, next, got, all)
			}
		}
	}
}

// TestW26PartialWritevOfBlocks cuts a queue of several blocks around their edges.
func TestW26PartialWritevOfBlocks(t *testing.T) {
	const first, block = smallBlockBytes, blockBytes
	all := numbered(first + 2*block + 100)
	for _, cut := range []int{
		1, first - 1, first, first + 1, first + block - 1, first + block, first + block + 1,
		first + 2*block, first + 2*block + 1, len(all) - 1, len(all),
	} {
		t.Run(fmt.Sprint(cut), func(t *testing.T) {
			eachMechanism(t, func(t *testing.T, r *rig) {
				token, peer := r.pair()
				r.k.onWrite = func(int, []byte) (int, syscall.Errno) { return -1, syscall.EAGAIN }
				_ = r.l.Write(token, all[:10])
				_ = r.l.Write(token, all[10:])
				r.k.onWritev = func(fd int, v [][]byte) (int, syscall.Errno) { return r.k.kernel.writev(fd, only(v, cut)) }
				r.step()
				r.k.onWritev = nil
				var got []byte
				r.until("the queue to drain", func() bool {
					got = append(got, peer.receive()...)
					return r.l.Pending(token) == 0
				})
				if got = append(got, peer.receive()...); !bytes.Equal(got, all) {
					t.Errorf("the peer received %d of %d bytes, and they differ", len(got), len(all))
				}
			})
		})
	}
}

// TestWriteFails has each way of writing fail for good. It is reported by Closed
// alone.
func TestWriteFails(t *testing.T) {
	broken := func(int, []byte) (int, syscall.Errno) { return -1, syscall.EPIPE }
	brokenVec := func(int, [][]byte) (int, syscall.Errno) { return -1, syscall.EPIPE }
	for name, act := range map[string]func(*rig, Token) error{
		"Write":  func(r *rig, token Token) error { return r.l.Write(token, []byte("x")) },
		"Writev": func(r *rig, token Token) error { return r.l.Writev(token, [][]byte{[]byte("x")}) },
		"Queue": func(r *rig, token Token) error {
			r.k.onWrite = func(int, []byte) (int, syscall.Errno) { return -1, syscall.EAGAIN }
			return r.l.Write(token, []byte("x"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachMechanism(t, func(t *testing.T, r *rig) {
				r.k.onWrite, r.k.onWritev = broken, brokenVec
				token, _ := r.pair()
				if err := act(r, token); err != nil {
					t.Errorf("%s: %v, want nil", name, err)
				}
				r.step()
				if !errors.Is(r.closedWith[token], syscall.EPIPE) {
					t.Errorf("Closed with %v, want EPIPE", r.closedWith[token])
				}
			})
		})
	}
}

func TestW29CloseFailsOnce(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EINTR, syscall.EIO} {
		eachMechanism(t, func(t *testing.T, r *rig) {
			token, _ := r.pair()
			fd := int(r.conn(token).fd.Load())
			r.k.onClose = func(int) syscall.Errno { return errno }
			r.l.Close(token, nil)
			for range 3 {
				r.step()
			}
			if r.k.closes[fd] != 1 {
				t.Errorf("the descriptor was closed %d times after %v", r.k.closes[fd], errno)
			}
		})
	}
}

// TestW30DoubleClose closes from every place of one turn. Close is the loop's alone,
// so two goroutines cannot meet in it; that is the engine's to arrange.
func TestW30DoubleClose(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		token, peer := r.pair()
		fd := int(r.conn(token).fd.Load())
		first := errors.New("first")
		r.onData = func(t Token, b []byte) int {
			r.l.Close(t, first)
			r.l.Close(t, errors.New("second"))
			return 0
		}
		r.onFlush = func() { r.l.Close(token, errors.New("third")) }
		peer.send([]byte("x"))
		r.step()
		r.step()
		if r.closedWith[token] != first || r.closedCount[token] != 1 || r.k.closes[fd] != 1 {
			t.Errorf("Closed with %v, %d times; %d closes of the descriptor", r.closedWith[token], r.closedCount[token], r.k.closes[fd])
		}
	})
}
