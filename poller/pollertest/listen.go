package pollertest

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/wsloop/wsloop/poller"
)

func testSeveralListeners(t *testing.T, newDriver maker) {
	listeners := []net.Listener{
		listen(t, "tcp4", "127.0.0.1:0"),
		listen(t, "tcp4", "127.0.0.1:0"),
		listen(t, "unix", filepath.Join(t.TempDir(), "s")),
	}
	var addrs []net.Addr
	for _, ln := range listeners {
		addrs = append(addrs, ln.Addr())
	}
	s := serveOn(t, newDriver, 2, echo(), listeners...)
	for i, addr := range addrs {
		for range 3 {
			client := s.dialTo(addr)
			stream := pattern(uint64(i), 100_000)
			go client.Write(stream)
			client.expect(stream)
		}
	}
	s.stop()
	for _, addr := range addrs {
		expectRefusal(t, addr)
	}
}

// expectRefusal expects that nobody listens at an address. A program beside the test may do so for a while, if it was given the port that was closed.
func expectRefusal(t testing.TB, addr net.Addr) {
	t.Helper()
	await(t, "the listener to be closed", func() bool {
		c, err := net.Dial(addr.Network(), addr.String())
		if err == nil {
			c.Close()
		}
		return err != nil
	})
}

func testUnixPathRemoved(t *testing.T, newDriver maker) {
	for name, end := range map[string]func(*server){
		"Stop":          func(s *server) { s.stop() },
		"StopAccepting": func(s *server) { s.driver.StopAccepting() },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			s := serveOn(t, newDriver, 1, echo(), listen(t, "unix", path))
			client := s.dial()
			client.send([]byte("hello"))
			client.expect([]byte("hello"))
			end(s)
			await(t, "the path to go", func() bool {
				_, err := os.Stat(path)
				return errors.Is(err, fs.ErrNotExist)
			})
		})
	}
}

// testUnixPathOfAnotherKept serves a listener that was inherited: its path is left to whoever
// made it.
func testUnixPathOfAnotherKept(t *testing.T, newDriver maker) {
	path := filepath.Join(t.TempDir(), "s")
	made := listen(t, "unix", path).(*net.UnixListener)
	made.SetUnlinkOnClose(false)
	f, err := made.File()
	if err != nil {
		t.Fatal(err)
	}
	made.Close()
	inherited, err := net.FileListener(f)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	s := serveOn(t, newDriver, 1, echo(), inherited)
	client := s.dial()
	client.send([]byte("hello"))
	client.expect([]byte("hello"))
	s.driver.StopAccepting()
	s.stop()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the path is gone: %v", err)
	}
}

// wsaConnRefused is what Windows reports; syscall.ECONNREFUSED is another number there.
const wsaConnRefused = syscall.Errno(10061)

func testStopAccepting(t *testing.T, newDriver maker) {
	s := serve(t, newDriver, 2, echo())
	var clients []*client
	for range 4 {
		client, _ := s.open()
		clients = append(clients, client)
	}
	s.driver.StopAccepting()
	s.driver.StopAccepting()
	accepted := 0
	await(t, "new connections to be refused", func() bool {
		c, err := net.Dial("tcp", s.addr.String())
		if err == nil {
			c.Close()
			if accepted++; accepted > eventsMax/2 {
				t.Fatalf("%d connections were accepted after StopAccepting", accepted)
			}
			for _, h := range s.handlers { // on a busy machine they may not have heard of it
				h.turns(1)
			}
		}
		return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, wsaConnRefused)
	})
	for i, client := range clients {
		stream := pattern(uint64(i), 200_000)
		go client.Write(stream)
		client.expect(stream)
	}
}

func testStopClosesAll(t *testing.T, newDriver maker) {
	const clients = 9
	s := serve(t, newDriver, 2, behaviour{})
	var all []*client
	for i := range clients {
		client, c := s.open()
		all = append(all, client)
		switch i % 3 {
		case 1:
			c.h.do(func() { fill(c) })
		case 2:
			c.h.do(c.pause)
		}
	}
	s.driver.Stop()
	s.stop()
	for range clients {
		if e := s.nextClosed(); !errors.Is(e.err, poller.ErrStopped) {
			t.Errorf("Closed with %v, want ErrStopped", e.err)
		}
	}
	for i, client := range all {
		if i%3 == 1 {
			_, _ = readAll(client)
			continue
		}
		client.expectEnd()
	}
}

func testStopBeforeServe(t *testing.T, newDriver maker) {
	d := newDriver.make(t, 2)
	ln := listen(t, "tcp4", "127.0.0.1:0")
	addr := ln.Addr()
	if err := d.AddListener(ln); err != nil {
		t.Fatal(err)
	}
	d.Stop()
	d.Stop()
	expectRefusal(t, addr)
}

// await polls for something that another goroutine or the kernel brings about.
func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for start := time.Now(); !done(); {
		if time.Since(start) > deadline {
			t.Fatalf("gave up waiting for %s", what)
		}
		runtime.Gosched()
	}
}
