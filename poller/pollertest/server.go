package pollertest

import (
	"context"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsloop/wsloop/poller"
)

// deadline bounds every wait. A working driver is far from it on a slow machine.
const deadline = 60 * time.Second

// eventsMax is more than the connections of any test.
const eventsMax = 8192

// A server is a driver that serves a behaviour.
type server struct {
	t         testing.TB
	driver    poller.ListenerDriver
	transport Transport
	behaviour behaviour
	handlers  []*handler
	addr      net.Addr // of the first listener
	opened    chan *conn
	closed    chan ending
	served    chan error
	stopping  atomic.Bool
}

// An ending is a call of Closed.
type ending struct {
	conn *conn
	err  error
}

// serve starts a driver of n loops on a TCP port of the loopback interface.
func serve(t testing.TB, newDriver maker, n int, b behaviour) *server {
	t.Helper()
	return serveOn(t, newDriver, n, b, listen(t, "tcp4", "127.0.0.1:0"))
}

// serveOn starts a driver on listeners, and has it stopped and checked at the end
// of the test.
func serveOn(t testing.TB, newDriver maker, n int, b behaviour, listeners ...net.Listener) *server {
	t.Helper()
	s := &server{
		t: t, driver: newDriver.make(t, n), transport: newDriver.transport, behaviour: b,
		opened: make(chan *conn, eventsMax), closed: make(chan ending, eventsMax), served: make(chan error, 1),
	}
	s.addr = listeners[0].Addr()
	for _, ln := range listeners {
		if err := s.driver.AddListener(ln); err != nil {
			t.Fatal(err)
		}
	}
	ready := make(chan struct{})
	go func() {
		s.served <- s.driver.Serve(func(l poller.Loop) poller.Handler {
			h := &handler{server: s, loop: l, conns: map[poller.Token]*conn{}}
			s.handlers = append(s.handlers, h)
			if len(s.handlers) == n {
				close(ready)
			}
			return h
		})
	}()
	t.Cleanup(s.stop)
	receive(t, ready, "newHandler of every loop")
	return s
}

// stop stops the driver, once, and checks that no connection is left open.
func (s *server) stop() {
	if s.stopping.Swap(true) {
		return
	}
	s.driver.Stop()
	if err := receive(s.t, s.served, "Serve to return"); err != nil {
		s.t.Errorf("Serve: %v", err)
	}
	for _, h := range s.handlers {
		for t := range h.conns {
			s.t.Errorf("connection %#x of loop %d was opened and never closed", uint64(t), h.loop.Index())
		}
	}
}

// dial connects a client.
func (s *server) dial() *client {
	s.t.Helper()
	return s.dialTo(s.addr)
}

// dialTo does so at the address of any listener.
func (s *server) dialTo(addr net.Addr) *client {
	s.t.Helper()
	return dial(s.t, s, addr)
}

// open connects a client and returns both ends. No other client may connect
// meanwhile.
func (s *server) open() (*client, *conn) {
	s.t.Helper()
	client := s.dial()
	return client, s.nextOpened()
}

func (s *server) nextOpened() *conn {
	s.t.Helper()
	return receive(s.t, s.opened, "Open")
}

func (s *server) nextClosed() ending {
	s.t.Helper()
	return receive(s.t, s.closed, "Closed")
}

// listenOn listens at an address of its own, for "tcp4" and "unix".
func listenOn(t testing.TB, network string) net.Listener {
	t.Helper()
	if network == "unix" {
		return listen(t, network, filepath.Join(t.TempDir(), "s"))
	}
	return listen(t, network, "127.0.0.1:0")
}

func listen(t testing.TB, network, address string) net.Listener {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(context.Background(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// receive takes the next value, or fails the test at the deadline.
func receive[T any](t testing.TB, from <-chan T, what string) T {
	t.Helper()
	timer := time.NewTimer(deadline)
	defer timer.Stop()
	select {
	case v := <-from:
		return v
	case <-timer.C:
		t.Fatalf("gave up waiting for %s", what)
		panic("unreachable")
	}
}
