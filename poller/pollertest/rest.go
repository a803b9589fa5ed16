package pollertest

import "testing"

// testDataConsumedPartly takes a stream in odd portions: nothing for a while, then
// some, then all. What is left comes back first, on a later turn.
func testDataConsumedPartly(t *testing.T, newDriver maker) {
	stream := pattern(6, 2<<20)
	offset, calls, lastTurn, left := 0, 0, -1, false
	s := serve(t, newDriver, 1, behaviour{
		data: func(c *conn, b []byte) int {
			if left && c.h.turn == lastTurn {
				t.Error("the rest came back on the same turn")
			}
			if offset+len(b) > len(stream) {
				t.Errorf("more bytes than were sent: %d", offset+len(b))
				c.close(nil)
				return len(b)
			}
			if i := firstDifference(b, stream[offset:offset+len(b)]); i >= 0 {
				t.Errorf("wrong byte at offset %d", offset+i)
			}
			calls++
			consumed := len(b)
			switch calls % 4 {
			case 1:
				consumed = 0
			case 2:
				consumed = len(b) / 3
			case 3:
				consumed = len(b) - 1
			}
			clear(b[:consumed])
			left, lastTurn = consumed < len(b), c.h.turn
			offset += consumed
			return consumed
		},
		eof: func(c *conn) {
			if left {
				t.Error("EOF came before the rest")
			}
			c.close(nil)
		},
	})
	client := s.dial()
	client.send(stream)
	client.closeWrite()
	s.nextClosed()
	s.stop()
	if offset != len(stream) {
		t.Errorf("%d bytes were consumed, want %d", offset, len(stream))
	}
}

// testRestOncePerTurn leaves everything and pauses and resumes in between: still
// the bytes are presented once per turn at most.
func testRestOncePerTurn(t *testing.T, newDriver maker) {
	const turns = 50
	perTurn := 0
	presented, total := make(chan int, turns+1), 0
	s := serve(t, newDriver, 1, behaviour{
		data: func(c *conn, b []byte) int {
			perTurn++
			total++
			if total > turns {
				return len(b)
			}
			return 0
		},
		flush: func(h *handler) {
			if perTurn == 0 {
				return
			}
			if perTurn > 1 {
				t.Errorf("the same bytes were presented %d times in one turn", perTurn)
			}
			perTurn = 0
			for _, c := range h.conns {
				c.pause()
				c.resume()
				c.pause()
				c.resume()
			}
			presented <- total
		},
	})
	client := s.dial()
	client.send([]byte("left"))
	for receive(t, presented, "Data of the rest") <= turns {
	}
}

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
