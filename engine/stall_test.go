package engine

import (
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller"
)

// takes lets a stalled peer read up to n bytes of what waits for it in the driver's queue.
func (m *memory) takes(t poller.Token, n int) {
	c := m.live(t)
	switch {
	case c == nil || n == 0 || len(c.queue) == 0:
	case n < len(c.queue):
		m.progress(t, n)
	default:
		c.out, c.queue = append(c.out, c.queue...), nil
		m.engine.Drained(t)
		m.turn()
	}
}

// A peer has to take some of what waits for it in each WriteTimeout, or all. What does not matter is where it
// waits, and whether the peer is alive.
func TestWriteDeadlineW36W37(t *testing.T) {
	const timeout = 5 * time.Second
	const ticks = int(timeout/tick) + 1
	for name, test := range map[string]struct {
		queued, perTick, unsentPerTick int
		lives                          bool
	}{
		"nothing":                  {1 << 20, 0, 0, false},
		"a byte now and then":      {1 << 20, 1, 0, false},
		"almost enough":            {1 << 20, (minProgress - 1) / ticks, 0, false},
		"just enough":              {1 << 20, minProgress/ticks + 1, 0, true},
		"honestly slow":            {4 << 20, 64 << 10, 0, true},
		"from the system":          {1 << 20, 0, minProgress/ticks + 1, true},
		"a little from the system": {1 << 20, 0, 10, false},
		"almost all":               {100, 4, 0, false},
		"all of little":            {80, 4, 0, true},
	} {
		ends := newEnded()
		s := &Server{
			WriteTimeout: timeout, PingInterval: time.Second, PongTimeout: time.Second, MaxBufferedBytes: 8 << 20,
			Events: Events{Close: ends.note},
		}
		m := newMemory(t, s)
		c := m.open()
		m.conns[c.Slot()].stalled = true
		m.conns[c.Slot()].unsent = 1 << 20
		if test.queued < 1000 {
			m.conns[c.Slot()].unsent = 0
		}
		conn, message := Conn{m.engine, c}, make([]byte, min(test.queued, 32<<10)-4)
		for sent := 0; sent < test.queued; sent += len(message) + 4 {
			if _, err := conn.Send(codec.OpcodeBinary, message); err != nil {
				t.Fatal(err)
			}
		}
		m.turn()
		for i := range 3 * ticks {
			if m.gone(c) {
				if m.now < timeout {
					t.Errorf("%s: cut off early", name)
				}
				break
			}
			if i%8 == 0 {
				m.data(c, []byte(masked(true, codec.OpcodePong, ""))) // alive it is
			}
			m.takes(c, test.perTick)
			m.conns[c.Slot()].unsent -= test.unsentPerTick
			m.pass(tick)
		}
		n := s.Stats().WriteTimeouts
		if m.gone(c) == test.lives || (n == 0) != test.lives {
			t.Errorf("%s: gone %t, %d timeouts", name, m.gone(c), n)
		}
		if !test.lives && m.gone(c) {
			ends.expect(t, codec.StatusAbnormalClosure, WriteDeadline)
			m.pass(time.Minute)
			if held := s.Stats().Memory; held > 4<<10 {
				t.Errorf("%s: %d bytes are held after the end", name, held)
			}
		}
	}
}

// WriteTimeout is measured from when output began to wait, and output that waits anew has it anew.
func TestWriteDeadlineIsExact(t *testing.T) {
	s := &Server{WriteTimeout: 4 * time.Second, PingInterval: Never}
	m := newMemory(t, s)
	c := m.open()
	for range 5 {
		m.conns[c.Slot()].stalled = true
		_, _ = Conn{m.engine, c}.SendText("x")
		m.turn()
		m.pass(4 * time.Second)
		if m.gone(c) {
			t.Fatal("cut off early")
		}
		m.drain(c)
		m.pass(time.Minute) // nothing waits
	}
	m.conns[c.Slot()].stalled = true
	_, _ = Conn{m.engine, c}.SendText("x")
	m.turn()
	m.pass(4*time.Second + 3*tick)
	if !m.gone(c) {
		t.Error("not cut off")
	}
}

// Behind output that waits a ping would come late: such a peer is judged by what it takes.
func TestStalledPeersAreNotPinged(t *testing.T) {
	s := &Server{PingInterval: time.Second, PongTimeout: time.Second, WriteTimeout: 10 * time.Second}
	m := newMemory(t, s)
	c := m.open()
	m.conns[c.Slot()].stalled = true
	_, _ = Conn{m.engine, c}.SendText("x")
	m.turn()
	m.pass(9 * time.Second)
	if m.gone(c) {
		t.Fatalf("cut off: %d for the pong", s.Stats().PongTimeouts)
	}
	m.drain(c)
	if got := m.received(t, c); got != `[text fin=true of 1 bytes "x"]` {
		t.Errorf("sent %s", got)
	}
	m.pass(time.Second + 2*tick)
	if got := m.received(t, c); got != aPing {
		t.Errorf("sent %s when nothing waits", got)
	}
}

// A ping may lie behind bytes that the system has yet to bring to the peer: as long as those move on
// it is not late.
func TestPingBehindUnsentBytes(t *testing.T) {
	for name, test := range map[string]struct {
		unsent, perSecond int
		write             time.Duration
		want              Deadline
	}{
		"few":              {minProgress, 0, 0, PongDeadline},
		"not judged":       {1 << 20, 0, Never, PongDeadline},
		"stuck":            {1 << 20, 0, 0, WriteDeadline},
		"trickle":          {1 << 20, 100, 0, WriteDeadline},
		"moving":           {8 << 20, 20 << 10, 0, 0},
		"moving to an end": {100 << 10, 20 << 10, 0, PongDeadline},
		"a small end":      {10_000, 150, 0, PongDeadline},
	} {
		ends := newEnded()
		s := &Server{PingInterval: 2 * time.Second, PongTimeout: time.Second, WriteTimeout: test.write, Events: Events{Close: ends.note}}
		m := newMemory(t, s)
		c := m.open()
		m.conns[c.Slot()].unsent = test.unsent
		for range 100 {
			if m.gone(c) {
				break
			}
			m.pass(time.Second)
			m.conns[c.Slot()].unsent = max(m.conns[c.Slot()].unsent-test.perSecond, 0)
		}
		if test.want == 0 {
			if m.gone(c) {
				t.Errorf("%s: cut off by %v", name, (<-ends).Err)
			}
			continue
		}
		if !m.gone(c) {
			m.pass(time.Minute)
		}
		if !m.gone(c) {
			t.Errorf("%s: not cut off", name)
			continue
		}
		ends.expect(t, codec.StatusAbnormalClosure, test.want)
	}
}
