package engine

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
)

// A long message is written at once, and what the socket left of it follows in the next flush.
func TestDirect(t *testing.T) {
	tr := newTrace()
	m := newMemory(t, &Server{Events: tr.events()})
	c := m.conn(tr)
	payload := strings.Repeat("x", directBytes)
	tried := 0
	m.trying = func() { tried++ }
	for range 2 {
		if sent, err := c.Send(codec.OpcodeText, []byte(payload)); err != nil || sent.Queued != 0 {
			t.Fatalf("%+v, %v", sent, err)
		}
		if n := len(m.conns[c.token.Slot()].out); n == 0 || n > directBytes {
			t.Errorf("%d bytes were written at once", n)
		}
		m.turn()
		m.expectFrames(t, c, long("text", payload))
	}
	// Short ones, one behind another and those in a message that is not whole go as ever.
	if _, err := c.Send(codec.OpcodeText, []byte(payload[1:])); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Send(codec.OpcodeText, []byte(payload)); err != nil {
		t.Fatal(err)
	}
	m.turn()
	m.expectFrames(t, c, long("text", payload[1:]), long("text", payload))
	if tried != 2 {
		t.Errorf("%d writes at once, want 2", tried)
	}
}

func long(op, payload string) string {
	return fmt.Sprintf("%s fin=true of %d bytes %q", op, len(payload), payload[:40])
}

// What others send, ping and close while a long message is being written comes behind it, in their order.
func TestDirectComesFirst(t *testing.T) {
	tr := newTrace()
	s := &Server{Events: tr.events()}
	m := newMemory(t, s)
	c := m.conn(tr)
	payload := strings.Repeat("x", directBytes)
	m.trying = func() {
		m.trying = func() { t.Error("another one is written at once") }
		for _, text := range []string{"one", payload, "two"} {
			if sent, err := c.Send(codec.OpcodeText, []byte(text)); err != nil || sent.Queued == 0 {
				t.Errorf("%+v, %v", sent, err)
			}
		}
		sendPrepared(t, c, prepare(t, s, codec.OpcodeText, "three"))
		if err := c.Ping([]byte("!")); err != nil {
			t.Error(err)
		}
		m.turn() // as the loop may
		if err := c.Close(codec.StatusNormalClosure, ""); err != nil {
			t.Error(err)
		}
		m.turn()
	}
	if _, err := c.Send(codec.OpcodeText, []byte(payload)); err != nil {
		t.Fatal(err)
	}
	m.turn()
	m.expectFrames(t, c, long("text", payload), `text fin=true of 3 bytes "one"`, long("text", payload), `text fin=true of 3 bytes "two"`,
		`text fin=true of 5 bytes "three"`, `ping fin=true of 1 bytes "!"`, `close 1000 ""`)
}

// A connection whose peer has closed, or that ends, while a long message is being written takes the rest of it along.
func TestDirectAndTheEnd(t *testing.T) {
	payload := bytes.Repeat([]byte("x"), directBytes)
	for name, end := range map[string]func(*memory, Conn){
		"EOF":   func(m *memory, c Conn) { m.eof(c.token) },
		"close": func(m *memory, c Conn) { m.data(c.token, []byte(masked(true, codec.OpcodeClose, "\x03\xe8"))) },
		"abort": func(m *memory, c Conn) { c.Abort(); m.turn() },
	} {
		tr := newTrace()
		m := newMemory(t, &Server{Events: tr.events()})
		c := m.conn(tr)
		m.trying = func() {
			m.trying = nil
			end(m, c)
			if name != "abort" && m.gone(c.token) {
				t.Errorf("%s: the connection is gone before its message", name)
			}
		}
		if _, err := c.Send(codec.OpcodeBinary, payload); err != nil {
			t.Fatal(err)
		}
		m.turn()
		all, err := frames(m.take(c.token))
		if !m.gone(c.token) || name != "abort" && (err != nil || len(all) == 0 || all[0].op != codec.OpcodeBinary) {
			t.Errorf("%s: gone %v, sent %v, %v", name, m.gone(c.token), all, err)
		}
	}
}

// A message that is being written counts as one that waits: what others send meanwhile is refused beyond MaxBufferedBytes.
func TestDirectCounts(t *testing.T) {
	const limit = directBytes + 1000
	tr := newTrace()
	m := newMemory(t, &Server{MaxBufferedBytes: limit, Overflow: Overflow{Policy: OverflowDropNewest}, Events: tr.events()})
	c := m.conn(tr)
	m.trying = func() {
		for range 2 {
			if sent, err := c.SendText("small"); err != nil || sent.Queued < directBytes || sent.Queued != c.Buffered() {
				t.Errorf("%+v, %v, %d bytes buffered", sent, err, c.Buffered())
			}
			m.turn() // as the loop may, which changes nothing
		}
		if _, err := c.Send(codec.OpcodeBinary, make([]byte, 1000)); !errors.Is(err, ErrBufferFull) {
			t.Errorf("a message too many: %v, %d bytes buffered of %d", err, c.Buffered(), limit)
		}
	}
	if _, err := c.Send(codec.OpcodeBinary, make([]byte, directBytes)); err != nil {
		t.Fatal(err)
	}
	if n := c.Buffered(); n > limit {
		t.Errorf("%d bytes are buffered in the end", n)
	}
	m.turn()
	if n := c.Buffered(); n != 0 {
		t.Errorf("%d bytes are buffered when all is written", n)
	}
}

