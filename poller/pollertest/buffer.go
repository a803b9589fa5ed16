package pollertest

import (
	"bytes"
	"testing"
)

// unused fills what the driver must not write.
const unused = 0xa5

// testBuffer has the driver read to buffers of many lengths, none among them. The handler checks that Data
// brings what lies there.
func testBuffer(t *testing.T, newDriver maker) {
	stream := pattern(20, 2<<20)
	memory := make([]byte, 80<<10)
	lengths := []int{1, 100, 4096, 0, 70_000, -1, 10_000, 33}
	asked, used, offset := 0, 0, 0
	s := serve(t, newDriver, 1, behaviour{
		buffer: func(*conn) []byte {
			used = lengths[asked%len(lengths)]
			asked++
			if used < 0 {
				return nil
			}
			for i := range memory[used:] {
				memory[used+i] = unused
			}
			return memory[:used]
		},
		data: func(_ *conn, b []byte) int {
			if behind := memory[max(used, 0):]; asked > 0 && used >= 0 && bytes.Count(behind, []byte{unused}) != len(behind) {
				t.Errorf("bytes behind a buffer of %d were written", used)
			}
			if offset+len(b) > len(stream) {
				t.Errorf("more bytes than were sent: %d", offset+len(b))
			} else if i := firstDifference(b, stream[offset:offset+len(b)]); i >= 0 {
				t.Errorf("wrong byte at offset %d", offset+i)
			}
			offset += len(b)
			clear(b)
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
	t.Logf("%d buffers were asked for", asked)
}

// testBufferConsumedPartly leaves bytes of a buffer that is used for something else when the turn ends, and that
// two connections share. They come again as they were, in their order, through pauses, too.
func testBufferConsumedPartly(t *testing.T, newDriver maker) {
	streams := map[*conn][]byte{}
	buffer := make([]byte, 5000)
	calls, opened := 0, uint64(0)
	s := serve(t, newDriver, 1, behaviour{
		open: func(c *conn) {
			streams[c] = pattern(21+opened, 300<<10)
			opened++
		},
		buffer: func(*conn) []byte { return buffer },
		data: func(c *conn, b []byte) int {
			left := streams[c]
			if len(b) > len(left) {
				t.Errorf("%d bytes too many", len(b)-len(left))
				return len(b)
			}
			if i := firstDifference(b, left[:len(b)]); i >= 0 {
				t.Errorf("wrong byte %d before the end", len(left)-i)
			}
			calls++
			n := []int{len(b), len(b) / 3, 0, len(b) - 1, len(b), len(b) / 2, len(b)}[calls%7]
			if calls%5 == 0 {
				c.pause()
			}
			streams[c] = left[n:]
			return n
		},
		flush: func(h *handler) {
			clear(buffer)
			for _, c := range h.conns {
				if c.paused {
					c.resume()
				}
			}
		},
		eof: func(c *conn) { c.close(nil) },
	})
	for i := range 2 {
		client, _ := s.open()
		stream := pattern(uint64(21+i), 300<<10)
		done := make(chan error, 1)
		go func() {
			_, err := client.Write(stream)
			done <- err
		}()
		t.Cleanup(func() {
			if err := receive(t, done, "the client to send"); err != nil {
				t.Errorf("client write: %v", err)
			}
		})
		defer client.closeWrite()
	}
	await(t, "all bytes", func() (all bool) {
		s.handlers[0].do(func() {
			all = true
			for _, left := range streams {
				all = all && len(left) == 0
			}
		})
		return all
	})
}
