package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller"
)

// An inbox is a queue that holds messages back, and counts what it holds: it agrees with a slice, whatever is done
// to it.
func TestInboxAgainstAModel(t *testing.T) {
	kinds := []jobKind{jobOpen, jobMessage, jobMessage, jobFragment, jobPing, jobPong, jobDrained}
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 0))
		pool := &poller.Buffers{}
		b := &inbox{}
		var model []string
		for step := range 2000 {
			switch random.IntN(20) {
			case 0:
				b.paused = !b.paused
			case 1:
				if random.IntN(50) == 0 {
					b.shut(pool)
					b.cut = false
					model = slices.DeleteFunc(model, func(j string) bool { return j[0] != '0'+byte(jobOpen) })
				}
			default:
				if random.IntN(200) < 80+step%100 {
					kind := kinds[random.IntN(len(kinds))]
					payload := fmt.Sprint(step)
					if kind == jobOpen {
						payload = "" // shut counts on it
					}
					b.push(job{kind: kind, payload: []byte(payload)}, pool)
					model = append(model, fmt.Sprint(kind, payload))
					break
				}
				want := len(model) > 0 && (!b.paused || model[0][0] != '0'+byte(jobMessage) && model[0][0] != '0'+byte(jobFragment))
				j, ok := b.pop()
				if ok != want || ok && fmt.Sprint(j.kind, string(j.payload)) != model[0] {
					t.Fatalf("seed %d, step %d: took %v %q, %t, of %q", seed, step, j.kind, j.payload, ok, model)
				}
				if ok {
					model = model[1:]
				}
			}
			held := 0
			for _, j := range b.jobs[b.head:] {
				held += cap(j.payload) + jobBytes
			}
			if b.bytes != held || len(b.jobs)-b.head != len(model) || b.empty() != (len(model) == 0) {
				t.Fatalf("seed %d, step %d: %d bytes, want %d; %d jobs, want %d", seed, step, b.bytes, held, len(b.jobs)-b.head, len(model))
			}
		}
	}
}

// A queue that is never empty does not grow with what went through it.
func TestInboxStaysSmall(t *testing.T) {
	pool := &poller.Buffers{}
	b := &inbox{}
	for i := range 10_000 {
		b.push(job{kind: jobPing, op: codec.Opcode(i % 16)}, pool)
		if i < 10 {
			continue
		}
		if j, ok := b.pop(); !ok || j.op != codec.Opcode((i-10)%16) {
			t.Fatalf("took %v, %t at %d", j.op, ok, i)
		}
	}
	if n := cap(b.jobs); n > 64 {
		t.Errorf("a list of %d for 10 jobs", n)
	}
}

// What a shut inbox drops goes back to the pool, and nothing but Close follows.
func TestInboxShut(t *testing.T) {
	pool := &poller.Buffers{}
	b := &inbox{}
	b.push(job{kind: jobOpen}, pool)
	b.push(job{kind: jobMessage, payload: []byte("a")}, pool)
	dropped := &b.jobs[1].payload[0]
	b.shut(pool)
	b.push(job{kind: jobMessage, payload: []byte("b")}, pool)
	b.push(job{kind: jobDrained}, pool)
	b.push(job{kind: jobClose}, pool)
	if again := pool.Get(1)[:1]; &again[0] != dropped {
		t.Error("the pool did not get the payload back")
	}
	for _, want := range []jobKind{jobOpen, jobClose} {
		if j, ok := b.pop(); !ok || j.kind != want {
			t.Errorf("took %v, %t, want %v", j.kind, ok, want)
		}
	}
	if !b.empty() || b.bytes != 0 {
		t.Errorf("%d jobs, %d bytes are left", len(b.jobs), b.bytes)
	}
}

// blocked is a server without sockets whose only worker is busy with the message "block" of one
// connection until release is called.
type blocked struct {
	*memory
	*trace
	server  *Server
	conn    Conn
	release func()
}

func newBlocked(t *testing.T, s *Server) *blocked {
	t.Helper()
	tr := newTrace()
	begun, release := make(chan struct{}), make(chan struct{})
	tr.message = func(_ Conn, _ codec.Opcode, payload []byte) {
		if string(payload) == "block" {
			close(begun)
			<-release
		}
	}
	s.Workers, s.Events = 1, tr.events()
	m := newMemory(t, s)
	m.open()
	settle(s)
	b := &blocked{m, tr, s, tr.conn, func() { close(release) }}
	m.offer(b.conn.token, []byte(texts("block")))
	await(t, begun, "the message")
	tr.expect(t, "open", "text block")
	return b
}

// A connection is read until MaxInFlight callbacks and MaxInFlightBytes wait, or mostInFlight times as many bytes, and again when it
// is less.
func TestMaxInFlight(t *testing.T) {
	for name, test := range map[string]struct {
		messages, bytes int // the limits
		size            int // of a message
		want            int // messages that wait when it is not read any more
	}{
		"messages": {messages: 5, bytes: 100, size: 100, want: 5},
		"bytes":    {messages: 1, bytes: 1000, size: 64, want: 8},
		"both":     {messages: 10, bytes: 1000, size: 64, want: 10},
		"long":     {messages: 10, bytes: 100, size: 2000, want: 1},
	} {
		s := &Server{MaxInFlight: test.messages, MaxInFlightBytes: test.bytes}
		b := newBlocked(t, s)
		one := texts(string(make([]byte, test.size)))
		waiting := 0
		for !b.live(b.conn.token).paused && waiting < 2*test.want {
			b.offer(b.conn.token, []byte(one))
			waiting++
		}
		if waiting != test.want {
			t.Errorf("%s: %d messages wait, want %d", name, waiting, test.want)
		}
		b.release()
		settle(s)
		b.turn()
		if b.live(b.conn.token).paused {
			t.Errorf("%s: it is not read again", name)
		}
		if n := len(b.lines); n != waiting {
			t.Errorf("%s: %d messages came, want %d", name, n, waiting)
		}
	}
}

