package engine

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller"
)

// half has a connection hold most of a message of n bytes.
func (m *memory) half(t poller.Token, n int) {
	m.data(t, codec.AppendMaskedHeader(nil, true, codec.OpcodeBinary, n, 1))
	m.data(t, make([]byte, n-1))
}

// expectNothingHeld looks for memory of connections when all have gone.
func expectNothingHeld(t *testing.T, s *Server) {
	stats := s.Stats()
	held := stats.Memory
	for _, l := range s.loops {
		held -= int64(l.outbox.metered + l.flushing.metered + cap(l.inflated)) // which loops keep
	}
	if stats.Connections != 0 || held != 0 || stats.Panics != 0 {
		t.Errorf("at the end: %d connections, %d bytes held, %d panics", stats.Connections, held, stats.Panics)
	}
}

// Over the high mark those that hold the most input are not read. Once memory is there again they are, and
// their messages arrive.
func TestMemoryPausesAndResumes(t *testing.T) {
	tr := newTrace()
	s := &Server{Loops: 1, MaxMemoryBytes: 8 << 20, Events: tr.events()}
	m := newMemory(t, s)
	big, small := m.open(), m.open()
	m.half(big, 1<<20)
	m.half(small, 1000)
	s.budget.held.Add(5 << 20)
	m.pass(tick)
	if !m.conns[big.Slot()].paused || m.conns[small.Slot()].paused {
		t.Errorf("paused: big %t, small %t", m.conns[big.Slot()].paused, m.conns[small.Slot()].paused)
	}
	if n := s.Stats().MemoryPauses; n != 1 {
		t.Errorf("%d pauses", n)
	}
	s.budget.held.Add(-1 << 20) // below the high mark, above where closing would stop
	m.pass(2 * tick)
	if m.conns[big.Slot()].paused || m.engine.starved != 0 {
		t.Fatalf("still paused; %d starved", m.engine.starved)
	}
	m.data(big, []byte{0})
	m.data(small, []byte{0})
	if n := len(tr.lines); n != 4 {
		t.Errorf("callbacks %q", tr.lines)
	}
}

// A connection that holds much and is not read for memoryPatience is given up, the others are not.
func TestMemoryPatience(t *testing.T) {
	tr := newTrace()
	s := &Server{Loops: 1, MaxMemoryBytes: 8 << 20, PingInterval: Never, CloseTimeout: time.Second, Events: tr.events()}
	m := newMemory(t, s)
	big, small := m.open(), m.open()
	m.half(big, 1<<20)
	m.half(small, 1000)
	s.budget.held.Add(13 << 19)
	m.pass(time.Duration(memoryPatience) * tick)
	if m.over(big) {
		t.Error("it was given up early")
	}
	m.pass(3 * tick)
	if got := wireEvents(append([]byte("\r\n\r\n"), m.take(big)...)); len(got) != 1 || got[0] != "close 1013 short of memory" || !m.over(big) || m.over(small) {
		t.Errorf("sent %q; over: %t, small %t", got, m.over(big), m.over(small))
	}
	m.pass(2 * time.Second)
	tr.expect(t, "open", "open", "close 1006 , "+ErrMemory.Error())
	if n := s.Stats().MemoryClosures; n != 1 {
		t.Errorf("%d closures", n)
	}
}

// Over the limit the worst holders go, as many as it takes: those of input, of output that waits, and of messages held
// back alike. Who holds little stays.
func TestMemoryClosesTheWorst(t *testing.T) {
	s := &Server{Loops: 1, MaxMemoryBytes: 16 << 20, MaxInFlightBytes: Unlimited, Events: Events{Message: func(c Conn, _ codec.Opcode, _ []byte) { c.Pause() }}}
	m := newMemory(t, s)
	little, input, output, held, head := m.open(), m.open(), m.open(), m.open(), m.accept()
	m.half(little, 100)
	m.half(input, 1<<20)
	m.conns[output.Slot()].stalled = true
	for range 40 {
		if _, err := (Conn{m.engine, output}).Send(codec.OpcodeBinary, make([]byte, 30_000)); err != nil {
			t.Fatal(err)
		}
	}
	for range 40 {
		m.data(held, []byte(masked(true, codec.OpcodeBinary, make([]byte, 30_000))))
	}
	m.data(head, make([]byte, 0))
	m.data(head, []byte("GET / HTTP/1.1\r\nHost"))
	s.budget.held.Add(15 << 20)
	m.turn()
	m.turn() // the Close frames leave
	for name, c := range map[string]poller.Token{"input": input, "output": output, "held back": held} {
		if !m.over(c) {
			t.Errorf("%s: it is still open", name)
		}
	}
	if m.over(little) || m.over(head) {
		t.Errorf("over: little %t, head %t", m.over(little), m.over(head))
	}
	if n := s.Stats().MemoryClosures; n != 3 {
		t.Errorf("%d closures", n)
	}
	if !m.gone(output) {
		t.Error("a peer that does not read is waited for")
	}
}

// A budget that is used up elsewhere costs nobody a connection here who holds no more than a share.
func TestMemorySpareTheModest(t *testing.T) {
	s := &Server{Loops: 1, MaxMemoryBytes: 16 << 20}
	m := newMemory(t, s)
	var all []poller.Token
	for range 50 {
		c := m.open()
		m.half(c, 5000)
		all = append(all, c)
	}
	s.budget.held.Add(16 << 20)
	m.turn()
	for _, c := range all {
		if m.over(c) {
			t.Fatal("a connection that holds little was closed")
		}
	}
}

