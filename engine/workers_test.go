package engine

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

// count is how many workers there are.
func (w *workers) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.running
}

// solo checks that what it brackets is never concurrent for one connection.
type solo struct{ busy atomic.Int32 }

func (s *solo) enter(t testing.TB) {
	if s.busy.Add(1) != 1 {
		t.Error("two callbacks of one connection at once")
	}
}

func (s *solo) leave() { s.busy.Add(-1) }

// Callbacks of one connection come in order, one at a time, from Open to Close, with more
// connections than workers.
func TestWorkersKeepOrder(t *testing.T) {
	t.Parallel()
	const conns, messages = 20, 300
	type state struct {
		solo
		next int // -1 before Open, -2 after Close
	}
	var all, wrong atomic.Int64
	events := Events{
		Open: func(c Conn) {
			x := &state{}
			x.enter(t)
			defer x.leave()
			c.SetData(x)
		},
		Message: func(c Conn, _ codec.Opcode, payload []byte) {
			x := c.Data().(*state)
			x.enter(t)
			defer x.leave()
			if string(payload) != fmt.Sprint(x.next) {
				wrong.Add(1)
			}
			x.next++
			all.Add(1)
		},
		Ping: func(c Conn, payload []byte) {
			x := c.Data().(*state)
			x.enter(t)
			defer x.leave()
			if string(payload) != fmt.Sprint("after ", x.next) {
				wrong.Add(1)
			}
		},
		Close: func(c Conn, _ Closure) {
			x := c.Data().(*state)
			x.enter(t)
			defer x.leave()
			if x.next != messages {
				wrong.Add(1)
			}
			x.next = -2
		},
	}
	s := serve(t, &Server{Loops: 2, Workers: 3, Events: events})
	var out string
	for i := range messages {
		out += texts(fmt.Sprint(i))
		if i%50 == 49 {
			out += masked(true, codec.OpcodePing, fmt.Sprint("after ", i+1))
		}
	}
	var clients []*client
	for range conns {
		clients = append(clients, s.open())
	}
	for _, c := range clients {
		c.write(out + closeFrame(codec.StatusNormalClosure, ""))
	}
	for _, c := range clients {
		for range messages / 50 {
			if f := c.read(); f.op != codec.OpcodePong {
				t.Errorf("got %v", f)
			}
		}
		c.expectClose(codec.StatusNormalClosure)
	}
	s.stop()
	if all.Load() != conns*messages || wrong.Load() != 0 {
		t.Errorf("%d messages, %d callbacks out of order", all.Load(), wrong.Load())
	}
}

// What a callback attaches stays for those that follow, even if the connection has ended before all of them.
func TestSetDataInALateOpen(t *testing.T) {
	var got any
	b := newBlocked(t, &Server{})
	b.trace.open, b.closed = func(c Conn) { c.SetData("late") }, func(c Conn) { got = c.Data() }
	late := b.accept()
	b.data(late, []byte(head("/")))
	b.eof(late)
	if !b.memory.gone(late) {
		t.Error("it is not gone")
	}
	b.release()
	settle(b.server)
	if got != "late" {
		t.Errorf("Data in Close is %v", got)
	}
}

