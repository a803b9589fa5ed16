//go:build linux

package engine

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
)

// openNarrow opens a connection whose peer has room for a few kilobytes only.
func (r *running) openNarrow() *client {
	r.t.Helper()
	dialer := net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) {
		failed := c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10) })
		return errors.Join(failed, err)
	}}
	conn, err := dialer.Dial(r.network, r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	c := r.adopt(conn)
	c.write(head("/"))
	if status, _, _ := c.response(); status != 101 {
		r.t.Fatalf("status %d, want 101", status)
	}
	return c
}

// pour is an Open callback that sends so many messages of 256 KiB, filled with a byte.
func pour(t testing.TB, messages int, fill byte) func(Conn) {
	message := bytes.Repeat([]byte{fill}, 256<<10)
	return func(c Conn) {
		for range messages {
			if _, err := c.Send(codec.OpcodeBinary, message); err != nil {
				t.Error(err)
			}
		}
	}
}

// W36: the peer's window is closed and stays so. W37: it is opened by a few bytes at a time, by a program that is
// alive and answers. Both end by the write deadline, and nothing is held for them.
func TestPeerThatDoesNotReadW36W37(t *testing.T) {
	t.Parallel()
	for name, trickles := range map[string]bool{"zero window": false, "trickle": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ends := newEnded()
			s := serve(t, &Server{
				Loops: 1, MaxBufferedBytes: 64 << 20, WriteTimeout: time.Millisecond,
				Events: Events{Open: pour(t, 64, 'x'), Close: ends.note},
			})
			c := s.openNarrow()
			poll(t, "memory to be held", func() bool { return s.Stats().Memory > 8<<20 || len(ends) > 0 })
			if trickles {
				go func() { // until it is cut off
					ticker := time.NewTicker(20 * time.Millisecond)
					defer ticker.Stop()
					for b := make([]byte, 16); ; <-ticker.C {
						if _, err := c.Conn.Read(b); err != nil {
							return
						}
						_, _ = io.WriteString(c.Conn, masked(true, codec.OpcodePing, ""))
					}
				}()
			}
			ends.expect(t, codec.StatusAbnormalClosure, WriteDeadline)
			if n := s.Stats().WriteTimeouts; n != 1 {
				t.Errorf("%d timeouts", n)
			}
			poll(t, "memory to be given back", func() bool { return s.Stats().Memory < 1<<20 })
		})
	}
}

// A peer that reads slowly, but reads, may take as long as it needs.
func TestSlowButHonestPeerW37(t *testing.T) {
	t.Parallel()
	for range 10 {
		if readsHonestly(t) {
			return
		}
	}
	t.Skip("this machine is too busy for a peer that reads all the time")
}

// readsHonestly says whether the peer did as it should: where it did not get to read for long, being cut off is its own fault.
func readsHonestly(t *testing.T) bool {
	const messages, length, timeout = 16, 256 << 10, time.Second
	s := serve(t, &Server{MaxBufferedBytes: 64 << 20, WriteTimeout: timeout, Events: Events{Open: pour(t, messages, 'x')}})
	defer s.stop()
	c := s.openNarrow()
	ticker := time.NewTicker(tick / 10)
	defer ticker.Stop()
	b := make([]byte, 32<<10)
	last := time.Now()
	for left := messages * (length + 10); left > 0; <-ticker.C {
		n, err := io.ReadFull(c.in, b[:min(left, len(b))])
		now := time.Now()
		if now.Sub(last) > timeout/2 {
			return false
		}
		if err != nil {
			t.Fatalf("%d bytes are missing: %v", left, err)
		}
		last = now
		left -= n
	}
	if n := s.Stats().WriteTimeouts; n != 0 {
		t.Errorf("%d timeouts", n)
	}
	return true
}

// A peer resets the connection while the engine writes to it. It is one end, no signal, and nothing is
// held for it.
func TestResetMidWrite(t *testing.T) {
	t.Parallel()
	const peers = 20
	ends := newEnded()
	stop := make(chan struct{})
	var senders sync.WaitGroup
	s := serve(t, &Server{MaxBufferedBytes: 64 << 20, WriteTimeout: Never, Events: Events{
		Open: func(c Conn) {
			pour(t, 8, 'x')(c)
			senders.Go(func() {
				for message := make([]byte, 32<<10); ; {
					select {
					case <-stop:
						return
					default:
					}
					if _, err := c.Send(codec.OpcodeBinary, message); errors.Is(err, ErrClosed) {
						return
					}
				}
			})
		},
		Close: ends.note,
	}})
	defer senders.Wait()
	defer close(stop)
	for i := range peers {
		c := s.openNarrow()
		if i%2 == 0 {
			poll(t, "output to wait", func() bool { return s.Stats().Memory > 1<<20 })
		}
		c.reset()
		if how := await(t, ends, "Close"); how.Code != codec.StatusAbnormalClosure || how.Err == nil {
			t.Errorf("ended with %+v", how)
		}
	}
	poll(t, "memory to be given back", func() bool { return s.Stats().Memory < 1<<20 })
}

// A peer that has said all still gets what waits for it, though it waits in the engine.
func TestHalfCloseWithOutputWaiting(t *testing.T) {
	t.Parallel()
	const messages, length = 40, 256 << 10
	ends := newEnded()
	s := serve(t, &Server{MaxBufferedBytes: 64 << 20, CloseTimeout: never, Events: Events{Open: pour(t, messages, 'x'), Close: ends.note}})
	c := s.openNarrow()
	poll(t, "output to wait", func() bool { return s.Stats().Memory > 1<<20 })
	c.closeWrite()
	n, err := io.Copy(io.Discard, c.in)
	if want := int64(messages * (length + 10)); n != want || err != nil {
		t.Errorf("got %d bytes, %v; want %d", n, err, want)
	}
	if how := await(t, ends, "Close"); how.Code != codec.StatusAbnormalClosure || !errors.Is(how.Err, io.EOF) {
		t.Errorf("ended with %+v", how)
	}
}

// Descriptors and slots of connections that ended with much waiting for them are used again at once. What waited
// reaches nobody.
func TestReuseAfterStalledConnections(t *testing.T) {
	t.Parallel()
	s := serve(t, &Server{Loops: 1, MaxBufferedBytes: 64 << 20, WriteTimeout: time.Millisecond, Events: Events{
		Message: func(c Conn, op codec.Opcode, payload []byte) {
			if string(payload) == "flood" {
				pour(t, 12, 'x')(c)
				return
			}
			echo(c, op, payload)
		},
	}})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range 10 {
				c := s.openNarrow()
				c.send(codec.OpcodeText, "mine")
				c.expect(codec.OpcodeText, "mine")
				c.send(codec.OpcodeText, "flood")
				if i%3 == 0 {
					b := make([]byte, 1<<10)
					if _, err := io.ReadFull(c.in, b); err != nil || bytes.Count(b[10:], []byte("x")) != len(b)-10 {
						t.Errorf("%v, %q", err, b[:20])
					}
				}
				if i%5 == 4 {
					c.expectCut()
				}
				c.reset()
			}
		})
	}
	all.Wait()
}

// expectCut waits until the server has cut the connection, of which nothing is read.
func (c *client) expectCut() {
	c.t.Helper()
	poll(c.t, "the connection to be cut", func() bool {
		_, err := c.Conn.Write([]byte(masked(true, codec.OpcodePong, "")))
		return err != nil
	})
}
