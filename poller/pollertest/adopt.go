package pollertest

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/wsloop/wsloop/poller"
)

// serveAdopter serves a driver that can adopt, and skips the test for one that cannot.
func serveAdopter(t *testing.T, newDriver maker, n int, b behaviour) (*server, poller.Adopter) {
	t.Helper()
	s := serve(t, newDriver, n, b)
	a, ok := s.driver.(poller.Adopter)
	if !ok {
		t.Skipf("a driver of type %T adopts no connections", s.driver)
	}
	return s, a
}

// pair makes a connection that the driver has nothing to do with: our end, and the one that a test gives away.
func pair(t testing.TB, network string) (*client, net.Conn) {
	t.Helper()
	ln := listenOn(t, network)
	defer ln.Close()
	ours := dial(t, &server{}, ln.Addr())
	theirs, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { theirs.Close() })
	return ours, theirs
}

func mustAdopt(t testing.TB, d poller.Adopter, a poller.Adoption) {
	t.Helper()
	if err := d.Adopt(&a); err != nil {
		t.Fatal(err)
	}
}

func testAdopt(t *testing.T, newDriver maker) {
	b := echo()
	b.dialing = func(c *conn) { checkConnecting(t, c) }
	s, d := serveAdopter(t, newDriver, 2, b)
	for i, network := range []string{"tcp4", "unix", "tcp4"} {
		client, given := pair(t, network)
		mustAdopt(t, d, poller.Adoption{Conn: given, Tag: i})
		c := s.nextOpened()
		if c.tag != i {
			t.Errorf("tag %v, want %d", c.tag, i)
		}
		if _, err := given.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the connection that was given away can be written: %v", err)
		}
		stream := pattern(uint64(i), 300<<10)
		go client.Write(stream)
		client.expect(stream)
		client.closeWrite()
		client.expectEOF()
		if e := s.nextClosed(); e.conn != c {
			t.Error("Closed of another connection")
		}
	}
}

// testAdoptWithInput has bytes in the hands of the one who gives the connection away, and more in the socket.
func testAdoptWithInput(t *testing.T, newDriver maker) {
	s, d := serveAdopter(t, newDriver, 1, echo())
	client, given := pair(t, "tcp4")
	client.send([]byte("first, second"))
	first := make([]byte, 5)
	if _, err := given.Read(first); err != nil {
		t.Fatal(err)
	}
	mustAdopt(t, d, poller.Adoption{Conn: given, Input: first})
	s.nextOpened()
	client.expect([]byte("first, second"))
}

func testAdoptPaused(t *testing.T, newDriver maker) {
	b := echo()
	b.dialing = func(c *conn) { c.pause() }
	s, d := serveAdopter(t, newDriver, 1, b)
	client, given := pair(t, "tcp4")
	client.send([]byte("second"))
	client.closeWrite()
	mustAdopt(t, d, poller.Adoption{Conn: given, Input: []byte("first, ")})
	c := s.nextOpened()
	c.h.turns(10)
	c.h.do(c.resume)
	client.expect([]byte("first, second"))
	client.expectEOF()
}

func testAdoptClosedAtOnce(t *testing.T, newDriver maker) {
	s, d := serveAdopter(t, newDriver, 1, behaviour{dialing: func(c *conn) { c.close(errTest) }})
	client, given := pair(t, "tcp4")
	mustAdopt(t, d, poller.Adoption{Conn: given, Input: []byte("never seen")})
	if e := s.nextClosed(); !errors.Is(e.err, errTest) || !e.conn.connecting {
		t.Errorf("Closed with %v, Connected came: %v", e.err, !e.conn.connecting)
	}
	client.expectEnd()
}

// testAdoptStopped leaves the connection with its owner.
func testAdoptStopped(t *testing.T, newDriver maker) {
	s, d := serveAdopter(t, newDriver, 1, behaviour{})
	s.stop()
	client, given := pair(t, "tcp4")
	if err := d.Adopt(&poller.Adoption{Conn: given}); !errors.Is(err, poller.ErrStopped) {
		t.Errorf("Adopt: %v, want ErrStopped", err)
	}
	if _, err := given.Write([]byte("still mine")); err != nil {
		t.Error(err)
	}
	client.expect([]byte("still mine"))
	ours, _ := net.Pipe()
	defer ours.Close()
	fresh := newDriver.make(t, 1)
	defer fresh.Stop()
	if err := fresh.(poller.Adopter).Adopt(&poller.Adoption{Conn: ours}); !errors.Is(err, poller.ErrUnsupported) {
		t.Errorf("Adopt of what has no descriptor: %v, want ErrUnsupported", err)
	}
}

// testAdoptWhileStopping has every connection end, whoever has it then.
func testAdoptWhileStopping(t *testing.T, newDriver maker) {
	for range 20 {
		s, d := serveAdopter(t, newDriver, 2, behaviour{})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				client, given := pair(t, "tcp4")
				if err := d.Adopt(&poller.Adoption{Conn: given}); err != nil {
					if !errors.Is(err, poller.ErrStopped) {
						t.Errorf("Adopt: %v", err)
					}
					given.Close()
				}
				client.expectEnd()
			})
		}
		s.stop()
		wg.Wait()
	}
}

// detaching is a behaviour that gives each connection up when bytes come.
func detaching(t testing.TB, to chan<- net.Conn) behaviour {
	return behaviour{data: func(c *conn, b []byte) int {
		conn, _, err := c.h.loop.(poller.Detacher).Detach(c.token)
		if err != nil {
			t.Errorf("Detach: %v", err)
			return len(b)
		}
		c.ended, c.closer = true, poller.ErrDetached
		if _, _, err := c.h.loop.(poller.Detacher).Detach(c.token); !errors.Is(err, poller.ErrClosed) {
			t.Errorf("Detach again: %v, want ErrClosed", err)
		}
		if _, err := conn.Write(b); err != nil {
			t.Error(err)
		}
		to <- conn
		return len(b)
	}}
}

