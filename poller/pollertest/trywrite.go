package pollertest

import (
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// needTryWrite skips the test if the driver has no TryWrite. A socket with all its room may take nothing at times, but
// not always.
func needTryWrite(client *client, c *conn) {
	for range 100 {
		if n := c.tryWrite([]byte("?"), nil); n != 0 {
			client.expect([]byte("?"))
			return
		}
	}
	client.t.Skip("the driver's TryWrite takes nothing")
}

// tryWrite may be called on any goroutine.
func (c *conn) tryWrite(head, body []byte) int {
	n := c.h.loop.TryWrite(c.token, head, body)
	if n < 0 || n > len(head)+len(body) {
		c.h.server.t.Errorf("TryWrite: %d of %d bytes", n, len(head)+len(body))
	}
	return n
}

// advance cuts n bytes off the beginning of a head and a body.
func advance(head, body []byte, n int) (restOfHead, restOfBody []byte) {
	inHead := min(n, len(head))
	return head[inHead:], body[n-inHead:]
}

// collect reads n bytes on another goroutine.
func (c *client) collect(n int) <-chan []byte {
	got := make(chan []byte, 1)
	go func() {
		b := make([]byte, n)
		n, _ := io.ReadFull(c, b)
		got <- b[:n]
	}()
	return got
}

// frames cuts a stream into heads and bodies of many lengths, none among them.
func frames(stream []byte) (all [][2][]byte) {
	for i := 0; len(stream) > 0; i++ {
		head := stream[:min(i%15, len(stream))]
		stream = stream[len(head):]
		body := stream[:min(i*i*17%100_003, len(stream))]
		stream = stream[len(body):]
		all = append(all, [2][]byte{head, body})
	}
	return all
}

// testTryWriteInOrder sends by TryWrite alone, as the socket has room, from a goroutine and from callbacks.
func testTryWriteInOrder(t *testing.T, newDriver maker) {
	for _, test := range []struct {
		name string
		do   func(h *handler, f func())
	}{
		{"Goroutine", func(_ *handler, f func()) { f() }},
		{"Callback", func(h *handler, f func()) { h.do(f) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, newDriver, 1, behaviour{})
			client, c := s.open()
			needTryWrite(client, c)
			stream := pattern(17, 4<<20)
			got := client.collect(len(stream))
			for _, frame := range frames(stream) {
				head, body := frame[0], frame[1]
				await(t, "the socket to take all", func() bool {
					test.do(c.h, func() { head, body = advance(head, body, c.tryWrite(head, body)) })
					return len(head)+len(body) == 0
				})
			}
			if i := firstDifference(receive(t, got, "the stream"), stream); i >= 0 {
				t.Errorf("the stream differs at offset %d", i)
			}
		})
	}
}

// testTryWriteThenWrite leaves to Write what TryWrite does not take, and goes on once the queue is empty.
func testTryWriteThenWrite(t *testing.T, newDriver maker) {
	s := serve(t, newDriver, 1, behaviour{})
	client, c := s.open()
	stream := pattern(18, 8<<20)
	got := client.collect(len(stream))
	for _, frame := range frames(stream) {
		head, body := advance(frame[0], frame[1], c.tryWrite(frame[0], frame[1]))
		if len(head)+len(body) == 0 {
			continue
		}
		c.h.do(func() {
			if err := c.h.loop.Writev(c.token, [][]byte{head, body}); err != nil {
				t.Errorf("Writev: %v", err)
			}
		})
		await(t, "the queue to drain", func() (empty bool) {
			c.h.do(func() { empty = c.pending() == 0 })
			return empty
		})
	}
	if i := firstDifference(receive(t, got, "the stream"), stream); i >= 0 {
		t.Errorf("the stream differs at offset %d", i)
	}
}

// testTryWriteToAFullSocket has the peer read nothing until the socket takes nothing. What was taken arrives, and no
// byte of the rest.
func testTryWriteToAFullSocket(t *testing.T, newDriver maker) {
	s := serve(t, newDriver, 1, behaviour{})
	client, c := s.open()
	needTryWrite(client, c)
	chunk := pattern(19, 16<<20) // more than sockets take at once
	var taken []byte
	parts := 0
	for nothing := 0; nothing < 100; nothing++ {
		if len(taken) > queueMax {
			t.Fatal("the socket takes everything although the peer does not read")
		}
		n := c.tryWrite(chunk[:7], chunk[7:])
		if n > 0 {
			nothing = 0
		}
		if n > 0 && n < len(chunk) {
			parts++
		}
		taken = append(taken, chunk[:n]...)
	}
	if parts == 0 {
		t.Error("no write was taken in part")
	}
	c.h.do(func() {
		if n := c.pending() + c.h.loop.Held(c.token); n != 0 {
			t.Errorf("%d bytes are kept", n)
		}
	})
	client.expect(taken)
	c.h.do(func() { _ = c.write([]byte("end")) })
	client.expect([]byte("end"))
}

