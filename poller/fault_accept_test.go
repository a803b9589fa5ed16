//go:build linux

package poller

import (
	"net"
	"syscall"
	"testing"
)

// The W numbers are those of docs/faults.md.

func TestW18AcceptLacksResources(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS} {
		t.Run(errno.Error(), func(t *testing.T) { eachMechanism(t, func(t *testing.T, r *rig) { acceptLacks(t, r, errno) }) })
	}
}

// acceptLacks rests the listener over and over, and counts every call of accept.
func acceptLacks(t *testing.T, r *rig, errno syscall.Errno) {
	echo, echoPeer := r.pair()
	spare, _ := r.pair()
	ln := r.listen()
	r.k.onAccept = func(int) (int, syscall.Errno) { return -1, errno }
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	r.until("accept", func() bool { return r.k.accepts > 0 })

	want := func(accepts int) {
		t.Helper()
		for range 50 {
			echoPeer.send([]byte("x"))
			r.step()
		}
		if r.k.accepts != accepts {
			t.Fatalf("accept was called %d times, want %d", r.k.accepts, accepts)
		}
		if n := r.l.driver.Stats().AcceptErrors.Load(); n != uint64(accepts) {
			t.Fatalf("AcceptErrors is %d, want %d", n, accepts)
		}
	}
	want(1)
	r.tick()
	want(2)
	r.l.Close(spare, nil) // frees a descriptor
	want(3)
	if n := len(r.data[echo]); n != 150 {
		t.Errorf("the open connection received %d bytes meanwhile, want 150", n)
	}
	r.k.onAccept = nil
	r.tick()
	r.until("Open after the shortage", func() bool { return len(r.opened) == 3 })
	if r.l.resting {
		t.Error("the listener still rests")
	}
}

func TestW18FreedDescriptorEndsTheRest(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		spare, _ := r.pair()
		ln := r.listen()
		r.k.onAccept = func(int) (int, syscall.Errno) { return -1, syscall.EMFILE }
		client, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		r.until("accept", func() bool { return r.l.resting })
		r.k.onAccept = nil
		r.step()
		if len(r.opened) != 1 {
			t.Fatal("a resting listener accepted")
		}
		r.l.Close(spare, nil)
		r.until("Open without a tick", func() bool { return len(r.opened) == 2 })
	})
}

func TestW19AcceptPassesOnFailuresOfOneConnection(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		ln := r.listen()
		failures := []syscall.Errno{
			syscall.ECONNABORTED, syscall.EPROTO, syscall.EINTR, syscall.EPERM,
			syscall.ENETDOWN, syscall.EHOSTUNREACH, syscall.EOPNOTSUPP,
		}
		pending := failures
		r.k.onAccept = func(fd int) (int, syscall.Errno) {
			if len(pending) > 0 {
				errno := pending[0]
				pending = pending[1:]
				return -1, errno
			}
			return r.k.kernel.accept(fd)
		}
		r.dial(ln)
		if r.l.resting {
			t.Error("the listener rests")
		}
		if n := r.l.driver.Stats().AcceptErrors.Load(); n != uint64(len(failures)) {
			t.Errorf("AcceptErrors is %d, want %d", n, len(failures))
		}
		if n := r.l.driver.Stats().Accepted.Load(); n != 1 {
			t.Errorf("Accepted is %d, want 1", n)
		}
		if want := len(failures) + 2; r.k.accepts != want {
			t.Errorf("accept was called %d times, want %d: the failures, the connection, EAGAIN", r.k.accepts, want)
		}
	})
}

// TestW20AcceptStorm has more clients connect than one turn accepts.
func TestW20AcceptStorm(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		const clients = 2*acceptsPerTurn + 22
		ln := r.listen()
		echo, peer := r.pair()
		for range clients {
			c, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
		}
		for turn := 1; len(r.opened) < clients+1; turn++ {
			peer.send([]byte("x"))
			before := len(r.opened)
			r.step()
			if n := len(r.opened) - before; n > acceptsPerTurn {
				t.Fatalf("%d connections were accepted in one turn, want at most %d", n, acceptsPerTurn)
			}
			if n := len(r.data[echo]); n != turn {
				t.Fatalf("the open connection received %d bytes in %d turns", n, turn)
			}
			if turn > 1000 {
				t.Fatalf("%d of %d connections were accepted", len(r.opened)-1, clients)
			}
		}
	})
}

func TestW21WatchRefused(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.ENOMEM} {
		eachMechanism(t, func(t *testing.T, r *rig) {
			other, otherPeer := r.pair()
			ln := r.listen()
			r.m.onAdd = func() syscall.Errno { return errno }
			client, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			r.until("the refused descriptor to be closed", func() bool { return len(r.k.closes) == 1 })
			if len(r.opened) != 1 || r.l.count.Load() != 1 || r.l.driver.Stats().AcceptErrors.Load() != 1 {
				t.Errorf("%d opened, count %d, AcceptErrors %d, want 1 of each",
					len(r.opened), r.l.count.Load(), r.l.driver.Stats().AcceptErrors.Load())
			}
			r.m.onAdd = nil
			otherPeer.send([]byte("alive"))
			r.step()
			if string(r.data[other]) != "alive" {
				t.Errorf("the other connection received %q", r.data[other])
			}
			if next, _ := r.dial(ln); next.Slot() != 1 {
				t.Errorf("the next connection has slot %d, want the one given up", next.Slot())
			}
		})
	}
}

// TestW21InterestRefused has the kernel refuse a change of interest.
func TestW21InterestRefused(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		a, _ := r.pair()
		b, peer := r.pair()
		r.m.onModify = func() syscall.Errno { return syscall.ENOMEM }
		r.l.Pause(a)
		r.step()
		if r.closedWith[a] != syscall.ENOMEM {
			t.Errorf("Closed with %v, want ENOMEM", r.closedWith[a])
		}
		peer.send([]byte("alive"))
		r.step()
		if string(r.data[b]) != "alive" {
			t.Errorf("the other connection received %q", r.data[b])
		}
	})
}