// serveDetacher serves a driver whose loops can give connections up, and skips the test for one whose loops cannot.
func serveDetacher(t *testing.T, newDriver maker, b behaviour) *server {
	t.Helper()
	if newDriver.transport.Client != nil {
		t.Skip("nobody else can go on with what the peers speak here")
	}
	s := serve(t, newDriver, 1, b)
	if _, ok := s.handlers[0].loop.(poller.Detacher); !ok {
		t.Skipf("a loop of type %T detaches no connections", s.handlers[0].loop)
	}
	return s
}

func testDetach(t *testing.T, newDriver maker) {
	to := make(chan net.Conn, 1)
	s := serveDetacher(t, newDriver, detaching(t, to))
	client, c := s.open()
	client.send([]byte("h")) // one byte, which comes in one piece
	if e := s.nextClosed(); e.conn != c || !errors.Is(e.err, poller.ErrDetached) {
		t.Errorf("Closed with %v, want ErrDetached", e.err)
	}
	conn := receive(t, to, "the connection")
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(deadline)); err != nil {
		t.Fatal(err)
	}
	if conn.RemoteAddr().String() != client.LocalAddr().String() {
		t.Errorf("the remote address is %v, want %v", conn.RemoteAddr(), client.LocalAddr())
	}
	client.expect([]byte("h"))
	client.send([]byte("again"))
	b := make([]byte, 5)
	if _, err := io.ReadFull(conn, b); string(b) != "again" {
		t.Errorf("read %q, %v", b, err)
	}
	conn.Close()
	client.expectEOF()
	// The slot is another's now.
	other, _ := s.open()
	other.send([]byte("x"))
	other.expect([]byte("x"))
	receive(t, to, "the other connection").Close()
}

// testDetachBusy refuses to give up what still has output.
func testDetachBusy(t *testing.T, newDriver maker) {
	s := serveDetacher(t, newDriver, behaviour{})
	client, c := s.open()
	big := pattern(1, 16<<20)
	c.h.do(func() {
		if err := c.write(big); err != nil {
			t.Error(err)
		}
		if _, _, err := c.h.loop.(poller.Detacher).Detach(c.token); !errors.Is(err, poller.ErrBusy) {
			t.Errorf("Detach: %v, want ErrBusy", err)
		}
	})
	client.expect(big)
}

// testDetachWithInput gives a connection up on the turn after one whose input was left.
func testDetachWithInput(t *testing.T, newDriver maker) {
	to := make(chan net.Conn, 1)
	kept := make(chan []byte, 1)
	s := serveDetacher(t, newDriver, behaviour{data: func(*conn, []byte) int { return 0 }})
	client, c := s.open()
	client.send([]byte("left"))
	c.h.do(func() { c.pause() })
	c.h.turns(3)
	c.h.do(func() {
		conn, input, err := c.h.loop.(poller.Detacher).Detach(c.token)
		if err != nil {
			t.Errorf("Detach: %v", err)
		}
		c.ended, c.closer = true, poller.ErrDetached
		to <- conn
		kept <- input
	})
	conn := receive(t, to, "the connection")
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(deadline)); err != nil {
		t.Fatal(err)
	}
	// What was not read yet is in the socket.
	b := make([]byte, 4)
	n := copy(b, receive(t, kept, "the input"))
	if _, err := io.ReadFull(conn, b[n:]); err != nil || string(b) != "left" {
		t.Errorf("%q, %v", b, err)
	}
	if e := s.nextClosed(); e.conn != c || !errors.Is(e.err, poller.ErrDetached) {
		t.Errorf("Closed with %v, want ErrDetached", e.err)
	}
}

// testDetachEnded gives connections up whose peer sends no more, and then none whose own side has ended.
func testDetachEnded(t *testing.T, newDriver maker) {
	to, failure := make(chan net.Conn, 1), make(chan error, 1)
	s := serveDetacher(t, newDriver, behaviour{eof: func(c *conn) {
		conn, _, err := c.h.loop.(poller.Detacher).Detach(c.token)
		if err != nil {
			failure <- err
			c.close(nil)
			return
		}
		c.ended, c.closer = true, poller.ErrDetached
		to <- conn
	}})
	client, _ := s.open()
	client.closeWrite()
	conn := receive(t, to, "the connection")
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(deadline)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("read %d bytes, %v, want EOF", n, err)
	}
	if _, err := conn.Write([]byte("late")); err != nil {
		t.Error(err)
	}
	client.expect([]byte("late"))
	client, c := s.open()
	c.h.do(func() { c.h.loop.CloseWrite(c.token) })
	client.closeWrite()
	if err := receive(t, failure, "Detach"); !errors.Is(err, poller.ErrClosed) {
		t.Errorf("Detach: %v, want ErrClosed", err)
	}
}

// testDetachAndAdopt gives a connection up and takes it back, time and again.
func testDetachAndAdopt(t *testing.T, newDriver maker) {
	to := make(chan net.Conn, 1)
	s := serveDetacher(t, newDriver, detaching(t, to))
	d, ok := s.driver.(poller.Adopter)
	if !ok {
		t.Skipf("a driver of type %T adopts no connections", s.driver)
	}
	client, _ := s.open()
	for range 50 {
		client.send([]byte("x"))
		client.expect([]byte("x"))
		s.nextClosed()
		mustAdopt(t, d, poller.Adoption{Conn: receive(t, to, "the connection")})
		s.nextOpened()
	}
}