// A head in pieces for which there is no memory is answered 503, be it the first piece or a later one.
func TestMemoryOfHeads(t *testing.T) {
	s := &Server{MaxMemoryBytes: 8 << 20}
	m := newMemory(t, s)
	first, later := m.accept(), m.accept()
	m.data(later, []byte("GET / HTTP/1.1\r\n"))
	s.budget.held.Add(8 << 20)
	m.data(first, []byte("GET /"))
	m.data(later, []byte("X: "+strings.Repeat("x", 2000)))
	m.turn()
	for name, c := range map[string]poller.Token{"first": first, "later": later} {
		if got := string(m.take(c)); !strings.HasPrefix(got, "HTTP/1.1 503 ") || !strings.Contains(got, "short of memory") {
			t.Errorf("%s piece: %q", name, got)
		}
	}
	if n := s.Stats().MemoryClosures; n != 2 {
		t.Errorf("%d closures", n)
	}
	s.budget.held.Add(-8 << 20)
	m.pass(DefaultCloseTimeout + 3*tick)
	expectNothingHeld(t, s)
}

// Whatever happens, the account of the buffers is exact: with the last connection and some ticks all is home.
func TestMemoryAccountIsExact(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		s := &Server{
			Loops: 1, MaxMemoryBytes: 4 << 20, MaxMessageBytes: 1 << 20, PingInterval: Never, CloseTimeout: time.Second,
			Overflow: Overflow{Policy: OverflowPolicy(seed % 4)}, MaxBufferedBytes: 1 << 20, MaxInFlightBytes: Unlimited,
		}
		s.Events.Message = func(c Conn, op codec.Opcode, payload []byte) {
			if random.IntN(4) == 0 {
				c.Pause()
			}
			echo(c, op, payload)
		}
		m := newMemory(t, s)
		var all []poller.Token
		for range 1000 {
			if len(all) < 20 {
				all = append(all, m.accept())
			}
			i := random.IntN(len(all))
			c := all[i]
			action := random.IntN(9)
			if action < 5 && m.live(c) != nil && m.conns[c.Slot()].paused {
				continue // its bytes would not be read
			}
			switch action {
			case 0:
				m.data(c, []byte(head("/")))
			case 1:
				m.data(c, []byte("GET / HTTP"))
			case 2:
				m.data(c, bytes.Repeat([]byte(masked(true, codec.OpcodeText, "tiny")), 500))
			case 3:
				m.data(c, []byte(masked(true, codec.OpcodeBinary, make([]byte, random.IntN(1<<random.IntN(18))))))
			case 4:
				m.half(c, 1+random.IntN(1<<random.IntN(20)))
			case 5:
				if m.live(c) != nil {
					m.conns[c.Slot()].stalled = true
				}
			case 6:
				m.drain(c)
			case 7:
				Conn{m.engine, c}.Resume()
				m.pass(tick)
			case 8:
				if random.IntN(2) == 0 {
					m.eof(c)
				} else {
					m.Close(c, nil)
				}
				m.turn()
			}
			if m.gone(c) {
				all = append(all[:i], all[i+1:]...)
			}
			if held := s.Stats().Memory; held > 4<<20 || held < 0 {
				t.Fatalf("seed %d: %d bytes are held", seed, held)
			}
		}
		for _, c := range all {
			m.Close(c, nil)
		}
		m.turn()
		m.pass(10 * time.Second)
		left := s.Stats().Memory - int64(m.engine.outbox.metered+m.engine.flushing.metered+cap(m.engine.inflated))
		if left != 0 || m.engine.starved != 0 || s.Stats().Connections != 0 {
			t.Errorf("seed %d: %d bytes are not home; %d starved, %+v", seed, left, m.engine.starved, s.Stats())
		}
	}
}

// W49: what the account says is what the heap has, up to 1 KiB for each connection and a tenth: for
// messages in pieces, for tiny messages that wait for slow peers and for those that are held back.
func TestMemoryAccountIsTrueW49(t *testing.T) {
	const conns = 300
	s := &Server{Loops: 1, MaxMemoryBytes: 64 << 20, MaxInFlightBytes: Unlimited, Events: Events{Open: func(c Conn) { c.Pause() }}}
	s.Events.Message = func(Conn, codec.Opcode, []byte) {}
	m := newMemory(t, s)
	before := heapBytes()
	tiny := []byte("tiny")
	for range conns / 3 {
		c := m.open()
		m.half(c, 100_000)
		slow := m.open()
		m.conns[slow.Slot()].stalled = true
		for range 2000 {
			_, _ = Conn{m.engine, slow}.Send(codec.OpcodeBinary, tiny)
		}
		m.turn()
		for range 2000 {
			_, _ = Conn{m.engine, slow}.Send(codec.OpcodeBinary, tiny)
		}
		held := m.open()
		for range 600 {
			m.data(held, []byte(masked(true, codec.OpcodeBinary, tiny)))
		}
	}
	queues := 0
	for i := range m.conns {
		queues += cap(m.conns[i].queue) + cap(m.conns[i].out)
	}
	heap, account := int64(heapBytes()-before)-int64(queues), s.Stats().Memory
	t.Logf("the heap has %d bytes more, the account says %d", heap, account)
	if account < 20<<20 || heap > account+account/10+conns<<10 {
		t.Errorf("the heap has %d bytes more, the account says %d", heap, account)
	}
	runtime.KeepAlive(m)
}
