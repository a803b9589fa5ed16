package pollertest

import (
	"testing"
	"time"
)

// testHeld asks what a connection holds while output waits, while input does, and after
// both are gone.
func testHeld(t *testing.T, newDriver maker) {
	takeAll := false
	left := make(chan int, 100)
	s := serve(t, newDriver, 1, behaviour{data: func(c *conn, b []byte) int {
		if !takeAll {
			c.pause()
			left <- len(b) - 1
			return 1
		}
		return len(b)
	}})
	client, c := s.open()
	_, idle := s.open()
	check := func(least int) {
		t.Helper()
		if n := c.h.loop.Held(c.token); n < least || least == 0 && n != 0 {
			t.Errorf("%d bytes are held for %d that wait", n, least)
		}
		if n := c.h.loop.Held(idle.token); n != 0 {
			t.Errorf("%d bytes are held for an idle connection", n)
		}
	}
	c.h.do(func() { check(0) })

	var want []byte
	c.h.do(func() { want = fill(c); check(c.pending()) })
	client.expect(want)
	await(t, "the queue to drain", func() (drained bool) {
		c.h.do(func() { check(c.pending()); drained = c.pending() == 0 })
		return drained
	})

	client.send(pattern(16, 5000))
	n := receive(t, left, "Data")
	c.h.do(func() { check(n); want = fill(c); check(n + c.pending()) })
	client.expect(want)
	c.h.do(func() { takeAll = true; c.resume() })
	await(t, "the rest to be taken", func() (taken bool) {
		c.h.do(func() { taken = c.pending() == 0 && c.h.loop.Held(c.token) == 0 })
		return taken
	})

	c.h.do(func() {
		fill(c)
		c.close(errTest)
		check(0)
	})
}

// testSocket asks for the state of a socket, with a peer that does not read and then
// does.
func testSocket(t *testing.T, newDriver maker) {
	for _, network := range []string{"tcp4", "unix"} {
		t.Run(network, func(t *testing.T) {
			s := serveOn(t, newDriver, 1, behaviour{}, listenOn(t, network))
			client, c := s.open()
			unsent := func() int {
				// This is not the loop's goroutine.
				state, err := c.h.loop.Socket(c.token)
				if err != nil {
					t.Errorf("Socket: %v", err)
				}
				if state.RTT < 0 || state.RTT > time.Hour || network == "unix" && state.RTT != 0 {
					t.Errorf("the round trip takes %v", state.RTT)
				}
				return state.Unsent
			}
			if s.transport.Client != nil {
				await(t, "the peer to acknowledge what was sent before Open", func() bool { return unsent() == 0 })
			} else if n := unsent(); n != 0 {
				t.Errorf("%d bytes are unsent before any was written", n)
			}
			var want []byte
			c.h.do(func() { want = fill(c) })
			if network == "tcp4" {
				await(t, "the socket to be full", func() bool { return unsent() > 0 })
			}
			client.expect(want)
			await(t, "all bytes to be acknowledged", func() bool { return unsent() == 0 })
		})
	}
}