// There are never more workers than Server.Workers, and none without work.
func TestWorkersAreBounded(t *testing.T) {
	t.Parallel()
	const workers, conns = 3, 10
	var now, most atomic.Int64
	begun, release := make(chan struct{}, conns), make(chan struct{})
	s := serve(t, &Server{Loops: 1, Workers: workers, Events: Events{
		Message: func(Conn, codec.Opcode, []byte) {
			n := now.Add(1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			begun <- struct{}{}
			<-release
			now.Add(-1)
		},
	}})
	for range conns {
		c := s.open()
		c.send(codec.OpcodeText, "x")
		c.send(codec.OpcodePing, "")
		c.expect(codec.OpcodePong, "") // so that the message is with the workers
	}
	for range workers {
		await(t, begun, "a callback")
	}
	if n := s.workers.count(); n != workers {
		t.Errorf("%d workers", n)
	}
	close(release)
	for range conns - workers {
		await(t, begun, "a callback")
	}
	if n := most.Load(); n != workers {
		t.Errorf("%d callbacks at once", n)
	}
	until(t, "the workers leave", func() bool { return s.workers.count() == 0 })
}

// W61: a callback that blocks a worker stalls its connection alone, and that one's pings and Close
// frame are answered all the same. What it sent before comes then, and Close last.
func TestBlockedWorkerStallsNobodyW61(t *testing.T) {
	t.Parallel()
	tr := newTrace()
	begun, release := make(chan struct{}), make(chan struct{})
	tr.message = func(c Conn, op codec.Opcode, payload []byte) {
		if string(payload) == "block" {
			close(begun)
			<-release
		}
		echo(c, op, payload)
	}
	s := serve(t, &Server{Loops: 1, Workers: 2, SlowCallback: 2 * tick, Events: tr.events()})
	slow := s.open()
	slow.send(codec.OpcodeText, "block")
	await(t, begun, "the message")
	tr.expect(t, "open", "text block")
	slow.write(texts("queued") + masked(true, codec.OpcodePing, "alive?"))
	slow.expect(codec.OpcodePong, "alive?")
	for range 10 {
		c := s.open()
		c.send(codec.OpcodeText, "hello")
		c.expect(codec.OpcodeText, "hello")
		c.write(closeFrame(codec.StatusNormalClosure, ""))
		c.expectClose(codec.StatusNormalClosure)
		c.expectEOF()
		await(t, tr.gone, "Close")
	}
	tr.expect(t, repeated(10, "open", "text hello", "close 1000 , <nil>")...)
	slow.write(closeFrame(4000, "bye"))
	slow.expectClose(4000)
	slow.expectEOF()
	tr.expect(t)
	if n := s.Stats().Connections; n != 1 {
		t.Errorf("%d connections while a callback is to come", n)
	}
	close(release)
	await(t, tr.gone, "Close")
	tr.expect(t, "text queued", "ping alive?", "close 4000 bye, <nil>")
}

func repeated(n int, lines ...string) (all []string) {
	for range n {
		all = append(all, lines...)
	}
	return all
}

// Late callbacks still find the data of their connection, though another has its slot.
func TestDataAfterTheSlotWasReused(t *testing.T) {
	t.Parallel()
	begun, release := make(chan Conn, 2), make(chan struct{})
	seen := make(chan string, 10)
	s := serve(t, &Server{Loops: 1, Workers: 2, Events: Events{
		Message: func(c Conn, _ codec.Opcode, payload []byte) {
			if c.Data() == nil {
				c.SetData(string(payload))
			}
			begun <- c
			<-release
			seen <- fmt.Sprint(c.Data())
		},
		Close: func(c Conn, _ Closure) { seen <- fmt.Sprint("close ", c.Data()) },
	}})
	a := s.open()
	a.send(codec.OpcodeText, "a")
	connA := await(t, begun, "a's message")
	a.write(closeFrame(codec.StatusNormalClosure, ""))
	a.expectClose(codec.StatusNormalClosure)
	a.expectEOF()
	b := s.open()
	b.send(codec.OpcodeText, "b")
	connB := await(t, begun, "b's message")
	if connA.token.Slot() != connB.token.Slot() {
		t.Errorf("%v and %v", connA, connB)
	}
	if a, b := connA.Data(), connB.Data(); a != "a" || b != "b" {
		t.Errorf("data %v and %v", a, b)
	}
	if _, err := connA.SendText("stale"); err != ErrClosed {
		t.Errorf("Send: %v", err)
	}
	close(release)
	var got []string
	for range 3 {
		got = append(got, await(t, seen, "a callback"))
	}
	slices.Sort(got)
	if want := []string{"a", "b", "close a"}; !slices.Equal(got, want) {
		t.Errorf("saw %q, want %q", got, want)
	}
	until(t, "the data of a is dropped", func() bool { return connA.Data() == nil })
}

// SendWait may wait in a callback on a worker, for a peer that reads late.
func TestSendWaitOnAWorker(t *testing.T) {
	t.Parallel()
	const size, messages = 100_000, 200
	done, begun := make(chan error, 1), make(chan struct{})
	s := serve(t, &Server{Loops: 1, Workers: 1, MaxBufferedBytes: 2 * size, WriteTimeout: never, Events: Events{
		Message: func(c Conn, op codec.Opcode, _ []byte) {
			close(begun)
			payload := make([]byte, size)
			for range messages {
				if err := c.SendWait(context.Background(), op, payload); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		},
	}})
	c := s.open()
	c.send(codec.OpcodeBinary, "go")
	await(t, begun, "the message")
	for range messages {
		c.expect(codec.OpcodeBinary, string(make([]byte, size)))
	}
	if err := await(t, done, "SendWait"); err != nil {
		t.Error(err)
	}
}

// A message through a worker costs no allocation.
func TestNoAllocationsOnWorkers(t *testing.T) {
	if raceBuild {
		t.Skip("starting a goroutine takes half a millisecond")
	}
	for name, e := range map[string]Events{
		"whole":     {Message: echo},
		"fragments": {Fragment: func(c Conn, f Fragment) { echo(c, f.Opcode, f.Payload) }},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, &Server{Loops: 1, Workers: 2, Events: e}).open()
			payload := repeat(25, "hello")
			countAllocations(t, batch, c.exchange(repeat(batch, masked(true, codec.OpcodeText, payload)), batch*(2+125)))
		})
	}
}
