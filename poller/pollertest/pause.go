package pollertest

import (
	"fmt"
	"io"
	"testing"
)

// quietTurns is how many turns stand for "it does not come".
const quietTurns = 30

func testPauseKeepsBytes(t *testing.T, newDriver maker) {
	s := serve(t, newDriver, 1, behaviour{
		open: func(c *conn) { c.pause() },
		data: echo().data,
	})
	client, c := s.open()
	stream := pattern(7, 100<<10)
	client.send(stream[:1000])
	c.h.turns(quietTurns) // Data while paused fails the test
	c.h.do(c.pause)       // twice is once
	c.h.do(c.resume)
	c.h.do(c.resume)
	client.send(stream[1000:])
	client.expect(stream)
}

func testPauseKeepsRest(t *testing.T, newDriver maker) {
	arrived := make(chan int, 100)
	s := serve(t, newDriver, 1, behaviour{
		data: func(c *conn, b []byte) int {
			n := min(len(b), 10)
			_ = c.write(b[:n])
			c.pause()
			arrived <- n
			return n
		},
	})
	client, c := s.open()
	stream := pattern(8, 95)
	client.send(stream)
	for total := 0; total < len(stream); {
		total += receive(t, arrived, "Data after Resume")
		c.h.turns(2)
		c.h.do(c.resume)
	}
	client.expect(stream)
}

func testPauseKeepsEOF(t *testing.T, newDriver maker) {
	got := 0
	s := serve(t, newDriver, 1, behaviour{
		open: func(c *conn) { c.pause() },
		data: func(c *conn, b []byte) int {
			// With a rest behind, EOF must wait longer still.
			if len(b) > 1 {
				got += len(b) - 1
				return len(b) - 1
			}
			got++
			return 1
		},
		eof: func(c *conn) {
			if got != 1000 {
				t.Errorf("EOF after %d bytes, want 1000", got)
			}
			c.close(errTest)
		},
	})
	client, c := s.open()
	client.send(make([]byte, 1000))
	client.closeWrite()
	c.h.turns(quietTurns)
	c.h.do(c.resume)
	s.nextClosed()
}

// testPauseInsideData pauses with bytes left. They wait for Resume, and come before
// those that arrive meanwhile.
func testPauseInsideData(t *testing.T, newDriver maker) {
	stream := pattern(11, 200<<10)
	left := stream
	paused := make(chan bool, 100) // false: it ended
	s := serve(t, newDriver, 1, behaviour{
		data: func(c *conn, b []byte) int {
			n := (len(b) + 1) / 2
			if i := firstDifference(b[:n], left[:min(n, len(left))]); i >= 0 {
				t.Errorf("wrong byte at offset %d", len(stream)-len(left)+i)
			}
			left = left[min(n, len(left)):]
			c.pause()
			paused <- true
			return n
		},
		eof:    func(c *conn) { c.close(nil) },
		closed: func(*conn, error) { paused <- false },
	})
	client, c := s.open()
	client.send(stream[:1000])
	receive(t, paused, "Data")
	client.send(stream[1000:])
	client.closeWrite()
	c.h.turns(quietTurns) // Data and EOF while paused fail the test
	c.h.do(c.resume)
	for receive(t, paused, "Data of the rest") {
		c.h.do(c.resume)
	}
	if len(left) != 0 {
		t.Errorf("%d bytes did not come", len(left))
	}
}

// testPauseAndResumeInOneTurn does so often in every callback, and leaves bytes in
// between.
func testPauseAndResumeInOneTurn(t *testing.T, newDriver maker) {
	const often = 20
	toggle := func(c *conn) {
		for range often {
			c.pause()
			c.resume()
		}
	}
	e := echo()
	s := serve(t, newDriver, 1, behaviour{
		open: toggle,
		data: func(c *conn, b []byte) int {
			toggle(c)
			n := (len(b) + 1) / 2
			return e.data(c, b[:n])
		},
		eof:     func(c *conn) { toggle(c); e.eof(c) },
		drained: func(c *conn) { toggle(c); e.drained(c) },
		flush: func(h *handler) {
			for _, c := range h.conns {
				toggle(c)
			}
		},
	})
	client := s.dial()
	stream := pattern(12, 64<<10)
	client.send(stream)
	client.expect(stream)
	client.closeWrite()
	client.expectEOF()
	if e := s.nextClosed(); e.err != nil {
		t.Errorf("Closed with %v", e.err)
	}
}

// testResumeFromAnother has two connections take turns: whichever receives pauses
// itself, leaves bytes, and resumes the other.
func testResumeFromAnother(t *testing.T, newDriver maker) {
	other := map[*conn]*conn{}
	s := serve(t, newDriver, 1, behaviour{data: func(c *conn, b []byte) int {
		n := (len(b) + 2) / 3
		_ = c.write(b[:n])
		if o := other[c]; o != nil {
			c.pause()
			o.resume()
		}
		return n
	}})
	a, first := s.open()
	b, second := s.open()
	first.h.do(func() {
		other[first], other[second] = second, first
		second.pause()
	})
	got := make(chan []byte, 2)
	for i, client := range []*client{a, b} {
		stream := pattern(uint64(13+i), 30_000)
		client.send(stream)
		go func() {
			echoed := make([]byte, len(stream))
			_, _ = io.ReadFull(client, echoed)
			got <- echoed
		}()
	}
	for range 2 {
		all := receive(t, got, "the echo")
		if firstDifference(all, pattern(13, 30_000)) >= 0 && firstDifference(all, pattern(14, 30_000)) >= 0 {
			t.Error("the echo differs from what was sent")
		}
		// Who has received all gives the turn to nobody any more.
		first.h.do(func() {
			clear(other)
			first.resume()
			second.resume()
		})
	}
}

