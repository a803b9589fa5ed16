package pollertest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/wsloop/wsloop/poller"
)

var errTest = errors.New("closed by the test")

func testEventsInOrder(t *testing.T, newDriver maker) {
	var events []string
	note := func(s string) {
		if len(events) == 0 || events[len(events)-1] != s {
			events = append(events, s)
		}
	}
	s := serve(t, newDriver, 1, behaviour{
		open: func(*conn) { note("open") },
		data: func(_ *conn, b []byte) int { note("data"); return len(b) },
		eof: func(c *conn) {
			note("eof")
			if err := c.write([]byte("bye")); err != nil {
				t.Errorf("Write inside EOF: %v", err)
			}
			if c.pending() == 0 {
				c.close(errTest)
			}
		},
		drained: func(c *conn) { c.close(errTest) },
		closed:  func(*conn, error) { note("closed") },
	})
	client := s.dial()
	client.send(pattern(1, 300<<10))
	client.closeWrite()
	client.expect([]byte("bye"))
	client.expectEOF()
	s.nextClosed()
	s.stop()
	if want := []string{"open", "data", "eof", "closed"}; !slices.Equal(events, want) {
		t.Errorf("events %v, want %v", events, want)
	}
}

// testOpenAndClosedBalance has clients go in every way; the handler and stop check
// the balance.
func testOpenAndClosedBalance(t *testing.T, newDriver maker) {
	const clients = 200
	s := serve(t, newDriver, 2, behaviour{
		open: func(c *conn) {
			if c.token.Slot()%5 == 4 {
				c.close(errTest)
			}
		},
		data: func(c *conn, b []byte) int {
			_ = c.write(b) // the peer may be gone
			return len(b)
		},
		eof: func(c *conn) { c.close(nil) },
	})
	for i := range clients {
		client := s.dial()
		switch i % 4 {
		case 1:
			_, _ = client.Write([]byte("x"))
		case 2:
			_, _ = client.Write([]byte("x"))
			client.reset()
		case 3:
			client.reset()
		}
		client.Close()
	}
	seen := map[*conn]bool{}
	for range clients {
		seen[s.nextClosed().conn] = true
	}
	if len(seen) != clients {
		t.Errorf("%d connections were closed, want %d", len(seen), clients)
	}
}

func testCloseInEveryCallback(t *testing.T, newDriver maker) {
	big := make([]byte, 16<<20)
	end := func(c *conn) { c.close(errTest) }
	endAll := func(h *handler) {
		for _, c := range h.conns {
			end(c)
		}
	}
	none := func(*client) {}
	for _, test := range []struct {
		name string
		b    behaviour
		act  func(*client)
	}{
		{"Open", behaviour{open: end}, none},
		{"Data", behaviour{data: func(c *conn, b []byte) int { end(c); return len(b) / 2 }}, func(c *client) { c.send(make([]byte, 1000)) }},
		{"DataOfRest", behaviour{data: func(c *conn, b []byte) int {
			if len(b) > 5 {
				return len(b) - 5
			}
			end(c)
			return 0
		}}, func(c *client) { c.send(make([]byte, 1000)) }},
		{"EOF", behaviour{eof: end}, func(c *client) { c.closeWrite() }},
		{"Drained", behaviour{open: func(c *conn) {
			_ = c.write(big)
			if c.pending() == 0 { // a driver that writes in pieces has found a peer that reads as fast
				end(c)
			}
		}, drained: end}, func(c *client) { c.expect(big) }},
		{"Flush", behaviour{flush: endAll}, none},
		{"Tick", behaviour{tick: func(h *handler, _ time.Duration) { endAll(h) }}, none},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, newDriver, 1, test.b)
			client := s.dial()
			test.act(client)
			e := s.nextClosed()
			if !errors.Is(e.err, errTest) {
				t.Errorf("Closed with %v, want %v", e.err, errTest)
			}
			client.expectEnd()
			e.conn.h.do(func() { checkInert(t, e.conn) })
		})
	}
}

