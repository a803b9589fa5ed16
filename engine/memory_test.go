package engine

import (
	"log/slog"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/wsloop/wsloop/poller"
)

// memory is a driver's loop without sockets, goroutines or time of its own: a test brings the bytes,
// takes the turns and moves the clock. What happens is exact, so a test can cut input where it
// likes and stop reading when it likes.
type memory struct {
	engine  *loop
	now     time.Duration
	conns   []memoryConn // by slot
	free    []uint32
	dead    []death
	writing func() // called in Write: what another goroutine might do in the middle of a flush
	trying  func() // the same in TryWrite
}

// memoryConn is one connection and its peer.
type memoryConn struct {
	generation uint32
	out        []byte // what the peer has received
	queue      []byte // what waits until the peer reads
	stalled    bool   // the peer does not read
	unsent     int    // what the system would hold besides
	paused     bool   // the engine does not read
	finSent    bool
	ended      bool
}

type death struct {
	token poller.Token
	err   error
}

var _ poller.Loop = (*memory)(nil)

func newMemory(t testing.TB, s *Server) *memory {
	t.Helper()
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	m := &memory{}
	m.engine = newEngineLoop(t, s, m)
	return m
}

// newEngineLoop makes the engine's side of a loop, as Serve would.
func newEngineLoop(t testing.TB, s *Server, driver poller.Loop) *loop {
	t.Helper()
	settings, err := s.options()
	if err != nil {
		t.Fatal(err)
	}
	s.configure(settings)
	s.began, s.idle = make(chan struct{}), make(chan struct{})
	return s.addLoop(driver).(*loop)
}

// accept brings a connection.
func (m *memory) accept() poller.Token {
	slot := uint32(len(m.conns))
	if last := len(m.free) - 1; last >= 0 {
		slot = m.free[last]
		m.free = m.free[:last]
	} else {
		m.conns = append(m.conns, memoryConn{})
	}
	c := &m.conns[slot]
	*c = memoryConn{generation: c.generation + 1}
	t := poller.MakeToken(slot, c.generation)
	m.engine.Open(t)
	return t
}

// open brings a connection and completes its opening handshake.
func (m *memory) open() poller.Token {
	t := m.accept()
	m.data(t, []byte(head("/")))
	m.take(t)
	return t
}

// data brings bytes, and takes as many turns as it needs until all are consumed. b is edited.
func (m *memory) data(t poller.Token, b []byte) {
	for {
		c := m.live(t)
		if c == nil {
			return
		}
		piece := b
		if room := m.engine.Buffer(t); len(room) > 0 {
			piece = room[:copy(room, b)]
		}
		n := m.engine.Data(t, piece)
		m.turn()
		if b = b[n:]; len(b) == 0 {
			return
		}
	}
}

// turn ends a turn of the loop.
func (m *memory) turn() {
	m.bury()
	m.engine.Flush()
	m.bury()
}

// pass moves the clock, with all the ticks and turns on the way.
func (m *memory) pass(d time.Duration) {
	for end := m.now + d; m.now < end; {
		m.now = min(m.now+poller.TickInterval, end)
		m.engine.Tick(m.now)
		m.turn()
	}
}

// eof brings the peer's FIN.
func (m *memory) eof(t poller.Token) {
	if m.live(t) != nil {
		m.engine.EOF(t)
		m.turn()
	}
}

// take returns what the peer received since the last call.
func (m *memory) take(t poller.Token) []byte {
	c := &m.conns[t.Slot()]
	out := c.out
	c.out = nil
	return out
}

// drain lets a stalled peer read all.
func (m *memory) drain(t poller.Token) {
	c := &m.conns[t.Slot()]
	c.out, c.queue, c.stalled = append(c.out, c.queue...), nil, false
	if m.live(t) != nil {
		m.engine.Drained(t)
		m.turn()
	}
}

// progress lets a stalled peer read n bytes, and no more.
func (m *memory) progress(t poller.Token, n int) {
	c := &m.conns[t.Slot()]
	c.out, c.queue = append(c.out, c.queue[:n]...), c.queue[n:]
	m.engine.Progress(t, len(c.queue))
	m.turn()
}

// gone says whether the engine closed the connection; the last use of its slot counts.
func (m *memory) gone(t poller.Token) bool { return m.live(t) == nil }

// over says that the peer has seen the end of what the engine sends.
func (m *memory) over(t poller.Token) bool { return m.gone(t) || m.live(t).finSent }

func (m *memory) live(t poller.Token) *memoryConn {
	if int(t.Slot()) >= len(m.conns) {
		return nil
	}
	c := &m.conns[t.Slot()]
	if c.generation != t.Generation() || c.ended {
		return nil
	}
	return c
}

func (m *memory) bury() {
	for i := 0; i < len(m.dead); i++ {
		m.engine.Closed(m.dead[i].token, m.dead[i].err)
		m.free = append(m.free, m.dead[i].token.Slot())
	}
	m.dead = m.dead[:0]
}

func (m *memory) Index() int         { return 0 }
func (m *memory) Now() time.Duration { return m.now }

func (m *memory) Write(t poller.Token, b []byte) error {
	if m.writing != nil {
		m.writing()
	}
	c := m.live(t)
	if c == nil || c.finSent {
		return poller.ErrClosed
	}
	if c.stalled {
		c.queue = append(c.queue, b...)
	} else {
		c.out = append(c.out, b...)
	}
	return nil
}

// TryWrite takes half of a frame and no less than its first byte, so that there is always a rest.
func (m *memory) TryWrite(t poller.Token, head, body []byte) int {
	c := m.live(t)
	if c == nil || c.finSent || c.stalled || len(c.queue) > 0 {
		return 0
	}
	if m.trying != nil {
		m.trying()
	}
	frame := append(slices.Clone(head), body...)
	n := (len(frame) + 1) / 2
	c.out = append(c.out, frame[:n]...)
	return n
}

func (m *memory) WriteLast(t poller.Token, b []byte) error { return m.Write(t, b) }

func (m *memory) Writev(t poller.Token, vec [][]byte) error {
	for _, b := range vec {
		if err := m.Write(t, b); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) CloseWrite(t poller.Token) {
	if c := m.live(t); c != nil {
		c.finSent = true
	}
}

func (m *memory) Pending(t poller.Token) int {
	if c := m.live(t); c != nil {
		return len(c.queue)
	}
	return 0
}

func (m *memory) Pause(t poller.Token) {
	if c := m.live(t); c != nil {
		c.paused = true
	}
}

func (m *memory) Resume(t poller.Token) {
	if c := m.live(t); c != nil {
		c.paused = false
	}
}

func (m *memory) Held(t poller.Token) int { return m.Pending(t) }

// Socket says that the peer has acknowledged all that it has received.
func (m *memory) Socket(t poller.Token) (poller.SocketState, error) {
	c := m.live(t)
	if c == nil {
		return poller.SocketState{}, poller.ErrClosed
	}
	return poller.SocketState{Unsent: c.unsent, RTT: time.Millisecond}, nil
}

func (m *memory) Close(t poller.Token, err error) {
	if c := m.live(t); c != nil {
		c.ended, c.queue = true, nil
		m.dead = append(m.dead, death{t, err})
	}
}

func (m *memory) RemoteAddr(poller.Token) (netip.AddrPort, error) {
	return netip.AddrPort{}, poller.ErrClosed
}

func (m *memory) Wake() {}
