package pollertest

import (
	"sync"
	"testing"
)

// echo sends back what comes, edited in place and restored, and closes at EOF once
// all left.
func echo() behaviour {
	finish := func(c *conn) {
		if c.eof && c.pending() == 0 {
			c.close(nil)
		}
	}
	return behaviour{
		data: func(c *conn, b []byte) int {
			// The slice is the handler's: writing it must harm nobody.
			for i := range b {
				b[i] ^= 0xff
			}
			for i := range b {
				b[i] ^= 0xff
			}
			if err := c.write(b); err != nil {
				c.h.server.t.Errorf("Write inside Data: %v", err)
			}
			clear(b)
			return len(b)
		},
		eof:     finish,
		drained: finish,
	}
}

func testOneByteWrites(t *testing.T, newDriver maker) {
	s := serve(t, newDriver, 1, echo())
	client := s.dial()
	stream := pattern(2, 2000)
	for i := range stream {
		client.send(stream[i : i+1])
	}
	client.expect(stream)
	client.closeWrite()
	client.expectEOF()
}

func testStreamIn(t *testing.T, newDriver maker) {
	stream := pattern(3, 6<<20)
	offset := 0
	s := serve(t, newDriver, 1, behaviour{
		data: func(_ *conn, b []byte) int {
			if offset+len(b) > len(stream) {
				t.Errorf("more bytes than were sent: %d", offset+len(b))
			} else if i := firstDifference(b, stream[offset:offset+len(b)]); i >= 0 {
				t.Errorf("wrong byte at offset %d", offset+i)
			}
			offset += len(b)
			return len(b)
		},
		eof: func(c *conn) { c.close(nil) },
	})
	client := s.dial()
	client.send(stream)
	client.closeWrite()
	s.nextClosed()
	s.stop()
	if offset != len(stream) {
		t.Errorf("%d bytes arrived, want %d", offset, len(stream))
	}
}

func testStreamOut(t *testing.T, newDriver maker) {
	stream := pattern(4, 6<<20)
	s := serve(t, newDriver, 1, behaviour{open: func(c *conn) {
		for rest := stream; len(rest) > 0; {
			n := min(len(rest), 1+len(rest)%7919)
			if err := c.write(rest[:n]); err != nil {
				t.Errorf("Write: %v", err)
				return
			}
			rest = rest[n:]
		}
		c.h.loop.CloseWrite(c.token)
	}})
	client := s.dial()
	client.expect(stream)
	client.expectEOF()
}

// testWritevInPieces writes vectors that are longer than any one system call takes,
// with empty pieces, to an empty queue and behind a full one.
func testWritevInPieces(t *testing.T, newDriver maker) {
	s := serve(t, newDriver, 1, behaviour{})
	client, c := s.open()
	stream := pattern(5, 1<<20)
	var want []byte
	c.h.do(func() {
		for round := range 20 {
			vec := make([][]byte, 0, 200)
			for i, offset := 0, 0; i < 200; i++ {
				n := (i * round * 37) % 4001
				vec = append(vec, stream[offset:offset+n])
				want = append(want, stream[offset:offset+n]...)
				offset += n
			}
			if err := c.h.loop.Writev(c.token, vec); err != nil {
				t.Errorf("Writev: %v", err)
			}
		}
		if err := c.h.loop.Writev(c.token, nil); err != nil {
			t.Errorf("Writev of nothing: %v", err)
		}
		c.h.loop.CloseWrite(c.token)
	})
	client.expect(want)
	client.expectEOF()
}

func testEchoOfManyConnections(t *testing.T, newDriver maker) {
	const clients = 60
	s := serve(t, newDriver, 2, echo())
	var wg sync.WaitGroup
	for i := range clients {
		client := s.dial()
		wg.Go(func() {
			stream := pattern(uint64(i), 64<<10)
			for rest := stream; len(rest) > 0; {
				n := min(len(rest), 1+(i*997+len(rest))%16384)
				if _, err := client.Write(rest[:n]); err != nil {
					t.Errorf("client write: %v", err)
					return
				}
				rest = rest[n:]
			}
			client.closeWrite()
		})
		wg.Go(func() {
			got, err := readAll(client)
			if err != nil {
				t.Errorf("client read: %v", err)
			} else if at := firstDifference(got, pattern(uint64(i), 64<<10)); at >= 0 {
				t.Errorf("client %d: the echo differs at offset %d", i, at)
			}
		})
	}
	wg.Wait()
}
