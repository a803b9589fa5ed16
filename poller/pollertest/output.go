package pollertest

import (
	"errors"
	"io"
	"testing"

	"github.com/wsloop/wsloop/poller"
)

// The buffers of both sockets together take at most queueMax, and no less than
// queueMin is written, so that bytes wait even when a driver writes little by little.
const (
	queueMin = 8 << 20
	queueMax = 64 << 20
)

// fill writes to a peer that does not read until bytes wait, and returns what it
// wrote. It runs on the loop.
func fill(c *conn) []byte {
	var written []byte
	for i := 0; len(written) < queueMin || c.pending() == 0; i++ {
		if len(written) > queueMax {
			c.h.server.t.Error("the socket takes everything although the peer does not read")
			break
		}
		b := pattern(uint64(i), 64<<10)
		if err := c.write(b); err != nil {
			c.h.server.t.Errorf("Write: %v", err)
			break
		}
		written = append(written, b...)
	}
	return written
}

func readAll(c *client) ([]byte, error) { return io.ReadAll(c.Conn) }

func testQueueThenDrained(t *testing.T, newDriver maker) {
	drained := make(chan struct{}, 100)
	s := serve(t, newDriver, 1, behaviour{drained: func(*conn) { drained <- struct{}{} }})
	client, c := s.open()
	for round := range 3 {
		var want []byte
		c.h.do(func() {
			want = fill(c)
			more := pattern(9, 10_000)
			before := c.pending()
			if err := c.write(more); err != nil {
				t.Errorf("Write: %v", err)
			}
			if grown := c.pending() - before; grown < len(more) || grown > len(more)+s.transport.Overhead {
				t.Errorf("Pending went from %d to %d by %d bytes", before, c.pending(), len(more))
			}
			want = append(want, more...)
		})
		client.expect(want)
		receive(t, drained, "Drained")
		c.h.turns(3)
		if len(drained) != 0 {
			t.Errorf("round %d: Drained came twice", round)
		}
	}
}

func testCloseWriteFlushesQueue(t *testing.T, newDriver maker) {
	s := serve(t, newDriver, 1, behaviour{})
	client, c := s.open()
	var want []byte
	c.h.do(func() {
		want = fill(c)
		c.h.loop.CloseWrite(c.token)
		c.h.loop.CloseWrite(c.token)
		if err := c.write([]byte("late")); !errors.Is(err, poller.ErrClosed) {
			t.Errorf("Write after CloseWrite: %v, want ErrClosed", err)
		}
		if err := c.h.loop.Writev(c.token, [][]byte{[]byte("late")}); !errors.Is(err, poller.ErrClosed) {
			t.Errorf("Writev after CloseWrite: %v, want ErrClosed", err)
		}
	})
	client.expect(want)
	client.expectEOF()
}

func testCloseWriteStillReads(t *testing.T, newDriver maker) {
	got := make(chan string, 10)
	s := serve(t, newDriver, 1, behaviour{
		open: func(c *conn) { c.h.loop.CloseWrite(c.token) },
		data: func(_ *conn, b []byte) int { got <- string(b); return len(b) },
		eof:  func(c *conn) { c.close(nil) },
	})
	client := s.dial()
	client.expectEOF()
	client.send([]byte("still here"))
	if text := receive(t, got, "Data after CloseWrite"); text != "still here" {
		t.Errorf("Data %q", text)
	}
	client.closeWrite()
	s.nextClosed()
}

// testPeerHalfCloses answers at length after the peer's FIN.
func testPeerHalfCloses(t *testing.T, newDriver maker) {
	answer := pattern(10, 4<<20)
	s := serve(t, newDriver, 1, behaviour{
		eof: func(c *conn) {
			if err := c.write(answer); err != nil {
				t.Errorf("Write after EOF: %v", err)
			}
			c.h.loop.CloseWrite(c.token)
			if c.pending() == 0 {
				c.close(nil)
			}
		},
		drained: func(c *conn) { c.close(nil) },
	})
	client := s.dial()
	client.send([]byte("question"))
	client.closeWrite()
	client.expect(answer)
	client.expectEOF()
	s.nextClosed()
}

func testCloseDropsQueue(t *testing.T, newDriver maker) {
	s := serve(t, newDriver, 1, behaviour{drained: func(*conn) { t.Error("Drained although the queue was dropped") }})
	client, c := s.open()
	var written []byte
	c.h.do(func() {
		written = fill(c)
		c.close(errTest)
		if n := c.pending(); n != 0 {
			t.Errorf("Pending after Close: %d, want 0", n)
		}
	})
	s.nextClosed()
	got, _ := readAll(client)
	if len(got) >= len(written) {
		t.Errorf("the peer read all %d bytes, the queue was not dropped", len(got))
	}
	if i := firstDifference(got, written[:len(got)]); i >= 0 {
		t.Errorf("wrong byte at offset %d", i)
	}
}

// testWriteLast: the last bytes arrive before the end, also where the handler leaves input unread, for which the system may
// reset the connection.
func testWriteLast(t *testing.T, newDriver maker) {
	last := pattern(5, 300)
	for _, end := range []func(*conn){
		func(c *conn) { c.close(nil) },
		func(c *conn) { c.h.loop.CloseWrite(c.token); c.close(nil) },
		func(c *conn) { c.h.loop.CloseWrite(c.token) },
	} {
		s := serve(t, newDriver, 1, behaviour{
			data: func(c *conn, b []byte) int {
				if c.eof || c.ended {
					return len(b)
				}
				if err := c.h.loop.WriteLast(c.token, last); err != nil && !errors.Is(err, poller.ErrClosed) {
					t.Errorf("WriteLast: %v", err)
				}
				if c.pending() == 0 {
					end(c)
				}
				return len(b)
			},
			drained: end,
			eof:     func(c *conn) { c.close(nil) },
		})
		for _, input := range []int{1, 300 << 10} {
			client, _ := s.open()
			// A transport that writes in pieces may find the connection closed before the last of them.
			if _, err := client.Write(make([]byte, input)); err != nil && s.transport.Client == nil {
				t.Fatalf("client write: %v", err)
			}
			client.expect(last)
			client.Close()
			s.nextClosed()
		}
	}
}

func testWriteNothing(t *testing.T, newDriver maker) {
	s := serve(t, newDriver, 1, behaviour{})
	client, c := s.open()
	c.h.do(func() {
		if err := c.write(nil); err != nil {
			t.Errorf("Write of nothing: %v", err)
		}
		if n := c.pending(); n != 0 {
			t.Errorf("Pending: %d, want 0", n)
		}
		_ = c.write([]byte("something"))
	})
	client.expect([]byte("something"))
}