// testTryWriteAfterCloseWrite delivers nothing behind a FIN, and does the other direction no harm.
func testTryWriteAfterCloseWrite(t *testing.T, newDriver maker) {
	got := make(chan string, 10)
	s := serve(t, newDriver, 1, behaviour{
		data: func(_ *conn, b []byte) int { got <- string(b); return len(b) },
		eof:  func(c *conn) { c.close(errTest) },
	})
	client, c := s.open()
	c.h.do(func() { c.h.loop.CloseWrite(c.token) })
	client.expectEOF()
	for range 20 {
		if n := c.tryWrite([]byte("head"), []byte("body")); n != 0 {
			t.Errorf("TryWrite after CloseWrite: %d", n)
		}
	}
	c.h.turns(quietTurns)
	client.send([]byte("s"))
	if text := receive(t, got, "Data after TryWrite"); text != "s" {
		t.Errorf("Data %q", text)
	}
	client.closeWrite()
	s.nextClosed()
	client.expectEnd()
}

// testTryWriteAfterReset has TryWrite be the first to find that the peer reset the connection, and checks that
// it is not taken for an end in good order.
func testTryWriteAfterReset(t *testing.T, newDriver maker) {
	s := serve(t, newDriver, 1, behaviour{eof: func(c *conn) {
		t.Error("EOF of a connection that the peer reset")
		c.close(errTest)
	}})
	for range 20 {
		client, c := s.open()
		c.h.do(func() {
			client.reset()
			await(t, "TryWrite to take nothing", func() bool { return c.tryWrite([]byte("x"), nil) == 0 })
		})
		if e := s.nextClosed(); e.err == nil {
			t.Error("Closed without an error")
		}
	}
}

// A scribbler writes the same bytes to one connection, again and again, long after it is closed.
type scribbler struct {
	client *client
	conn   *conn
	text   []byte
	got    int // bytes that the client read
	over   atomic.Bool
}

func (s *scribbler) run() {
	for at := 0; !s.over.Load(); {
		head, body := advance(s.text[:10], s.text[10:], at)
		n := s.conn.tryWrite(head, body)
		if n == 0 {
			runtime.Gosched()
		}
		at = (at + n) % len(s.text)
	}
}

// read checks n bytes, or all there are if n is -1.
func (s *scribbler) read(t *testing.T, n int) {
	t.Helper()
	buf := make([]byte, 32<<10)
	for n != 0 {
		most := len(buf)
		if n > 0 {
			most = min(most, n)
		}
		k, err := s.client.Read(buf[:most])
		for _, b := range buf[:k] {
			if want := s.text[s.got%len(s.text)]; b != want {
				t.Fatalf("byte %d of %#x is %#x, want %#x", s.got, uint64(s.conn.token), b, want)
			}
			s.got++
		}
		if n > 0 {
			n -= k
		}
		if err != nil {
			if n > 0 {
				t.Fatalf("client read: %v with %d bytes to come", err, n)
			}
			return
		}
	}
}

// testTryWriteWhileReused has many goroutines write, each to a connection of its own, while connections are closed by
// either side and others get their slots and descriptors. Each peer reads what is meant for it alone.
func testTryWriteWhileReused(t *testing.T, newDriver maker) {
	const rounds, open, stale = 50, 5, 5
	s := serve(t, newDriver, 2, behaviour{eof: func(c *conn) { c.close(nil) }})
	client, c := s.open()
	needTryWrite(client, c)
	var wg sync.WaitGroup
	var all []*scribbler
	defer func() {
		for _, sc := range all {
			sc.over.Store(true)
		}
		wg.Wait()
	}()
	slots := map[uint32]bool{}
	for round := range rounds {
		client, c := s.open()
		slots[c.token.Slot()] = true
		next := &scribbler{client: client, conn: c, text: pattern(uint64(100+round), 50_000)}
		all = append(all, next)
		wg.Go(next.run)
		next.read(t, 1000)
		if round < open {
			continue
		}
		all[round-open].read(t, 50_000)
		switch old := all[round-open]; round % 3 {
		case 0:
			old.conn.h.do(func() { old.conn.close(nil) })
			old.read(t, -1)
		case 1:
			old.client.reset()
		case 2:
			old.client.Close()
		}
		s.nextClosed()
		if round >= open+stale {
			all[round-open-stale].over.Store(true)
		}
	}
	if len(slots) == rounds {
		t.Error("no slot was used again")
	}
}
