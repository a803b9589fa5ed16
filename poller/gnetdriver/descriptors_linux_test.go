//go:build !gnetgate

package gnetdriver

import (
	"errors"
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wsloop/wsloop/poller"
)

// withoutDescriptors runs f while no descriptor can be opened.
func withoutDescriptors(t *testing.T, f func()) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	none := old
	none.Cur = 3
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Fatal(err)
		}
	}()
	f()
}

// TestNoDescriptors needs copies of descriptors when there are none. The connection is closed with the error.
func TestNoDescriptors(t *testing.T) {
	for _, test := range []struct {
		name    string
		prepare func(*rig, *net.TCPConn, poller.Token)
		act     func(*rig, *net.TCPConn, poller.Token)
	}{
		{"Write", nil, func(r *rig, _ *net.TCPConn, token poller.Token) {
			r.do(func() { r.fill(token) })
		}},
		{"Paused", func(r *rig, _ *net.TCPConn, token poller.Token) {
			r.do(func() { r.loop.Pause(token) })
		}, func(_ *rig, c *net.TCPConn, _ poller.Token) { _, _ = c.Write(make([]byte, 100)) }},
		{"EOF", nil, func(_ *rig, c *net.TCPConn, _ poller.Token) { c.CloseWrite() }},
		{"Resume", func(r *rig, c *net.TCPConn, token poller.Token) {
			r.do(func() { r.loop.Pause(token) })
			_, _ = c.Write(make([]byte, 100))
			r.await("gnet to forget the connection", func() bool { return r.loop.lookup(token).isHeld() })
		}, func(r *rig, _ *net.TCPConn, token poller.Token) { r.do(func() { r.loop.Resume(token) }) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, listen(t)).serve()
			c, token := r.open()
			if test.prepare != nil {
				test.prepare(r, c, token)
			}
			withoutDescriptors(t, func() {
				test.act(r, c, token)
				if err := receive(t, r.closed, "Closed"); !errors.Is(err, syscall.EMFILE) {
					t.Errorf("Closed with %v", err)
				}
			})
			r.open() // others are not harmed
		})
	}
}

// TestNoDescriptorsToAccept accepts later what it cannot accept at once.
func TestNoDescriptorsToAccept(t *testing.T) {
	r := newRig(t, listen(t)).serve()
	r.open()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	addr := r.driver.listeners[0].Addr().(*net.TCPAddr)
	withoutDescriptors(t, func() {
		if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: addr.Port}); err != nil {
			t.Fatal(err)
		}
		r.await("an error", func() bool { return r.driver.Stats().AcceptErrors.Load() > 1 })
	})
	receive(t, r.opened, "Open")
}

// TestNoDescriptorsToServe cannot begin, and says so.
func TestNoDescriptorsToServe(t *testing.T) {
	r := newRig(t, listen(t))
	withoutDescriptors(t, func() {
		if err := r.driver.Serve(func(poller.Loop) poller.Handler { return rigHandler{r} }); !errors.Is(err, syscall.EMFILE) {
			t.Errorf("Serve: %v", err)
		}
	})
}

// fill writes to a peer that does not read until bytes wait, or the connection is closed. It runs on the loop.
func (r *rig) fill(t poller.Token) (written int) {
	block := make([]byte, 1<<20)
	for r.loop.Pending(t) == 0 && r.loop.Write(t, block) == nil {
		written += len(block)
	}
	return written
}