// checkInert uses every method of the loop with a token of the past.
func checkInert(t testing.TB, c *conn) {
	t.Helper()
	l := c.h.loop
	if err := l.Write(c.token, []byte("stale")); !errors.Is(err, poller.ErrClosed) {
		t.Errorf("Write: %v, want ErrClosed", err)
	}
	if err := l.Writev(c.token, [][]byte{[]byte("stale")}); !errors.Is(err, poller.ErrClosed) {
		t.Errorf("Writev: %v, want ErrClosed", err)
	}
	if n := l.TryWrite(c.token, []byte("sta"), []byte("le")); n != 0 {
		t.Errorf("TryWrite: %d, want 0", n)
	}
	if _, err := l.RemoteAddr(c.token); !errors.Is(err, poller.ErrClosed) {
		t.Errorf("RemoteAddr: %v, want ErrClosed", err)
	}
	if _, err := l.Socket(c.token); !errors.Is(err, poller.ErrClosed) {
		t.Errorf("Socket: %v, want ErrClosed", err)
	}
	if n := l.Pending(c.token); n != 0 {
		t.Errorf("Pending: %d, want 0", n)
	}
	if n := l.Held(c.token); n != 0 {
		t.Errorf("Held: %d, want 0", n)
	}
	l.Pause(c.token)
	l.Resume(c.token)
	l.CloseWrite(c.token)
	l.Close(c.token, errors.New("stale"))
}

func testCloseTwice(t *testing.T, newDriver maker) {
	s := serve(t, newDriver, 1, behaviour{})
	_, c := s.open()
	c.h.do(func() {
		c.close(errTest)
		c.close(errors.New("the second reason"))
		if err := c.write([]byte("x")); !errors.Is(err, poller.ErrClosed) {
			t.Errorf("Write after Close in one turn: %v, want ErrClosed", err)
		}
		c.h.loop.CloseWrite(c.token)
		c.h.loop.Pause(c.token)
		c.h.loop.Resume(c.token)
	})
	if e := s.nextClosed(); !errors.Is(e.err, errTest) {
		t.Errorf("Closed with %v, want the first reason", e.err)
	}
}

// testCloseFromClosedOfAnother closes a chain of connections, each inside Closed of
// the one before.
func testCloseFromClosedOfAnother(t *testing.T, newDriver maker) {
	const chain = 10
	var conns []*conn
	s := serve(t, newDriver, 1, behaviour{closed: func(*conn, error) {
		if len(conns) > 0 {
			next := conns[0]
			conns = conns[1:]
			next.close(errTest)
		}
	}})
	var all []*conn
	var clients []*client
	for range chain {
		client, c := s.open()
		clients, all = append(clients, client), append(all, c)
	}
	all[0].h.do(func() {
		conns = all[1:]
		all[0].close(errTest)
	})
	for i := range chain {
		if e := s.nextClosed(); e.conn != all[i] {
			t.Errorf("Closed number %d is of another connection", i)
		}
	}
	for _, client := range clients {
		client.expectEnd()
	}
}

// testStaleToken keeps the tokens of connections that are gone, and has them do no
// harm to those that came after.
func testStaleToken(t *testing.T, newDriver maker) {
	s := serve(t, newDriver, 1, echo())
	var stale []*conn
	slots := map[uint32]bool{}
	for range 5 {
		client, c := s.open()
		slots[c.token.Slot()] = true
		c.h.do(func() { c.close(nil) })
		s.nextClosed()
		client.expectEnd()
		stale = append(stale, c)
	}
	client, c := s.open()
	if !slots[c.token.Slot()] {
		t.Errorf("slot %d is new although slots were given up", c.token.Slot())
	}
	stale = append(stale,
		&conn{h: c.h, token: 0},
		&conn{h: c.h, token: poller.MakeToken(c.token.Slot(), c.token.Generation()+1)},
		&conn{h: c.h, token: poller.MakeToken(500, 1)},
		&conn{h: c.h, token: poller.MakeToken(1<<30, 1)})
	for i := range 20 {
		c.h.do(func() {
			for _, old := range stale {
				checkInert(t, old)
			}
		})
		message := fmt.Appendf(nil, "message %d", i)
		client.send(message)
		client.expect(message)
	}
}

func testPeerResets(t *testing.T, newDriver maker) {
	for _, test := range []struct {
		name    string
		prepare func(*client, *conn)
		after   func(*conn)
	}{
		{"Idle", func(*client, *conn) {}, nil},
		{"UnreadBytes", func(client *client, _ *conn) { client.send(pattern(1, 100<<10)) }, nil},
		{"Queue", func(_ *client, c *conn) { c.h.do(func() { fill(c) }) }, nil},
		{"Paused", func(_ *client, c *conn) { c.h.do(c.pause) }, func(c *conn) {
			c.h.do(func() {
				if !c.closed {
					c.resume()
				}
			})
		}},
		{"WriteClosed", func(_ *client, c *conn) { c.h.do(func() { c.h.loop.CloseWrite(c.token) }) }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, newDriver, 1, behaviour{})
			client, c := s.open()
			test.prepare(client, c)
			client.reset()
			if test.after != nil {
				test.after(c)
			}
			if e := s.nextClosed(); e.err == nil {
				t.Error("Closed without an error")
			}
		})
	}
}
