package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller"
)

// ended notes how connections end.
type ended chan Closure

func newEnded() ended { return make(ended, 1<<12) }

func (e ended) note(_ Conn, how Closure) { e <- how }

// expect takes one end, which must be by this deadline.
func (e ended) expect(t testing.TB, code codec.StatusCode, d Deadline) {
	t.Helper()
	how := await(t, e, "Close")
	var timeout *TimeoutError
	if how.Code != code || !errors.Is(how.Err, ErrTimeout) || !errors.As(how.Err, &timeout) || timeout.Deadline != d {
		t.Errorf("ended with %d, %v; want %d by the %v deadline", how.Code, how.Err, code, d)
	}
}

// received describes what the peer got since the last call.
func (m *memory) received(t testing.TB, c poller.Token) string {
	t.Helper()
	all, err := frames(m.take(c))
	if err != nil {
		t.Error(err)
	}
	return fmt.Sprint(all)
}

const aPing = `[ping fin=true of 0 bytes ""]`

func TestTimeoutError(t *testing.T) {
	seen := make(map[string]bool)
	for d := HandshakeDeadline; d < deadlineKinds; d++ {
		var err error = &TimeoutError{d}
		timeout, ok := err.(interface{ Timeout() bool })
		if !errors.Is(err, ErrTimeout) || errors.Is(err, ErrClosed) || !errors.As(fmt.Errorf("%w", err), new(*TimeoutError)) {
			t.Errorf("%v matches the wrong errors", err)
		}
		if !ok || !timeout.Timeout() {
			t.Errorf("%v is no timeout for package net", err)
		}
		if want := "engine: " + d.String() + " deadline passed"; err.Error() != want || d.String() == "" || seen[d.String()] {
			t.Errorf("deadline %d is %v", d, err)
		}
		seen[d.String()] = true
	}
	if Deadline(0).String() != "unknown" || deadlineKinds.String() != "unknown" {
		t.Error("what is no deadline has a name")
	}
}

// A peer that sends no message is told to go away, whatever else it sends.
func TestIdle(t *testing.T) {
	const timeout = 5 * time.Second
	text := masked(true, codec.OpcodeText, "x")
	first, middle := masked(false, codec.OpcodeText, "x"), masked(false, codec.OpcodeContinuation, "x")
	for name, test := range map[string]struct {
		says  []string // one after another, each after three seconds
		lives bool
	}{
		"nothing":             {[]string{""}, false},
		"pings":               {[]string{masked(true, codec.OpcodePing, "")}, false},
		"pongs":               {[]string{masked(true, codec.OpcodePong, "")}, false},
		"messages":            {[]string{text}, true},
		"fragments":           {[]string{first, middle, middle, middle, middle, middle}, true},
		"pieces of a frame":   {[]string{"\x82\xfe\x01\x00\x00\x00\x00\x00a", "b", "b", "c", "d", "e"}, true},
		"a ping in fragments": {[]string{first, "\x89\x82\x00", "\x00\x00", "\x00a", "b", ""}, false},
	} {
		for _, streamed := range []bool{false, true} {
			ends := newEnded()
			s := &Server{IdleTimeout: timeout, PingInterval: Never, Events: Events{Close: ends.note}}
			if streamed {
				s.Events.Fragment = func(Conn, Fragment) {}
			}
			m := newMemory(t, s)
			c := m.open()
			for i := range 6 {
				m.pass(3 * time.Second)
				m.data(c, []byte(test.says[i%len(test.says)]))
			}
			got := ""
			for _, f := range strings.Split(m.received(t, c), "pong") {
				if strings.Contains(f, "close") {
					got = f[strings.Index(f, "close"):]
				}
			}
			if lived := got == ""; lived != test.lives || s.Stats().IdleTimeouts != map[bool]uint64{true: 0, false: 1}[lived] {
				t.Errorf("%s, streamed %t: lived %t: %s; %d timeouts", name, streamed, lived, got, s.Stats().IdleTimeouts)
			} else if !lived {
				if got != `close 1001 "idle"]` {
					t.Errorf("%s: sent %s", name, got)
				}
				ends.expect(t, codec.StatusAbnormalClosure, IdleDeadline) // after the close timeout
			}
		}
	}
}

