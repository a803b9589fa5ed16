//go:build linux

package poller

import (
	"bytes"
	"slices"
	"syscall"
	"testing"
)

// pieces cuts b into single bytes.
func pieces(b []byte) (vec [][]byte) {
	for i := range b {
		vec = append(vec, b[i:i+1])
	}
	return vec
}

// TestWritevOfManyPieces hands over more pieces than one system call takes. With room in the
// socket none of them waits.
func TestWritevOfManyPieces(t *testing.T) {
	for _, n := range []int{maxVec - 1, maxVec, maxVec + 1, 2 * maxVec, 3*maxVec + 5} {
		eachMechanism(t, func(t *testing.T, r *rig) {
			token, peer := r.pair()
			all := numbered(n)
			if err := r.l.Writev(token, pieces(all)); err != nil {
				t.Fatal(err)
			}
			if pending := r.l.Pending(token); pending != 0 || r.conn(token).extra != 0 || r.conn(token).interest&interestWrite != 0 {
				t.Errorf("%d pieces: %d bytes pending", n, pending)
			}
			if got := peer.receive(); !bytes.Equal(got, all) {
				t.Errorf("%d pieces: the peer received %q, want %q", n, got, all)
			}
		})
	}
}

// TestWritevStopsAtAFullSocket has each of its system calls be the one that takes no more.
func TestWritevStopsAtAFullSocket(t *testing.T) {
	all := numbered(3 * maxVec)
	for full := range 3 {
		for _, taken := range []int{0, 1, maxVec - 1} {
			r := newRig(t, newMechanism, newKernel)
			token, peer := r.pair()
			calls := 0
			r.k.onWritev = func(fd int, v [][]byte) (int, syscall.Errno) {
				calls++
				switch {
				case calls != full+1:
					return r.k.kernel.writev(fd, v)
				case taken == 0:
					return -1, syscall.EAGAIN
				}
				return r.k.kernel.writev(fd, only(v, taken))
			}
			if err := r.l.Writev(token, pieces(all)); err != nil {
				t.Fatal(err)
			}
			if want := len(all) - full*maxVec - taken; r.l.Pending(token) != want || calls != full+1 {
				t.Errorf("%d bytes pending after %d calls, want %d", r.l.Pending(token), calls, want)
			}
			r.until("the queue to drain", func() bool { return r.l.Pending(token) == 0 })
			if got := peer.receive(); !bytes.Equal(got, all) {
				t.Errorf("the peer received %q, want %q", got, all)
			}
		}
	}
}

// TestProgress drains a queue in steps. Each that leaves something is told with what is left,
// the last by Drained alone, and one that moves nothing not at all.
func TestProgress(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		token, _ := r.pair()
		var told []int
		r.onProgress = func(of Token, pending int) {
			if of != token || pending != r.l.Pending(token) || r.drained[token] != 0 {
				t.Errorf("Progress(%#x, %d) with %d pending, drained %d times", uint64(of), pending, r.l.Pending(token), r.drained[token])
			}
			told = append(told, pending)
		}
		r.k.onWrite = func(int, []byte) (int, syscall.Errno) { return -1, syscall.EAGAIN }
		if err := r.l.Write(token, numbered(10)); err != nil {
			t.Fatal(err)
		}
		takes := []int{4, 0, 5, 1}
		r.k.onWritev = func(fd int, v [][]byte) (int, syscall.Errno) {
			n := takes[0]
			takes = takes[1:]
			if n == 0 {
				return -1, syscall.EAGAIN
			}
			return r.k.kernel.writev(fd, only(v, n))
		}
		r.until("Drained", func() bool { return r.drained[token] > 0 })
		r.step()
		if want := []int{6, 1}; !slices.Equal(told, want) || r.drained[token] != 1 {
			t.Errorf("told %v, want %v; drained %d times", told, want, r.drained[token])
		}
	})
}
