package pollertest

import (
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/wsloop/wsloop/poller"
)

// serveDialer serves a driver that can dial, and skips the test for one that cannot.
func serveDialer(t *testing.T, newDriver maker, n int, b behaviour) (*server, poller.Dialer) {
	t.Helper()
	s := serve(t, newDriver, n, b)
	d, ok := s.driver.(poller.Dialer)
	if !ok {
		t.Skipf("a driver of type %T opens no connections", s.driver)
	}
	return s, d
}

// addrOf is the address of a TCP listener.
func addrOf(ln net.Listener) netip.AddrPort { return ln.Addr().(*net.TCPAddr).AddrPort() }

// accept takes the far end of a dialed connection.
func accept(t testing.TB, ln net.Listener) *client {
	t.Helper()
	if err := ln.(interface{ SetDeadline(time.Time) error }).SetDeadline(time.Now().Add(deadline)); err != nil {
		t.Fatal(err)
	}
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(deadline)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &client{c, t}
}

// far listens for what the driver dials.
func far(t testing.TB, m maker) net.Listener {
	t.Helper()
	ln := m.farEnd(listen(t, "tcp4", "127.0.0.1:0"))
	t.Cleanup(func() { ln.Close() })
	return ln
}

func (m maker) farEnd(ln net.Listener) net.Listener {
	if m.transport.Listener != nil {
		return m.transport.Listener(ln)
	}
	return ln
}

// closedPort is an address at which nobody listens: that of a connection, so that until the test ends nobody else gets the port.
func closedPort(t testing.TB) netip.AddrPort {
	t.Helper()
	ours, _ := pair(t, "tcp4")
	return ours.LocalAddr().(*net.TCPAddr).AddrPort()
}

// freePort is a local address that can be bound.
func freePort(t testing.TB) netip.AddrPort {
	t.Helper()
	ln := listen(t, "tcp4", "127.0.0.1:0")
	defer ln.Close()
	return addrOf(ln)
}

func mustDial(t testing.TB, d poller.Dialer, order poller.Dial) {
	t.Helper()
	if err := d.Dial(&order); err != nil {
		t.Fatal(err)
	}
}

// checkConnecting uses every method of the loop with a connection that is being made.
func checkConnecting(t testing.TB, c *conn) {
	t.Helper()
	l := c.h.loop
	if err := l.Write(c.token, []byte("early")); !errors.Is(err, poller.ErrClosed) {
		t.Errorf("Write: %v, want ErrClosed", err)
	}
	if err := l.Writev(c.token, [][]byte{[]byte("early")}); !errors.Is(err, poller.ErrClosed) {
		t.Errorf("Writev: %v, want ErrClosed", err)
	}
	if n := l.Pending(c.token); n != 0 {
		t.Errorf("Pending: %d, want 0", n)
	}
	if n := l.Held(c.token); n != 0 {
		t.Errorf("Held: %d, want 0", n)
	}
	_, _ = l.RemoteAddr(c.token) // the system may know it already
	_, _ = l.Socket(c.token)
	l.CloseWrite(c.token)
	l.Pause(c.token)
	l.Resume(c.token)
}

func testDialConnects(t *testing.T, newDriver maker) {
	b := echo()
	b.dialing = func(c *conn) { checkConnecting(t, c) }
	b.open = func(c *conn) {
		if err := c.write([]byte("hello")); err != nil {
			t.Errorf("Write inside Connected: %v", err)
		}
	}
	s, d := serveDialer(t, newDriver, 2, b)
	ln := far(t, newDriver)
	for loop := range 2 {
		mustDial(t, d, poller.Dial{Addr: addrOf(ln), Loop: loop, Tag: loop})
		client := accept(t, ln)
		c := s.nextOpened()
		if !c.dialed || c.tag != loop || c.h.loop.Index() != loop {
			t.Errorf("loop %d got the connection, with tag %v, want %d", c.h.loop.Index(), c.tag, loop)
		}
		if addr, err := c.h.loop.RemoteAddr(c.token); err != nil || addr != addrOf(ln) {
			t.Errorf("RemoteAddr: %v, %v, want %v", addr, err, addrOf(ln))
		}
		client.expect([]byte("hello"))
		stream := pattern(uint64(loop), 300<<10)
		go client.Write(stream)
		client.expect(stream)
		client.closeWrite()
		client.expectEOF()
		if e := s.nextClosed(); e.conn != c {
			t.Error("Closed of another connection")
		}
	}
}