// The peer answers the Close frame: its code is reported beside the reason.
func TestIdleOverTCP(t *testing.T) {
	t.Parallel()
	ends := newEnded()
	s := serve(t, &Server{IdleTimeout: time.Millisecond, Events: Events{Close: ends.note}})
	c := s.open()
	if f := c.read(); f.String() != `close 1001 "idle"` {
		t.Errorf("got %v", f)
	}
	c.write(closeFrame(codec.StatusGoingAway, ""))
	c.expectEOF()
	ends.expect(t, codec.StatusGoingAway, IdleDeadline)
	if n := s.Stats().IdleTimeouts; n != 1 {
		t.Errorf("%d timeouts", n)
	}
}

// A silent peer is pinged, and lives as long as anything comes in time.
func TestPing(t *testing.T) {
	for _, answer := range []string{
		masked(true, codec.OpcodePong, ""), masked(true, codec.OpcodePong, "other"), masked(true, codec.OpcodeText, "x"), "\x82\x81",
	} {
		ends := newEnded()
		s := &Server{PingInterval: 4 * time.Second, PongTimeout: 2 * time.Second, Events: Events{Close: ends.note}}
		m := newMemory(t, s)
		c := m.open()
		for i := range 3 {
			m.pass(4 * time.Second)
			if got := m.received(t, c); got != "[]" {
				t.Fatalf("%q, round %d: sent %s before the interval was over", answer, i, got)
			}
			m.pass(2 * tick)
			if got := m.received(t, c); got != aPing {
				t.Fatalf("%q, round %d: sent %s after the interval", answer, i, got)
			}
			m.pass(2*time.Second - 2*tick)
			half := len(answer) / 2 // of a frame does as well
			if i < 2 {
				m.data(c, []byte([]string{answer[:half], answer[half:]}[i]))
			}
		}
		if m.gone(c) {
			t.Errorf("%q: cut off early", answer)
			continue
		}
		m.pass(3 * tick)
		if !m.gone(c) || len(m.take(c)) != 0 || s.Stats().PongTimeouts != 1 {
			t.Errorf("%q: gone %t, %d timeouts", answer, m.gone(c), s.Stats().PongTimeouts)
			continue
		}
		ends.expect(t, codec.StatusAbnormalClosure, PongDeadline)
	}
}

func TestPingOverTCP(t *testing.T) {
	t.Parallel()
	ends := newEnded()
	s := serve(t, &Server{PingInterval: time.Millisecond, PongTimeout: time.Second, Events: Events{Close: ends.note}})
	c := s.open()
	c.expect(codec.OpcodePing, "")
	c.send(codec.OpcodePong, "")
	c.expect(codec.OpcodePing, "")
	c.expectGone()
	ends.expect(t, codec.StatusAbnormalClosure, PongDeadline)
	if n := s.Stats().PongTimeouts; n != 1 {
		t.Errorf("%d timeouts", n)
	}
}

// Pings come at their interval although there is more time for the answer, and whenever that comes.
func TestPingsWhileThereIsTimeForPongs(t *testing.T) {
	s := &Server{PingInterval: time.Second, PongTimeout: 10 * time.Second}
	m := newMemory(t, s)
	c := m.open()
	for _, takes := range []time.Duration{0, tick, time.Second, 5 * time.Second, 9 * time.Second, 0, 0} {
		m.pass(time.Second)
		if got := m.received(t, c); got != "[]" {
			t.Fatalf("sent %s within the interval", got)
		}
		m.pass(2 * tick)
		if got := m.received(t, c); got != aPing {
			t.Fatalf("sent %s after the interval", got)
		}
		m.pass(takes)
		m.data(c, []byte(masked(true, codec.OpcodePong, "")))
	}
	m.pass(11*time.Second + 4*tick)
	if !m.gone(c) || s.Stats().PongTimeouts != 1 {
		t.Errorf("gone %t", m.gone(c))
	}
}

// An answer in the very tick of its ping counts.
func TestPongAtOnce(t *testing.T) {
	m := newMemory(t, &Server{PingInterval: time.Second, PongTimeout: time.Second})
	c := m.open()
	for range 100 {
		m.pass(tick)
		if len(m.take(c)) > 0 {
			m.data(c, []byte(masked(true, codec.OpcodePong, "")))
		}
	}
	if m.gone(c) {
		t.Error("cut off")
	}
}

