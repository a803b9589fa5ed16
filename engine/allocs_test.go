package engine

import (
	"io"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

// countedMessages is how many messages an allocation test sends. Less than one allocation in a
// thousand messages is allowed: the runtime makes a few for itself, such as those of its
// collector's workers. One allocation a message, or one in a hundred, is far over it.
const countedMessages = 20_000

// countAllocations runs rounds once to reach the steady state and once more to count, and fails the
// test when messages cost allocations. The clients must make none.
func countAllocations(t *testing.T, messagesPerRound int, round func()) {
	t.Helper()
	rounds := countedMessages / messagesPerRound
	for range rounds / 4 {
		round()
	}
	const limit = countedMessages / 1000
	if n := leastMallocs(rounds, limit, round); n >= limit {
		t.Errorf("%d allocations for %d messages", n, rounds*messagesPerRound)
	}
}

// leastMallocs counts the allocations of so many rounds, up to five times until they are below the
// limit, and returns the least. On a busy machine a loop that was not run for a while finds more
// waiting than ever before, and its buffers grow once more; what a message costs shows every time.
func leastMallocs(rounds int, limit uint64, round func()) uint64 {
	least := ^uint64(0)
	for range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range rounds {
			round()
		}
		runtime.ReadMemStats(&after)
		if least = min(least, after.Mallocs-before.Mallocs); least < limit {
			break
		}
	}
	return least
}

// exchange returns a function that writes out and reads the given number of bytes, without
// allocating.
func (c *client) exchange(out string, in int) func() {
	request, response := []byte(out), make([]byte, in)
	return func() {
		if _, err := c.Write(request); err != nil {
			c.t.Fatal(err)
		}
		if _, err := io.ReadFull(c.in, response); err != nil {
			c.t.Fatal(err)
		}
	}
}

func repeat(n int, s string) (all string) {
	for range n {
		all += s
	}
	return all
}

const batch = 50

func TestNoAllocationsForEcho(t *testing.T) {
	payload := repeat(25, "hello")
	whole := masked(true, codec.OpcodeText, payload)
	fragments := masked(false, codec.OpcodeText, payload) + masked(true, codec.OpcodePing, "p") +
		masked(false, codec.OpcodeContinuation, "") + masked(true, codec.OpcodeContinuation, payload)
	for name, test := range map[string]struct {
		out string
		in  int // bytes of the answer
	}{
		"whole":     {whole, 2 + 125},
		"fragments": {fragments, 4 + 250 + 2 + 1},
		"ping":      {masked(true, codec.OpcodePing, "ping"), 2 + 4},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, &Server{Loops: 1, ControlRate: Rate{PerSecond: Unlimited}, Events: Events{Message: echo}}).open()
			countAllocations(t, batch, c.exchange(repeat(batch, test.out), batch*test.in))
		})
	}
}

// A message longer than one read is assembled in pooled memory.
func TestNoAllocationsForLongMessages(t *testing.T) {
	c := serve(t, &Server{Loops: 1, Events: Events{Message: echo}}).open()
	round := c.exchange(masked(true, codec.OpcodeBinary, make([]byte, 200_000)), 10+200_000)
	for range 20 {
		round()
	}
	// The pools give back what a tick finds unused, and how much a socket takes at once varies: a
	// few buffers come and go.
	if n := leastMallocs(500, 250, round); n >= 250 {
		t.Errorf("%d allocations for 500 messages", n)
	}
}

func TestNoAllocationsForSendFromAnotherGoroutine(t *testing.T) {
	opened := make(chan Conn, 1)
	s := serve(t, &Server{Loops: 1, Events: Events{Open: func(c Conn) { opened <- c }}})
	c := s.open()
	to := await(t, opened, "Open")
	payload, in := []byte(repeat(25, "hello")), make([]byte, batch*(2+125))
	countAllocations(t, batch, func() {
		for range batch {
			if _, err := to.Send(codec.OpcodeBinary, payload); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := io.ReadFull(c.in, in); err != nil {
			t.Fatal(err)
		}
	})
}

func TestNoAllocationsForBroadcast(t *testing.T) {
	const receivers = 100
	opened := make(chan Conn, receivers)
	var all atomic.Pointer[[]Conn]
	s := serve(t, &Server{Loops: 2, Events: Events{
		Open: func(c Conn) { opened <- c },
		Message: func(_ Conn, op codec.Opcode, payload []byte) {
			for _, c := range *all.Load() {
				_, _ = c.Send(op, payload)
			}
		},
	}})
	var clients [receivers]*client
	var conns []Conn
	for i := range clients {
		clients[i] = s.open()
		conns = append(conns, await(t, opened, "Open"))
	}
	all.Store(&conns)
	out, in := []byte(masked(true, codec.OpcodeText, "to all")), make([]byte, 2+6)
	countAllocations(t, receivers, func() {
		if _, err := clients[0].Write(out); err != nil {
			t.Fatal(err)
		}
		for _, c := range clients {
			if _, err := io.ReadFull(c.in, in); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// The same without sockets, and with no allowance: the engine alone.
func TestNoAllocationsInTheEngine(t *testing.T) {
	var conns []Conn
	events := Events{
		Message: func(c Conn, op codec.Opcode, payload []byte) {
			if len(payload) == 3 { // "all"
				for _, to := range conns {
					_, _ = to.Send(op, payload)
				}
				return
			}
			_, _ = c.Send(op, payload)
		},
		Open: func(c Conn) { conns = append(conns, c) },
	}
	driver := &idleDriver{}
	l := newEngineLoop(t, &Server{Events: events}, driver)
	for range 100 {
		driver.open(l, []byte(head("/")))
	}
	long := repeat(1000, "0123456789")
	for name, out := range map[string]string{
		"whole":     masked(true, codec.OpcodeText, "hello"),
		"ping":      masked(true, codec.OpcodePing, "hello"),
		"pong":      masked(true, codec.OpcodePong, "hello"),
		"fragments": masked(false, codec.OpcodeText, long) + masked(true, codec.OpcodePing, "p") + masked(true, codec.OpcodeContinuation, long),
		"broadcast": masked(true, codec.OpcodeText, "all"),
	} {
		for _, cut := range []int{len(out), 1, 5, len(out) / 2} {
			in, b := []byte(out), make([]byte, len(out))
			sent := driver.written
			n := testing.AllocsPerRun(50, func() {
				copy(b, in)
				l.Data(conns[0].token, b[:cut])
				l.Flush()
				l.Data(conns[0].token, b[cut:])
				l.Flush()
			})
			if n != 0 {
				t.Errorf("%s cut at %d: %v allocations", name, cut, n)
			}
			if name != "pong" && driver.written == sent {
				t.Errorf("%s: nothing was sent", name)
			}
		}
	}
}

// An opening handshake costs nothing once a slot is there, in one piece or two, and neither does
// closing.
func TestNoAllocationsForConnections(t *testing.T) {
	driver := &idleDriver{}
	l := newEngineLoop(t, &Server{Events: Events{Message: echo}}, driver)
	request, b := []byte(head("/")), make([]byte, 1<<10)
	shut := []byte(closeFrame(codec.StatusNormalClosure, ""))
	n := testing.AllocsPerRun(100, func() {
		for _, cut := range [...]int{0, 10} {
			c := driver.open(l, b[:copy(b, request[:len(request)-cut])])
			l.Data(c, b[:copy(b, request[len(request)-cut:])])
			l.Data(c, b[:copy(b, shut)])
			l.Flush()
			l.Closed(c, nil)
			driver.slots--
		}
	})
	if n != 0 {
		t.Errorf("%v allocations for each connection", n)
	}
}
