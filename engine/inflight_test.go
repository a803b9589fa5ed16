package engine

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
)

// Pausing as often as one likes loses nothing and changes no order, whoever does it.
func TestPauseFromOtherGoroutines(t *testing.T) {
	const messages = 5000
	for _, workers := range []int{0, 2} {
		t.Run(fmt.Sprintf("%d workers", workers), func(t *testing.T) {
			t.Parallel()
			opened, all := make(chan Conn, 1), make(chan struct{})
			next := 0
			s := serve(t, &Server{Loops: 1, Workers: workers, MaxInFlightBytes: 500, Events: Events{
				Open: func(c Conn) { opened <- c },
				Message: func(_ Conn, _ codec.Opcode, payload []byte) {
					if string(payload) != fmt.Sprint(next) {
						t.Errorf("message %d is %s", next, payload)
					}
					if next++; next == messages {
						close(all)
					}
				},
			}})
			c := s.open()
			conn := await(t, opened, "Open")
			var stop atomic.Bool
			paused := make(chan struct{})
			go func() {
				defer close(paused)
				for !stop.Load() {
					conn.Pause()
					conn.Resume()
				}
			}()
			var out string
			for i := range messages {
				out += texts(fmt.Sprint(i))
			}
			c.write(out)
			c.send(codec.OpcodePing, "end")
			c.expect(codec.OpcodePong, "end")
			await(t, all, "the messages")
			stop.Store(true)
			await(t, paused, "the goroutine")
		})
	}
}

// backUp writes b until the peer has not read for a while, and returns what could not be written.
func (c *client) backUp(b []byte) (left []byte) {
	c.t.Helper()
	defer c.SetDeadline(time.Now().Add(patience))
	for len(b) > 0 {
		c.SetWriteDeadline(time.Now().Add(tick))
		n, err := c.Write(b[:min(len(b), 1<<20)])
		b = b[n:]
		if errors.Is(err, os.ErrDeadlineExceeded) && n == 0 {
			return b
		} else if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			c.t.Fatal(err)
		}
	}
	c.t.Error("all was read")
	return nil
}

// What a client writes to a paused connection backs up in its socket, and is read once it is resumed, up to its
// Close frame and FIN.
func TestPauseStopsTheReading(t *testing.T) {
	t.Parallel()
	const size, messages = 60_000, 500
	opened := make(chan Conn, 1)
	closed := make(chan Closure, 1)
	got := 0
	s := serve(t, &Server{Loops: 1, Events: Events{
		Open: func(c Conn) {
			c.Pause()
			opened <- c
		},
		Message: func(_ Conn, _ codec.Opcode, payload []byte) {
			if want := fmt.Sprintf("%0*d", size, got); string(payload) != want {
				t.Errorf("message %d is %.20s", got, payload)
			}
			got++
		},
		Close: func(_ Conn, how Closure) { closed <- how },
	}})
	c := s.open()
	conn := await(t, opened, "Open")
	c.send(codec.OpcodePing, "up to the cap")
	c.expect(codec.OpcodePong, "up to the cap")
	var out strings.Builder
	for i := range messages {
		out.WriteString(texts(fmt.Sprintf("%0*d", size, i)))
	}
	left := c.backUp([]byte(out.String()))
	if held := s.Stats().Memory; held > 1<<20 {
		t.Errorf("%d bytes are held", held)
	}
	conn.Resume()
	c.write(string(left) + closeFrame(codec.StatusNormalClosure, "done"))
	c.closeWrite()
	c.expectClose(codec.StatusNormalClosure)
	if how := await(t, closed, "Close"); how != (Closure{codec.StatusNormalClosure, "done", nil}) || got != messages {
		t.Errorf("%d messages, then %+v", got, how)
	}
}

// The same with a worker that blocks. Pings are answered until MaxInFlight and MaxInFlightBytes are reached.
func TestBlockedWorkerStopsTheReading(t *testing.T) {
	t.Parallel()
	const size, messages = 60_000, 500
	begun, release := make(chan struct{}), make(chan struct{})
	var got atomic.Int64
	s := serve(t, &Server{Loops: 1, Workers: 1, MaxInFlight: 4, Events: Events{
		Message: func(_ Conn, _ codec.Opcode, payload []byte) {
			if got.Add(1) == 1 {
				close(begun)
				<-release
			}
		},
	}})
	c := s.open()
	one := texts(fmt.Sprintf("%0*d", size, 0))
	c.write(one)
	await(t, begun, "the message")
	c.write(strings.Repeat(one, 3))
	c.send(codec.OpcodePing, "up to the cap")
	c.expect(codec.OpcodePong, "up to the cap")
	left := c.backUp([]byte(strings.Repeat(one, messages-4)))
	if held := s.Stats().Memory; held > 1<<20 {
		t.Errorf("%d bytes are held", held)
	}
	close(release)
	c.write(string(left) + closeFrame(codec.StatusNormalClosure, ""))
	c.expectClose(codec.StatusNormalClosure)
	c.expectEOF()
	s.stop()
	if n := got.Load(); n != messages {
		t.Errorf("%d messages came", n)
	}
}