// With PongTimeout Never pings keep the way open, and nobody waits for the answer.
func TestPingsWithoutPongs(t *testing.T) {
	m := newMemory(t, &Server{PingInterval: 4 * time.Second, PongTimeout: Never})
	c := m.open()
	m.pass(10 * time.Minute)
	all, err := frames(m.take(c))
	if m.gone(c) || err != nil || len(all) < 600/5 || len(all) > 600/4 {
		t.Errorf("gone %t, %d pings, %v", m.gone(c), len(all), err)
	}
}

// A ping for which there was no room is sent later. Its peer is not blamed meanwhile.
func TestPingWithoutRoom(t *testing.T) {
	s := &Server{PingInterval: 4 * time.Second, PongTimeout: tick}
	m := newMemory(t, s)
	c, other := m.open(), m.open()
	m.engine.settings.maxOutbox = 10
	for range 40 {
		m.data(other, []byte(masked(true, codec.OpcodePong, "")))
		_, _ = Conn{m.engine, other}.SendText("waits for the end of the turn")
		m.now += tick
		m.engine.Tick(m.now)
		m.turn()
	}
	if got := m.received(t, c); m.gone(c) || got != "[]" {
		t.Fatalf("gone %t, sent %s", m.gone(c), got)
	}
	m.pass(tick)
	if got := m.received(t, c); got != aPing {
		t.Errorf("sent %s once there was room", got)
	}
}

// W47: bytes that come before the tick, in its turn, win over the deadline that it brings.
func TestDataWinsOverTheDeadlineW47(t *testing.T) {
	for name, s := range map[string]*Server{
		"idle": {IdleTimeout: 2 * time.Second, PingInterval: Never},
		"pong": {PingInterval: time.Second, PongTimeout: time.Second},
	} {
		for _, wins := range []bool{false, true} {
			fresh := s.fresh()
			m := newMemory(t, fresh)
			ticks := 0
			m.open()
			for ; fresh.ended() == 0; ticks++ { // finds the tick that brings the deadline
				m.pass(tick)
			}
			fresh = s.fresh()
			m = newMemory(t, fresh)
			c := m.open()
			m.pass(time.Duration(ticks-1) * tick)
			if fresh.ended() != 0 {
				t.Fatalf("%s: ended early", name)
			}
			if wins {
				m.engine.Data(c, []byte(masked(true, codec.OpcodeText, "x")))
			}
			m.pass(tick)
			if (fresh.ended() == 0) != wins {
				t.Errorf("%s: data came %t, %d ended", name, wins, fresh.ended())
			}
		}
	}
}

// ended is how many connections these two deadlines ended.
func (s *Server) ended() uint64 { return s.Stats().IdleTimeouts + s.Stats().PongTimeouts }

// fresh is a Server with the same deadlines, as one serves once.
func (s *Server) fresh() *Server {
	return &Server{IdleTimeout: s.IdleTimeout, PingInterval: s.PingInterval, PongTimeout: s.PongTimeout}
}

// Who is not read cannot be heard: no deadline passes for it, and all start anew when it is read again.
func TestPausedPeersAreNotJudged(t *testing.T) {
	s := &Server{IdleTimeout: 3 * time.Second, PingInterval: time.Second, PongTimeout: time.Second, MaxInFlightBytes: 1, MaxInFlight: 1}
	tr := newTrace()
	s.Events = tr.events()
	m := newMemory(t, s)
	c := m.conn(tr)
	c.Pause()
	m.turn()
	m.data(c.token, []byte(masked(true, codec.OpcodeText, "held")))
	if !m.conns[c.token.Slot()].paused {
		t.Fatal("the connection is read")
	}
	m.pass(time.Minute)
	if got := m.received(t, c.token); m.over(c.token) || got != "[]" {
		t.Fatalf("over %t, sent %s", m.over(c.token), got)
	}
	c.Resume()
	m.turn()
	m.pass(time.Second)
	if got := m.received(t, c.token); got != "[]" {
		t.Errorf("sent %s at once", got)
	}
	m.pass(2 * tick)
	if got := m.received(t, c.token); got != aPing {
		t.Errorf("sent %s", got)
	}
	m.pass(time.Second + 2*tick)
	if n := s.Stats().PongTimeouts; !m.gone(c.token) || n != 1 {
		t.Errorf("gone %t, %d timeouts", m.gone(c.token), n)
	}
}