// testPauseThenPeerCloses has the peer send and close while it is paused, with and
// without bytes that were left before, with and without our own FIN. All of it comes after
// Resume, then the end. A Unix socket shuts both directions when its peer closes, and
// so does TCP when FIN went the other way before.
func testPauseThenPeerCloses(t *testing.T, newDriver maker) {
	for _, network := range []string{"tcp4", "unix"} {
		for _, closeWrite := range []bool{false, true} {
			for _, rest := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/CloseWrite=%v/Rest=%v", network, closeWrite, rest), func(t *testing.T) {
					pauseThenPeerCloses(t, newDriver, network, closeWrite, rest)
				})
			}
		}
	}
}

func pauseThenPeerCloses(t *testing.T, newDriver maker, network string, closeWrite, rest bool) {
	stream := pattern(15, 40<<10) // no more than a socket takes unread, with its FIN
	var got []byte
	paused := make(chan struct{}, 1)
	s := serveOn(t, newDriver, 1, behaviour{
		data: func(c *conn, b []byte) int {
			n := len(b)
			if len(got) == 0 && rest {
				n = 1
				c.pause()
				paused <- struct{}{}
			}
			got = append(got, b[:n]...)
			return n
		},
		eof: func(c *conn) { c.close(errTest) },
	}, listenOn(t, network))
	client, c := s.open()
	c.h.do(func() {
		if closeWrite {
			c.h.loop.CloseWrite(c.token)
		}
		if !rest {
			c.pause()
		}
	})
	if closeWrite {
		client.expectEOF()
	}
	sent := make(chan error, 1)
	go func() {
		_, err := client.Write(stream)
		client.Close()
		sent <- err
	}()
	if rest {
		receive(t, paused, "Data")
	}
	if err := receive(t, sent, "the client to send"); err != nil {
		t.Errorf("client write: %v", err)
	}
	c.h.turns(quietTurns)
	if len(s.closed) > 0 {
		t.Error("the connection was closed while it was paused")
	}
	c.h.do(c.resume)
	s.nextClosed()
	s.stop()
	if i := firstDifference(got, stream); i >= 0 {
		t.Errorf("%d of %d bytes came, the first difference is at %d", len(got), len(stream), i)
	}
}

// testPauseThenCloseWrite ends the sending side of a connection that is not read.
func testPauseThenCloseWrite(t *testing.T, newDriver maker) {
	arrived := make(chan string, 10)
	s := serve(t, newDriver, 1, behaviour{
		open: func(c *conn) { c.pause() },
		data: func(_ *conn, b []byte) int { arrived <- string(b); return len(b) },
		eof:  func(c *conn) { c.close(errTest) },
	})
	client, c := s.open()
	c.h.do(func() {
		_ = c.write([]byte("bye"))
		c.h.loop.CloseWrite(c.token)
	})
	client.expect([]byte("bye"))
	client.expectEOF()
	client.send([]byte("l"))
	c.h.turns(quietTurns)
	c.h.do(c.resume)
	if text := receive(t, arrived, "Data after Resume"); text != "l" {
		t.Errorf("Data %q", text)
	}
	client.closeWrite()
	s.nextClosed()
}

// testPauseLetsOutputDrain queues output of a paused connection, whose input has to
// wait, and its FIN when it was asked for.
func testPauseLetsOutputDrain(t *testing.T, newDriver maker) {
	for _, closeWrite := range []bool{false, true} {
		t.Run(fmt.Sprintf("CloseWrite=%v", closeWrite), func(t *testing.T) {
			drained, arrived := make(chan struct{}, 10), make(chan string, 10)
			s := serve(t, newDriver, 1, behaviour{
				data:    func(_ *conn, b []byte) int { arrived <- string(b); return len(b) },
				drained: func(*conn) { drained <- struct{}{} },
			})
			client, c := s.open()
			var want []byte
			c.h.do(func() {
				c.pause()
				want = fill(c)
				if closeWrite {
					c.h.loop.CloseWrite(c.token)
				}
			})
			client.send([]byte("i"))
			client.expect(want)
			if closeWrite {
				client.expectEOF()
			}
			receive(t, drained, "Drained while paused")
			c.h.turns(quietTurns)
			c.h.do(c.resume)
			if text := receive(t, arrived, "Data after Resume"); text != "i" {
				t.Errorf("Data %q", text)
			}
			if len(drained) != 0 {
				t.Error("Drained came twice")
			}
		})
	}
}
