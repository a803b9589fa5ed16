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