// A pause that began and ended between two looks at the deadlines counts as well.
func TestShortPause(t *testing.T) {
	tr := newTrace()
	m := newMemory(t, &Server{IdleTimeout: 3 * time.Second, PingInterval: Never, MaxInFlightBytes: 1, MaxInFlight: 1, Events: tr.events()})
	c := m.conn(tr)
	c.Pause()
	m.turn()
	m.data(c.token, []byte(masked(true, codec.OpcodeText, "held")))
	m.pass(3*time.Second - tick)
	c.Resume()
	m.turn()
	m.pass(3 * time.Second)
	if got := m.received(t, c.token); got != "[]" {
		t.Errorf("sent %s", got)
	}
}

// Connections end within the last tenth of their lifetime, spread over it, and never later.
func TestLifetime(t *testing.T) {
	const conns = 500
	ends := newEnded()
	s := &Server{MaxLifetime: 100 * time.Second, PingInterval: Never, Events: Events{Close: ends.note}}
	m := newMemory(t, s)
	var all []poller.Token
	for range conns {
		all = append(all, m.open())
	}
	atOnce := make(map[uint64]int)
	for m.now < 100*time.Second+2*tick {
		if n := s.Stats().Lifetimes; m.now < 90*time.Second && n > 0 {
			t.Fatalf("%d ended after %v", n, m.now)
		}
		before := s.Stats().Lifetimes
		m.pass(tick)
		if n := s.Stats().Lifetimes - before; n > 0 {
			atOnce[n]++
			if n > conns/5 {
				t.Errorf("%d ended at once", n)
			}
		}
	}
	if n := s.Stats().Lifetimes; n != conns || len(atOnce) < 2 {
		t.Errorf("%d of %d ended", n, conns)
	}
	for _, c := range all {
		m.data(c, []byte(masked(true, codec.OpcodeText, "late")+closeFrame(codec.StatusGoingAway, "")))
		if got := m.received(t, c); got != `[close 1001 "lifetime"]` && !m.gone(c) {
			t.Fatalf("sent %s", got)
		}
	}
	m.pass(DefaultCloseTimeout + 2*tick)
	for range conns {
		how := <-ends
		if !errors.Is(how.Err, ErrTimeout) {
			t.Fatalf("ended by %v", how.Err)
		}
	}
}

func TestLifetimeOverTCP(t *testing.T) {
	t.Parallel()
	ends := newEnded()
	s := serve(t, &Server{MaxLifetime: time.Millisecond, Events: Events{Close: ends.note}})
	c := s.open()
	if f := c.read(); f.String() != `close 1001 "lifetime"` {
		t.Errorf("got %v", f)
	}
	c.write(closeFrame(codec.StatusGoingAway, ""))
	c.expectEOF()
	ends.expect(t, codec.StatusGoingAway, LifetimeDeadline)
}

// A place in the drain beyond the circumference of the wheel is kept, though there is no other deadline.
func TestDrainBeyondTheWheel(t *testing.T) {
	const conns = 400
	s := &Server{PingInterval: Never, CloseTimeout: Never}
	m := newMemory(t, s)
	var all []poller.Token
	for range conns {
		all = append(all, m.open())
		m.take(all[len(all)-1])
	}
	s.drainTicks.Store(4 * wheelBuckets)
	s.shuttingDown.Store(true)
	m.turn()
	left := func() (n int) {
		for _, c := range all {
			if len(m.conns[c.Slot()].out) == 0 {
				n++
			}
		}
		return n
	}
	for quarter := range 4 {
		m.pass(wheelBuckets * tick)
		if n, want := left(), conns*(3-quarter)/4; n < want-conns/8 || n > want+conns/8 {
			t.Errorf("%d left after %d quarters of the drain, want about %d", n, quarter+1, want)
		}
	}
	m.pass(2 * tick)
	if n := left(); n != 0 {
		t.Errorf("%d of %d left", n, conns)
	}
}
