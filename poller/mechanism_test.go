//go:build linux

package poller

import (
	"fmt"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A watch is a mechanism and a socket pair; the test watches one end.
type watch struct {
	*testing.T
	mechanism
	fd   int
	peer peer
}

// eachWatch runs a test over every mechanism, without a loop.
func eachWatch(t *testing.T, test func(*testing.T, *watch)) {
	kqueue, _ := fakeKqueue(newKernel)
	for name, make := range map[string]func() (mechanism, error){"Epoll": newMechanism, "Kqueue": kqueue} {
		t.Run(name, func(t *testing.T) {
			m, err := make()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(m.close)
			w := &watch{T: t, mechanism: m}
			w.fd, w.peer = w.pair()
			test(t, w)
		})
	}
}

func (w *watch) pair() (int, peer) {
	w.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		w.Fatal(err)
	}
	p := peer{w.T, fds[1], new(bool)}
	w.Cleanup(func() { unix.Close(fds[0]); p.close() })
	return fds[0], p
}

// now joins what is reported without waiting, by token.
func (w *watch) now() map[Token]readiness {
	w.Helper()
	var events [maxEvents]event
	n, errno := w.poll(events[:], 0)
	if errno != 0 {
		w.Fatal(errno)
	}
	ready := map[Token]readiness{}
	for _, ev := range events[:n] {
		ready[ev.token] |= ev.ready
	}
	return ready
}

// raw is the number of events of the kernel, the waker's own among them.
func (w *watch) raw() int {
	n := 0
	switch m := w.mechanism.(type) {
	case *epoll:
		n, _ = epollWaitRaw(m.fd, m.events[:], 0)
	case *kqueue:
		n, _ = m.queue.wait(nil, m.events[:], 0, false)
	}
	return n
}

func (w *watch) must(errno syscall.Errno) {
	w.Helper()
	if errno != 0 {
		w.Fatal(errno)
	}
}

func TestMechanismReportsInterest(t *testing.T) {
	eachWatch(t, func(t *testing.T, w *watch) {
		token := MakeToken(7, 9)
		want := func(step string, r readiness) {
			t.Helper()
			for range 2 { // level-triggered: what was not done is reported again
				if got := w.now(); got[token] != r || r == 0 && len(got) != 0 {
					t.Fatalf("%s: %v, want %v", step, got, r)
				}
			}
		}
		w.must(w.add(w.fd, token, interestRead))
		want("nothing to read", 0)
		w.peer.send([]byte("x"))
		want("a byte to read", readyRead)
		w.must(w.modify(w.fd, token, interestRead, interestRead|interestWrite))
		want("a byte to read and room to write", readyRead|readyWrite)
		w.must(w.modify(w.fd, token, interestRead|interestWrite, interestWrite))
		want("room to write", readyWrite)
		w.must(w.modify(w.fd, token, interestWrite, 0))
		want("no interest", 0)
		w.must(w.modify(w.fd, token, 0, interestRead))
		want("interest again", readyRead)
		w.must(w.remove(w.fd, interestRead))
		want("removed", 0)
		w.must(w.add(w.fd, token, interestRead))
		want("added again", readyRead)
	})
}

func TestMechanismReportsTheEnd(t *testing.T) {
	eachWatch(t, func(t *testing.T, w *watch) {
		token := MakeToken(1, 1)
		w.must(w.add(w.fd, token, interestRead))
		w.peer.send([]byte("x"))
		w.peer.shutdown()
		if got := w.now()[token]; got != readyRead {
			t.Errorf("after FIN: %v, want reading alone", got)
		}
		w.must(w.modify(w.fd, token, interestRead, interestRead|interestWrite))
		w.peer.close()
		if got := w.now()[token]; got&readyRead == 0 || got&readyHangup == 0 || got&readyError != 0 {
			t.Errorf("after the peer closed: %v, want reading and hang-up", got)
		}
	})
}

// TestMechanismReportsAnError has the peer close with bytes it did not read, which is a
// reset.
func TestMechanismReportsAnError(t *testing.T) {
	eachWatch(t, func(t *testing.T, w *watch) {
		token := MakeToken(1, 1)
		w.must(w.add(w.fd, token, interestWrite))
		writeRaw(w.fd, []byte("x"))
		w.peer.close()
		if got := w.now()[token]; got&readyHangup == 0 || got&readyError == 0 {
			t.Errorf("after a reset: %v, want hang-up and error", got)
		}
	})
}

// TestMechanismReportsUnwatchedOnce has the peer close while nothing is watched for.
// What there is to read is reported once that is watched again.
func TestMechanismReportsUnwatchedOnce(t *testing.T) {
	eachWatch(t, func(t *testing.T, w *watch) {
		token := MakeToken(1, 1)
		w.must(w.add(w.fd, token, interestRead))
		w.must(w.modify(w.fd, token, interestRead, 0))
		w.peer.send([]byte("x"))
		w.peer.close()
		if got := w.now()[token]; got&^readyHangup != 0 {
			t.Errorf("after the peer closed: %v, want hang-up at most", got)
		}
		for range 3 {
			if got := w.now(); len(got) != 0 {
				t.Errorf("%v is reported again", got)
			}
		}
		w.must(w.modify(w.fd, token, 0, interestRead))
		for range 3 {
			if got := w.now()[token]; got&readyRead == 0 {
				t.Errorf("watched again: %v, want reading", got)
			}
		}
	})
}