// Pings alone cannot fill an inbox. They are answered until it is full.
func TestPingsInFlightAreBounded(t *testing.T) {
	s := &Server{MaxInFlightBytes: 10_000, ControlRate: Rate{PerSecond: Unlimited}}
	b := newBlocked(t, s)
	b.take(b.conn.token)
	var all string
	for range 1000 {
		all += masked(true, codec.OpcodePing, "ping")
	}
	left := b.offer(b.conn.token, []byte(all))
	if held := b.engine.held(b.conn.token); len(left) == 0 || held < 10_000 || held > 10_200 {
		t.Errorf("%d bytes are not read, %d held", len(left), held)
	}
	pongs, err := frames(b.take(b.conn.token))
	if want := (len(all) - len(left)) / len(masked(true, codec.OpcodePing, "ping")); len(pongs) != want || err != nil {
		t.Errorf("%d pongs, %v, want %d", len(pongs), err, want)
	}
	b.release()
	settle(s)
}

// A message that the budget has no room for closes its connection with 1013. Open and Close come
// for all that.
func TestNoMemoryForTheInbox(t *testing.T) {
	s := &Server{}
	b := newBlocked(t, s)
	b.take(b.conn.token)
	s.budget.held.Add(s.budget.most)
	b.offer(b.conn.token, []byte(texts("no room")))
	s.budget.held.Add(-s.budget.most)
	b.expectFrames(t, b.conn, `close 1013 "short of memory"`)
	b.eof(b.conn.token)
	b.release()
	settle(s)
	b.expect(t, "close 1006 , "+ErrMemory.Error())
	if n := s.Stats().MemoryClosures; n != 1 {
		t.Errorf("%d closures counted", n)
	}
}

func TestOpenNeedsNoMemory(t *testing.T) {
	tr := newTrace()
	s := &Server{Workers: 1, Events: tr.events()}
	m := newMemory(t, s)
	c := m.accept()
	s.budget.held.Add(s.budget.most + 1)
	m.engine.Data(c, []byte(head("/")))
	s.budget.held.Add(-s.budget.most - 1)
	m.eof(c)
	settle(s)
	tr.expect(t, "open", "close 1006 , EOF")
}

// A message that the loop is just receiving while a worker closes, aborts or panics is not delivered, though the worker
// has put the inbox down by then.
func TestNoMessageBehindTheEndOfAWorker(t *testing.T) {
	for name, end := range map[string]func(Conn){
		"Close": func(c Conn) { _ = c.Close(4000, "") },
		"Abort": Conn.Abort,
		"panic": func(Conn) { panic("told to") },
	} {
		tr := newTrace()
		tr.message = func(c Conn, _ codec.Opcode, payload []byte) { end(c) }
		s := &Server{Workers: 1, Events: tr.events()}
		m := newMemory(t, s)
		m.open()
		settle(s)
		m.engine.Data(tr.conn.token, []byte(texts("end")))
		settle(s)
		l, token := m.engine, tr.conn.token
		l.deliver(token, l.find(token), codec.OpcodeText, []byte("too late"))
		m.turn()
		m.eof(token)
		settle(s)
		if got := fmt.Sprint(tr.lines[:2]); got != "[open text end]" || len(tr.lines) != 3 {
			t.Errorf("%s: callbacks %q", name, tr.lines)
		}
	}
}

// After the end Close and Abort still drop what waits for its callback.
func TestCloseAfterTheEnd(t *testing.T) {
	for name, end := range map[string]func(Conn) error{
		"Close": func(c Conn) error { return c.Close(4000, "") },
		"Abort": func(c Conn) error {
			c.Abort()
			return ErrClosed
		},
	} {
		s := &Server{}
		b := newBlocked(t, s)
		b.offer(b.conn.token, []byte(texts("a", "b")+closeFrame(4001, "")))
		if !b.memory.gone(b.conn.token) || s.Stats().Connections != 1 {
			t.Errorf("%s: gone %t, %d connections", name, b.memory.gone(b.conn.token), s.Stats().Connections)
		}
		if err := end(b.conn); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
		b.release()
		settle(s)
		b.expect(t, "close 4001 , <nil>")
		if n := s.Stats().Connections; n != 0 {
			t.Errorf("%s: %d connections", name, n)
		}
	}
}

// When all is over the buffers are given back: the server holds what it held before.
func TestInboxMemoryComesBack(t *testing.T) {
	s := &Server{MaxInFlightBytes: 1 << 20}
	b := newBlocked(t, s)
	b.pass(20 * tick)
	before := s.Stats().Memory
	payload := string(make([]byte, 3000))
	for range 200 {
		b.offer(b.conn.token, []byte(texts(payload)))
	}
	if held := s.Stats().Memory - before; held < 200*3000 || held > 200*(4096+2*jobBytes) {
		t.Errorf("%d bytes are held", held)
	}
	b.release()
	settle(s)
	b.pass(20 * tick)
	if held := s.Stats().Memory; held > before { // which was with one message in its callback
		t.Errorf("%d bytes are held, before %d", held, before)
	}
	if n := len(b.engine.freeInboxes); n != len(b.engine.inboxes)-1 {
		t.Errorf("%d inboxes of %d are free", n, len(b.engine.inboxes)-1)
	}
}