// A peer that gets on with what the system holds for it is not cut off because more was written a moment ago, of which
// the loop has yet to hear.
func TestDirectIsNoLackOfProgress(t *testing.T) {
	for _, written := range []bool{false, true} {
		const timeout, later = 20, 18 << 10
		s := &Server{WriteTimeout: timeout * tick, PingInterval: time.Second, PongTimeout: time.Second}
		m := newMemory(t, s)
		token := m.open()
		peer, own := &m.conns[token.Slot()], m.engine.sessions.At(token.Slot())
		peer.unsent = 100 << 10
		for own.flags&flagJudged == 0 && !m.gone(token) {
			m.pass(tick)
		}
		m.pass((timeout - 1) * tick)
		peer.unsent -= later
		tickOn := func() {
			peer.unsent += directBytes/2 + 7 // what TryWrite takes
			// Deadlines may be late.
			for range 2 {
				m.now += tick
				m.engine.Tick(m.now)
			}
			m.bury()
		}
		if !written {
			m.trying = tickOn
		}
		if _, err := (Conn{m.engine, token}).Send(codec.OpcodeBinary, make([]byte, directBytes)); err != nil {
			t.Fatal(err)
		}
		if written {
			tickOn()
		}
		m.turn()
		if m.gone(token) {
			t.Errorf("written %t: cut off after %d bytes of progress", written, later)
		}
		m.pass(2 * timeout * tick)
		if !m.gone(token) || s.Stats().WriteTimeouts != 1 {
			t.Errorf("written %t: without progress it stays, %d timeouts", written, s.Stats().WriteTimeouts)
		}
	}
}

// Fragments may be long, too.
func TestDirectFragments(t *testing.T) {
	tr := newTrace()
	m := newMemory(t, &Server{Events: tr.events()})
	c := m.conn(tr)
	w, err := c.NewWriter(codec.OpcodeText)
	if err != nil {
		t.Fatal(err)
	}
	fragment := strings.Repeat("x", directBytes)
	for range 2 {
		if _, err := w.Write([]byte(fragment)); err != nil {
			t.Fatal(err)
		}
		m.turn()
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	m.turn()
	all, err := frames(m.take(c.token))
	if err != nil || len(all) != 3 || all[1].op != codec.OpcodeContinuation || string(all[1].payload) != fragment {
		t.Errorf("%v, %v", all, err)
	}
}

// Long messages of many goroutines to a few connections, among short ones, prepared ones and pings, while others close
// theirs: each arrives whole and in its goroutine's order, and none at another's.
func TestDirectFromManyGoroutines(t *testing.T) {
	t.Parallel()
	const conns, senders, messages = 3, 4, 60
	opened := make(chan Conn, 100)
	s := serve(t, &Server{Loops: 2, MaxBufferedBytes: 64 << 20, Events: Events{Open: func(c Conn) { opened <- c }}})
	var senderGroup, readers sync.WaitGroup
	for id := range conns {
		peer := s.open()
		c := await(t, opened, "Open")
		for sender := range senders {
			senderGroup.Go(func() {
				random := rand.New(rand.NewPCG(uint64(id), uint64(sender)))
				for n := range messages {
					size := []int{0, 100, directBytes, 3 * directBytes, 400_000}[random.IntN(5)]
					text := fmt.Sprintf("%d %d %d %s", id, sender, n, strings.Repeat("x", size))
					for {
						_, err := c.Send(codec.OpcodeText, []byte(text))
						if err == nil {
							break
						}
						runtime.Gosched()
					}
					_ = c.Ping(nil)
				}
			})
		}
		readers.Go(func() { readInOrder(t, peer, id, senders, messages) })
	}
	stop := make(chan struct{})
	others := sync.WaitGroup{}
	others.Go(func() { comeAndGo(t, s, opened, stop) })
	readers.Wait()
	senderGroup.Wait()
	close(stop)
	others.Wait()
}

// readInOrder reads what the senders of a connection send.
func readInOrder(t *testing.T, peer *client, id, senders, messages int) {
	next := make([]int, senders)
	for range senders * messages {
		f := peer.read()
		for f.op == codec.OpcodePing {
			f = peer.read()
		}
		var conn, sender, n int
		if _, err := fmt.Sscanf(string(f.payload[:min(len(f.payload), 40)]), "%d %d %d ", &conn, &sender, &n); err != nil || conn != id || n != next[sender] {
			t.Errorf("connection %d got message %d of %d, for connection %d; %v", id, n, sender, conn, err)
			return
		}
		next[sender]++
	}
}

// comeAndGo opens connections and ends them while a long message is on its way to them.
func comeAndGo(t *testing.T, s *running, opened <-chan Conn, stop <-chan struct{}) {
	payload := bytes.Repeat([]byte("y"), 300_000)
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		peer := s.open()
		c := await(t, opened, "Open")
		done := make(chan struct{})
		go func() {
			defer close(done)
			for start := time.Now(); time.Since(start) < patience; {
				if _, err := c.Send(codec.OpcodeBinary, payload); err == ErrClosed {
					return
				}
			}
			t.Error("a connection that has ended still takes messages")
		}()
		peer.read()
		if i%2 == 0 {
			c.Abort()
		}
		peer.Close()
		<-done
	}
}

// A message of many reads is read to where it is assembled, and sent from there: without allocations, and with no
// more memory than its own.
func TestLongEchoAllocatesNothing(t *testing.T) {
	s := serve(t, &Server{Loops: 1, Events: Events{Message: echo}})
	const length = 1 << 20
	in := masked(true, codec.OpcodeBinary, strings.Repeat("x", length))
	exchange := s.open().exchange(in, codec.HeaderLen(length)+length)
	const rounds = 50
	exchange()
	if n := leastMallocs(rounds, rounds, exchange); n >= rounds {
		t.Errorf("%d allocations for %d messages", n, rounds)
	}
	if held := s.Server.budget.held.Load(); held > 3<<20 {
		t.Errorf("%d bytes are held", held)
	}
}