// testDialRefused is told either by Dial or by Closed, as systems differ.
func testDialRefused(t *testing.T, newDriver maker) {
	s, d := serveDialer(t, newDriver, 1, behaviour{})
	for range 20 {
		err := d.Dial(&poller.Dial{Addr: closedPort(t)})
		if err == nil {
			e := s.nextClosed()
			if err = e.err; !e.conn.connecting {
				t.Error("Connected came")
			}
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%v, want ECONNREFUSED", err)
		}
	}
	if err := d.Dial(&poller.Dial{}); err == nil {
		t.Error("a dial to nowhere succeeded")
	}
	if err := d.Dial(&poller.Dial{Addr: closedPort(t), Loop: 1}); err == nil {
		t.Error("a dial for a loop that does not exist succeeded")
	}
}

func testDialClosedWhileConnecting(t *testing.T, newDriver maker) {
	s, d := serveDialer(t, newDriver, 1, behaviour{dialing: func(c *conn) { c.close(errTest) }})
	ln := far(t, newDriver)
	for range 10 {
		mustDial(t, d, poller.Dial{Addr: addrOf(ln)})
		e := s.nextClosed()
		if !errors.Is(e.err, errTest) || !e.conn.connecting {
			t.Errorf("Closed with %v, Connected came: %v", e.err, !e.conn.connecting)
		}
		accept(t, ln).expectEnd()
		e.conn.h.do(func() { checkInert(t, e.conn) })
	}
}

// testDialPausedWhileConnecting pauses before there is a connection: the handler checks that nothing comes.
func testDialPausedWhileConnecting(t *testing.T, newDriver maker) {
	b := echo()
	b.dialing = func(c *conn) { c.pause() }
	s, d := serveDialer(t, newDriver, 1, b)
	ln := far(t, newDriver)
	mustDial(t, d, poller.Dial{Addr: addrOf(ln)})
	client := accept(t, ln)
	client.send([]byte("early"))
	client.closeWrite()
	c := s.nextOpened()
	c.h.turns(10)
	c.h.do(c.resume)
	client.expect([]byte("early"))
	client.expectEOF()
}

// testDialBalance has the loops with the fewest connections take what is dialed.
func testDialBalance(t *testing.T, newDriver maker) {
	const loops, dials = 3, 12
	s, d := serveDialer(t, newDriver, loops, behaviour{})
	ln := far(t, newDriver)
	var have [loops]int
	for range dials {
		mustDial(t, d, poller.Dial{Addr: addrOf(ln), Loop: -1})
		have[s.nextOpened().h.loop.Index()]++
	}
	for i, n := range have {
		if n != dials/loops {
			t.Errorf("loop %d has %d of %d connections", i, n, dials)
		}
	}
}

// testDialManyAtOnce dials from several goroutines. Each tag comes back once.
func testDialManyAtOnce(t *testing.T, newDriver maker) {
	const callers, dials, loops = 4, 50, 2
	s, d := serveDialer(t, newDriver, loops, echo())
	ln := far(t, newDriver)
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for range callers * dials {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			accepting.Go(func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(deadline))
				if _, err := c.Write([]byte("x")); err != nil {
					t.Error(err)
				}
				if n, err := c.Read(make([]byte, 2)); n != 1 || err != nil {
					t.Errorf("the echo: %d bytes, %v", n, err)
				}
			})
		}
	})
	defer accepting.Wait()
	defer ln.Close()
	for caller := range callers {
		accepting.Go(func() {
			for i := range dials {
				if err := d.Dial(&poller.Dial{Addr: addrOf(ln), Loop: -1, Tag: caller*dials + i}); err != nil {
					t.Errorf("Dial: %v", err)
				}
			}
		})
	}
	seen := map[any]bool{}
	for range callers * dials {
		seen[s.nextOpened().tag] = true
	}
	for range callers * dials {
		if e := s.nextClosed(); e.err != nil {
			t.Errorf("Closed with %v", e.err)
		}
	}
	if len(seen) != callers*dials {
		t.Errorf("%d tags came back, want %d", len(seen), callers*dials)
	}
}

