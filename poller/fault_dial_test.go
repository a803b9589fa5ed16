//go:build linux

package poller

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"
)

// TestDialCallFails has each call of Dial fail. It is the caller who hears of it, nothing stays open, and
// the next Dial succeeds.
func TestDialCallFails(t *testing.T) {
	for _, test := range []struct {
		call   string
		errnos []syscall.Errno
		fail   func(k *faultKernel, errno syscall.Errno)
	}{
		{
			"socket",
			[]syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EACCES, syscall.EAFNOSUPPORT},
			func(k *faultKernel, errno syscall.Errno) {
				k.onDescriptor = func(target) (int, syscall.Errno) { return -1, errno }
			},
		},
		{
			"bind",
			[]syscall.Errno{syscall.EADDRINUSE, syscall.EADDRNOTAVAIL, syscall.EACCES},
			func(k *faultKernel, errno syscall.Errno) { k.onBind = func(int) syscall.Errno { return errno } },
		},
		{
			"connect",
			[]syscall.Errno{
				syscall.EADDRNOTAVAIL, syscall.EAGAIN, syscall.ECONNREFUSED, syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ETIMEDOUT,
				syscall.EPERM, syscall.EACCES, syscall.ENOENT,
			},
			func(k *faultKernel, errno syscall.Errno) {
				k.onConnect = func(int, target) syscall.Errno { return errno }
			},
		},
	} {
		t.Run(test.call, func(t *testing.T) {
			eachMechanism(t, func(t *testing.T, r *rig) {
				f := newFar(t)
				d := Dial{Addr: f.addr(), Local: netip.MustParseAddrPort("127.0.0.1:0"), Loop: -1}
				for _, errno := range test.errnos {
					test.fail(r.k, errno)
					if err := r.l.driver.Dial(&d); !errors.Is(err, errno) {
						t.Errorf("Dial: %v, want %v", err, errno)
					}
					r.step()
				}
				if n := r.l.count.Load(); len(r.opened) != 0 || n != 0 {
					t.Errorf("Dialing came %d times, the loop counts %d connections", len(r.opened), n)
				}
				r.k.onDescriptor, r.k.onBind, r.k.onConnect = nil, nil, nil
				token := r.started(d)
				f.accept()
				r.until("Connected", func() bool { return r.connected[token] == 1 })
			})
		})
	}
}

// TestDialGoesOn has calls fail that stop nothing.
func TestDialGoesOn(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		f := newFar(t)
		r.k.onConnect = func(fd int, to target) syscall.Errno {
			r.k.kernel.connect(fd, to)
			return syscall.EINTR
		}
		r.k.onLocalAddr = func(int) (netip.AddrPort, syscall.Errno) { return netip.AddrPort{}, syscall.ENOBUFS }
		token := r.started(Dial{Addr: f.addr()})
		f.accept()
		r.until("Connected", func() bool { return r.connected[token] == 1 })
	})
}

// TestDialAnswerOfAMoment has connect succeed at once, as over a Unix socket.
func TestDialAnswerOfAMoment(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		f := newFar(t)
		r.k.onConnect = func(fd int, to target) syscall.Errno {
			r.k.kernel.connect(fd, to)
			f.accept()
			return 0
		}
		token := r.started(Dial{Addr: f.addr()})
		r.until("Connected", func() bool { return r.connected[token] == 1 })
	})
}

func TestDialWatchRefused(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		f := newFar(t)
		r.m.onAdd = func() syscall.Errno { return syscall.ENOSPC }
		token := r.started(Dial{Addr: f.addr(), Tag: 1})
		if r.tags[token] != 1 || r.closedWith[token] != syscall.ENOSPC || r.connected[token] != 0 {
			t.Errorf("Closed with %v, want ENOSPC", r.closedWith[token])
		}
		reason := errors.New("closed by the test")
		r.onDialing = func(token Token) {
			r.l.Pause(token)
			r.l.Close(token, reason)
		}
		if token := r.started(Dial{Addr: f.addr()}); r.closedWith[token] != reason {
			t.Errorf("Closed with %v, want what the handler said", r.closedWith[token])
		}
		if n := r.l.count.Load(); n != 0 {
			t.Errorf("the loop counts %d connections", n)
		}
	})
}

// TestDialInterestRefused has the kernel refuse the change of interest that a connection needs once it is made.
func TestDialInterestRefused(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		f := newFar(t)
		r.m.onModify = func() syscall.Errno { return syscall.ENOMEM }
		token := r.started(Dial{Addr: f.addr()})
		f.accept()
		r.until("Closed", func() bool { return r.closedCount[token] > 0 })
		if r.closedWith[token] != syscall.ENOMEM || r.connected[token] != 0 {
			t.Errorf("Closed with %v, Connected came %d times", r.closedWith[token], r.connected[token])
		}
	})
}

// TestDialEndReadFails asks what became of a connection, again and again, until it is told.
func TestDialEndReadFails(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		f := newFar(t)
		f.Close()
		stumbles := []syscall.Errno{syscall.EAGAIN, syscall.EINTR, syscall.EAGAIN}
		r.k.onRead = func(fd int, b []byte) (int, syscall.Errno) {
			if len(stumbles) > 0 {
				errno := stumbles[0]
				stumbles = stumbles[1:]
				return -1, errno
			}
			return r.k.kernel.read(fd, b)
		}
		token := r.started(Dial{Addr: f.addr()})
		r.until("Closed", func() bool { return r.closedCount[token] > 0 })
		if r.closedWith[token] != syscall.ECONNREFUSED || len(stumbles) != 0 {
			t.Errorf("Closed with %v, want ECONNREFUSED", r.closedWith[token])
		}
	})
}
