//go:build linux

package poller

import (
	"bytes"
	"syscall"
	"testing"
	"unsafe"
)

// unused fills what must not be written.
const unused = 0xa5

// TestBuffer reads to where the handler says, and to no byte more.
func TestBuffer(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		for _, size := range []int{-1, 0, 1, 10, readBytes - 1, readBytes + 1, 2 * readBytes} {
			token, peer := r.pair()
			memory := bytes.Repeat([]byte{unused}, 2*readBytes+64)
			buffer, want := memory[:max(size, 0)], memory[:max(size, 0)]
			switch size {
			case -1:
				buffer, want = nil, r.l.buffer
			case 0:
				want = r.l.buffer
			}
			r.onBuffer = func(of Token) []byte {
				if of != token {
					t.Errorf("a buffer for %#x is asked for, want %#x", uint64(of), uint64(token))
				}
				return buffer
			}
			r.k.onRead = func(fd int, b []byte) (int, syscall.Errno) {
				if len(b) != len(want) || &b[0] != &want[0] {
					t.Errorf("size %d: a read of %d bytes, elsewhere: %v", size, len(b), &b[0] != &want[0])
				}
				return r.k.kernel.read(fd, b)
			}
			var got []byte
			r.onData = func(_ Token, b []byte) int {
				if unsafe.SliceData(b) != unsafe.SliceData(want) {
					t.Errorf("size %d: the data lies elsewhere", size)
				}
				got = append(got, b...)
				return len(b)
			}
			stream := numbered(min(100*len(want), 3*readBytes))
			for sent := 0; sent < len(stream); {
				n := min(10_000, len(stream)-sent)
				peer.send(stream[sent : sent+n])
				sent += n
				r.until("the bytes", func() bool { return len(got) == sent })
			}
			if !bytes.Equal(got, stream) {
				t.Errorf("size %d: the bytes differ", size)
			}
			if behind := memory[max(size, 0):]; bytes.Count(behind, []byte{unused}) != len(behind) {
				t.Errorf("size %d: bytes behind the buffer were written", size)
			}
			r.l.Close(token, nil)
			r.step()
		}
	})
}

// TestBufferAndRest leaves bytes of a buffer that is used for something else at once. They come again from
// elsewhere, and no other buffer is asked for before they are consumed, or while the connection is paused.
func TestBufferAndRest(t *testing.T) {
	eachMechanism(t, func(t *testing.T, r *rig) {
		token, peer := r.pair()
		all := numbered(5000)
		peer.send(all)
		buffer := make([]byte, 1000)
		var got []byte
		asked, pauses, rest := 0, 0, false
		r.onBuffer = func(Token) []byte {
			if r.conn(token).flags&connPaused != 0 || rest {
				t.Errorf("a buffer is asked for, paused: %v, with bytes left: %v", r.conn(token).flags&connPaused != 0, rest)
			}
			asked++
			return buffer
		}
		r.onData = func(_ Token, b []byte) int {
			if direct := unsafe.SliceData(b) == unsafe.SliceData(buffer); direct == rest {
				t.Errorf("data in the buffer: %v, left before: %v", direct, rest)
			}
			n := (len(b) + 1) / 2
			got = append(got, b[:n]...)
			rest = n < len(b)
			if len(got)%3 == 0 {
				pauses++
				r.l.Pause(token)
			}
			return n
		}
		r.onFlush = func() { clear(buffer) }
		r.until("all bytes", func() bool {
			r.step()
			r.l.Resume(token)
			return len(got) == len(all)
		})
		if !bytes.Equal(got, all) || asked != 5 || pauses == 0 {
			t.Errorf("the bytes differ, or %d buffers for %d bytes and %d pauses", asked, len(all), pauses)
		}
	})
}

// TestBufferForNothing asks for a buffer and then finds nothing to read.
func TestBufferForNothing(t *testing.T) {
	for _, errno := range []syscall.Errno{0, syscall.EAGAIN, syscall.EINTR, syscall.ECONNRESET} {
		eachMechanism(t, func(t *testing.T, r *rig) {
			token, peer := r.pair()
			buffer := bytes.Repeat([]byte{unused}, 100)
			asked := 0
			r.onBuffer = func(Token) []byte { asked++; return buffer }
			r.k.onRead = func(int, []byte) (int, syscall.Errno) {
				if errno == 0 {
					return 0, 0
				}
				return -1, errno
			}
			peer.send([]byte("x"))
			r.step()
			eof, closed := r.eof[token], r.closedCount[token]
			if asked != 1 || len(r.data[token]) != 0 || bytes.Count(buffer, []byte{unused}) != len(buffer) {
				t.Errorf("%v: asked %d times, Data brought %q", errno, asked, r.data[token])
			}
			if (eof == 1) != (errno == 0) || (closed == 1) != (errno == syscall.ECONNRESET) {
				t.Errorf("%v: EOF came %d times, Closed %d times", errno, eof, closed)
			}
		})
	}
}