func TestMechanismRefuses(t *testing.T) {
	eachWatch(t, func(t *testing.T, w *watch) {
		if errno := w.add(-1, MakeToken(1, 1), interestRead); errno != syscall.EBADF {
			t.Errorf("add of no descriptor: %v, want EBADF", errno)
		}
		if errno := w.modify(w.fd, MakeToken(1, 1), interestRead, 0); errno != syscall.ENOENT {
			t.Errorf("modify of what was not added: %v, want ENOENT", errno)
		}
	})
}

func TestMechanismWakes(t *testing.T) {
	eachWatch(t, func(t *testing.T, w *watch) {
		const forever = int(never / 1e6)
		var events [maxEvents]event
		wait := map[string]func([]event, int) (int, syscall.Errno){"poll": w.poll, "block": w.block}
		for name, wait := range wait {
			// A wake before the wait is not lost, and two are as good as one.
			w.must(w.wake())
			w.must(w.wake())
			if n, errno := wait(events[:], forever); n != 0 || errno != 0 {
				t.Errorf("%s: %d events, %v, want none", name, n, errno)
			}
			if n := w.raw(); n != 0 {
				t.Errorf("%s: the waker is still ready, the loop would spin", name)
			}
		}
		done := make(chan int)
		go func() {
			n, _ := w.block(events[:], forever)
			done <- n
		}()
		w.must(w.wake())
		if n := arrives(t, done, "the wait to end"); n != 0 {
			t.Errorf("%d events, want none", n)
		}
	})
}

// TestMechanismStarvesNone has more descriptors ready than one wait takes, and deals
// with those it is told of.
func TestMechanismStarvesNone(t *testing.T) {
	eachWatch(t, func(t *testing.T, w *watch) {
		const watched = 20
		for i := range watched {
			fd, peer := w.pair()
			peer.send([]byte("x"))
			w.must(w.add(fd, MakeToken(uint32(i), 1), interestRead))
		}
		seen := map[Token]bool{}
		var events [3]event
		for range 10 * watched {
			n, errno := w.poll(events[:], 0)
			w.must(errno)
			for _, ev := range events[:n] {
				seen[ev.token] = true
			}
		}
		if len(seen) != watched {
			t.Errorf("%d of %d ready descriptors were reported", len(seen), watched)
		}
	})
}

func TestAppendChanges(t *testing.T) {
	const token = Token(42)
	read := func(flags uint16) kevent { return kevent{ident: 5, filter: filterRead, flags: flags, token: token} }
	write := func(flags uint16) kevent { return kevent{ident: 5, filter: filterWrite, flags: flags, token: token} }
	const both = interestRead | interestWrite
	for _, test := range []struct {
		from, to interest
		want     []kevent
	}{
		{0, 0, nil},
		{0, interestRead, []kevent{read(kqAdd)}},
		{0, interestWrite, []kevent{write(kqAdd)}},
		{0, both, []kevent{read(kqAdd), write(kqAdd)}},
		{interestRead, 0, []kevent{read(kqDelete)}},
		{interestRead, interestRead, nil},
		{interestRead, interestWrite, []kevent{read(kqDelete), write(kqAdd)}},
		{interestRead, both, []kevent{write(kqAdd)}},
		{interestWrite, 0, []kevent{write(kqDelete)}},
		{interestWrite, interestRead, []kevent{read(kqAdd), write(kqDelete)}},
		{interestWrite, interestWrite, nil},
		{interestWrite, both, []kevent{read(kqAdd)}},
		{both, 0, []kevent{read(kqDelete), write(kqDelete)}},
		{both, interestRead, []kevent{write(kqDelete)}},
		{both, interestWrite, []kevent{read(kqDelete)}},
		{both, both, nil},
	} {
		t.Run(fmt.Sprintf("%02b-%02b", test.from, test.to), func(t *testing.T) {
			if got := appendChanges(nil, 5, token, test.from, test.to); !slices.Equal(got, test.want) {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

func TestTranslateKevents(t *testing.T) {
	for _, test := range []struct {
		name string
		from []kevent
		want []event
	}{
		{"None", nil, nil},
		{"Read", []kevent{{filter: filterRead, token: 1}}, []event{{1, readyRead}}},
		{"ReadEOF", []kevent{{filter: filterRead, flags: kqEOF, token: 1}}, []event{{1, readyRead}}},
		{"ReadReset", []kevent{{filter: filterRead, flags: kqEOF, fflags: 54, token: 1}}, []event{{1, readyRead}}},
		{"ReadError", []kevent{{filter: filterRead, flags: kqError, token: 1}}, []event{{1, readyRead | readyHangup | readyError}}},
		{"Write", []kevent{{filter: filterWrite, token: 1}}, []event{{1, readyWrite}}},
		{"WriteEOF", []kevent{{filter: filterWrite, flags: kqEOF, token: 1}}, []event{{1, readyWrite | readyHangup}}},
		{"WriteReset", []kevent{{filter: filterWrite, flags: kqEOF, fflags: 54, token: 1}}, []event{{1, readyWrite | readyHangup | readyError}}},
		{"WriteError", []kevent{{filter: filterWrite, flags: kqError, token: 1}}, []event{{1, readyWrite | readyHangup | readyError}}},
		{"User", []kevent{{filter: filterUser, token: MakeToken(slotWake, 0)}}, nil},
		{
			"BothAroundUser",
			[]kevent{{filter: filterRead, token: 1}, {filter: filterUser}, {filter: filterWrite, token: 1}, {filter: filterRead, token: 2}},
			[]event{{1, readyRead}, {1, readyWrite}, {2, readyRead}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			events := make([]event, maxEvents)
			if got := events[:translateKevents(events, test.from)]; !slices.Equal(got, test.want) {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}