func testDialFromAddress(t *testing.T, newDriver maker) {
	s, d := serveDialer(t, newDriver, 1, behaviour{})
	ln := far(t, newDriver)
	taken := far(t, newDriver)
	if err := d.Dial(&poller.Dial{Addr: addrOf(ln), Local: addrOf(taken)}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("Dial from the port of a listener: %v, want EADDRINUSE", err)
	}
	mapped := netip.AddrPortFrom(netip.AddrFrom16(addrOf(ln).Addr().As16()), 0)
	for _, local := range []netip.AddrPort{freePort(t), netip.MustParseAddrPort("127.0.0.2:0"), mapped} {
		to := addrOf(ln)
		if local == mapped {
			to = netip.AddrPortFrom(mapped.Addr(), to.Port())
		}
		err := d.Dial(&poller.Dial{Addr: to, Local: local})
		if errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Logf("this machine has no address %v", local.Addr())
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		got := accept(t, ln).RemoteAddr().(*net.TCPAddr).AddrPort()
		if got.Addr() != local.Addr().Unmap() || local.Port() != 0 && got.Port() != local.Port() {
			t.Errorf("the connection comes from %v, want %v", got, local)
		}
		s.nextOpened()
	}
}

func testDialUnix(t *testing.T, newDriver maker) {
	s, d := serveDialer(t, newDriver, 1, echo())
	path := filepath.Join(t.TempDir(), "s")
	if err := d.Dial(&poller.Dial{Path: path}); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("Dial without a listener: %v, want ENOENT", err)
	}
	ln := newDriver.farEnd(listen(t, "unix", path))
	defer ln.Close()
	mustDial(t, d, poller.Dial{Path: path, Tag: "unix"})
	client := accept(t, ln)
	if c := s.nextOpened(); c.tag != "unix" {
		t.Errorf("tag %v", c.tag)
	}
	stream := pattern(1, 300<<10)
	go client.Write(stream)
	client.expect(stream)
}

// testDialOnTheLoop dials inside callbacks: a chain of connections, each asked for when the one before is
// made or is closed.
func testDialOnTheLoop(t *testing.T, newDriver maker) {
	const chain = 10
	ln := far(t, newDriver)
	var d poller.Dialer
	next := func(c *conn) {
		if n := c.tag.(int); n < chain {
			mustDial(t, d, poller.Dial{Addr: addrOf(ln), Tag: n + 1})
		}
	}
	s, dialer := serveDialer(t, newDriver, 1, behaviour{
		open: func(c *conn) {
			if c.tag.(int)%2 == 0 {
				next(c)
			}
			c.close(nil)
		},
		closed: func(c *conn, _ error) {
			if c.tag.(int)%2 == 1 {
				next(c)
			}
		},
	})
	d = dialer
	mustDial(t, d, poller.Dial{Addr: addrOf(ln), Tag: 1})
	for n := range chain {
		if c := s.nextOpened(); c.tag != n+1 {
			t.Errorf("connection %d has tag %v", n+1, c.tag)
		}
		accept(t, ln).expectEnd()
	}
}

func testDialAfterStopAccepting(t *testing.T, newDriver maker) {
	s, d := serveDialer(t, newDriver, 1, echo())
	s.driver.StopAccepting()
	ln := far(t, newDriver)
	mustDial(t, d, poller.Dial{Addr: addrOf(ln)})
	client := accept(t, ln)
	client.send([]byte("hello"))
	client.expect([]byte("hello"))
}

// testDialWhileStopping dials all the while that the driver stops: Closed comes for each Dial that returned nil,
// and for no other.
func testDialWhileStopping(t *testing.T, newDriver maker) {
	s, d := serveDialer(t, newDriver, 2, behaviour{})
	path := filepath.Join(t.TempDir(), "s")
	ln := listen(t, "unix", path)
	defer ln.Close()
	var asked atomic.Int64
	var callers sync.WaitGroup
	for range 2 {
		callers.Go(func() {
			for {
				err := d.Dial(&poller.Dial{Path: path, Loop: -1})
				switch {
				case err == nil:
					asked.Add(1)
				case errors.Is(err, syscall.EAGAIN): // the backlog is full
				case errors.Is(err, poller.ErrStopped):
					return
				default:
					t.Errorf("Dial: %v", err)
					return
				}
			}
		})
	}
	await(t, "some dials", func() bool { return asked.Load() > 20 })
	s.driver.Stop()
	s.stop()
	callers.Wait()
	for range asked.Load() {
		if e := s.nextClosed(); !errors.Is(e.err, poller.ErrStopped) {
			t.Errorf("Closed with %v, want ErrStopped", e.err)
		}
	}
	if n := len(s.closed); n != 0 {
		t.Errorf("Closed came %d times more than asked for", n)
	}
}
