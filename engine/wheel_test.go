package engine

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller"
)

// closings is a driver's loop that notes whom the engine closes.
type closings struct {
	idleDriver
	slots []uint32
}

func (d *closings) Close(t poller.Token, _ error) { d.slots = append(d.slots, t.Slot()) }

// newWheel makes a loop whose sessions are closed when their tick comes.
func newWheel(t testing.TB, sessions, now uint32) (*loop, *closings) {
	t.Helper()
	d := &closings{}
	l := newEngineLoop(t, &Server{}, d)
	l.wheel.now = now
	for slot := range sessions {
		l.sessions.Grow(slot)
		l.sessions.At(slot).phase = phaseFlushing
	}
	return l, d
}

// W46: the wheel does what a plain map of ticks does, also across the wrap of the tick and for ticks
// beyond its circumference.
func TestWheelAgainstAModelW46(t *testing.T) {
	const sessions, ticks = 200, 8000
	for _, start := range []uint32{0, math.MaxUint32 - ticks/2, math.MaxInt32 - ticks/2} {
		r := rand.New(rand.NewPCG(uint64(start), 1))
		l, d := newWheel(t, sessions, start)
		model := make(map[uint32]uint32)
		for range ticks {
			for range r.IntN(8) {
				slot := r.Uint32N(sessions)
				switch r.IntN(4) {
				case 0:
					l.unschedule(slot)
					delete(model, slot)
				default:
					at := l.wheel.now + []uint32{0, 1, 2, r.Uint32N(20), r.Uint32N(wheelBuckets), wheelBuckets - 1, wheelBuckets, r.Uint32N(6 * wheelBuckets)}[r.IntN(8)]
					if r.IntN(20) == 0 {
						at = l.wheel.now - r.Uint32N(5) // the next tick serves what is overdue
					}
					l.schedule(slot, at)
					model[slot] = at
				}
			}
			d.slots = d.slots[:0]
			l.serve()
			var due []uint32
			for slot, at := range model {
				if int32(at-l.wheel.now) <= 0 {
					due = append(due, slot)
					delete(model, slot)
				}
			}
			slices.Sort(due)
			slices.Sort(d.slots)
			if !slices.Equal(due, d.slots) {
				t.Fatalf("tick %d from %d: closed %d, want %d", l.wheel.now, start, d.slots, due)
			}
		}
		if len(model) == 0 {
			t.Error("nothing was left in the wheel: the test is too tame")
		}
		for slot := range maps.Keys(model) {
			l.unschedule(slot)
		}
		if l.wheel.buckets != [wheelBuckets]uint32{} {
			t.Errorf("from %d: the wheel is not empty", start)
		}
	}
}

// Only calls that are a tick apart turn the wheel, and each by one.
func TestWheelTurnsOneTickAtATime(t *testing.T) {
	var w wheel
	for i, step := range []struct {
		now  time.Duration
		want bool
	}{
		{0, false},
		{tick - 1, false},
		{tick, true},
		{tick, false}, // the clock stands still
		{2*tick - 1, false},
		{2 * tick, true},
		{time.Hour, true}, // it jumps
		{time.Hour + tick - 1, false},
		{time.Hour + tick, true},
		{time.Minute, false}, // back
		{time.Minute + tick, true},
		{time.Minute + 4*tick, true}, // is late
		{time.Minute + 5*tick, true},
	} {
		if got := w.advance(step.now); got != step.want {
			t.Errorf("step %d to %v: turned %t, want %t", i, step.now, got, step.want)
		}
	}
}

// Whenever ticks come, and however late, no deadline is early, and none is late by more than two ticks and
// what the ticks were late.
func TestDeadlinesAreNotEarly(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		timeout := time.Duration(1 + r.Int64N(int64(12*tick)))
		m := newMemory(t, &Server{HandshakeTimeout: timeout, CloseTimeout: Never})
		lateness := time.Duration(r.Int64N(int64(8 * tick)))
		lost := time.Duration(0)
		turn := func() {
			late := time.Duration(r.Int64N(int64(lateness + 1)))
			m.now += tick + late
			lost += late
			m.engine.Tick(m.now)
			m.turn()
		}
		for range r.IntN(10) {
			turn()
		}
		// A turn of its own: the wheel has not heard of the time that has passed.
		since := m.now + time.Duration(r.Int64N(int64(tick)))
		nextTick := m.now + tick
		if r.IntN(2) == 0 {
			since = nextTick + lateness // in the very turn of a tick that is late
			m.now = since - tick
		}
		lost = 0
		c := m.accept()
		for !m.over(c) {
			turn()
			if m.now > since+timeout+2*tick+lost+lateness {
				break
			}
		}
		passed := m.now - since
		if !m.over(c) || passed < timeout || passed-lost > timeout+2*tick+lateness {
			t.Fatalf("seed %d: a timeout of %v came after %v, %v of it lost (over %t)", seed, timeout, passed, lost, m.over(c))
		}
	}
}

// W43: a message is a store of the tick, whatever its deadlines, and a tick with a million sessions in the wheel
// allocates nothing.
func TestRearmingIsAStoreW43(t *testing.T) {
	sessions := uint32(1_000_000)
	if raceBuild || testing.Short() {
		sessions = 50_000
	}
	l, d := armMany(t, sessions, &Server{
		IdleTimeout: never, PingInterval: never, PongTimeout: never, WriteTimeout: never, MaxLifetime: 24 * never,
	})
	message := []byte(masked(true, codec.OpcodeText, "x"))
	b := make([]byte, len(message))
	touch := func() {
		for slot := range sessions {
			copy(b, message)
			l.Data(poller.MakeToken(slot, 1), b)
		}
	}
	l.wheel.now++
	before := l.sessions.At(7).timer
	// The runtime, and finalizers of what other tests left, allocate now and then.
	few := float64(sessions / 10_000)
	if n := testing.AllocsPerRun(1, touch); n > few {
		t.Errorf("%v allocations for a message to each", n)
	}
	if s := l.sessions.At(7); s.timer != before || s.heard != l.wheel.now || s.spoke != l.wheel.now {
		t.Errorf("a message made %+v of %+v, heard at %d, spoke at %d, now %d", s.timer, before, s.heard, s.spoke, l.wheel.now)
	}
	if n := testing.AllocsPerRun(1, func() {
		for slot := range sessions {
			l.schedule(slot, l.wheel.now+slot%5000)
		}
	}); n > few {
		t.Errorf("%v allocations for arming all", n)
	}
	now := time.Duration(0)
	if n := testing.AllocsPerRun(2*wheelBuckets, func() {
		now += tick
		l.Tick(now)
	}); n != 0 {
		t.Errorf("%v allocations in a tick", n)
	}
	if len(d.slots) != 0 {
		t.Errorf("%d sessions were closed", len(d.slots))
	}
}

// armMany opens very many connections.
func armMany(t testing.TB, sessions uint32, s *Server) (*loop, *closings) {
	t.Helper()
	s.MaxConnections = Unlimited
	s.Events.Message = func(Conn, codec.Opcode, []byte) {}
	d := &closings{}
	l := newEngineLoop(t, s, d)
	request := []byte(head("/"))
	b := make([]byte, len(request))
	for range sessions {
		copy(b, request)
		d.open(l, b)
	}
	return l, d
}

// W42: after time in which the loop did not run, of which the peers know nothing, deadlines go on from where they
// were.
func TestClockJumpsW41W42(t *testing.T) {
	s := &Server{IdleTimeout: 10 * time.Second, PingInterval: 4 * time.Second, PongTimeout: 2 * time.Second, MaxLifetime: time.Minute}
	m := newMemory(t, s)
	var all []poller.Token
	for i := range 48 {
		all = append(all, m.open())
		m.pass(time.Duration(i%6/5) * tick)
	}
	speak := func() {
		for _, c := range all {
			m.data(c, []byte(masked(true, codec.OpcodePong, "")+masked(true, codec.OpcodeText, "x")))
		}
	}
	for _, jump := range []time.Duration{5 * time.Minute, 24 * time.Hour, -3 * time.Hour, 0, 400 * 24 * time.Hour} {
		m.now += jump
		m.engine.Tick(m.now) // before the peers' answers are read
		m.turn()
		speak()
		for range 4 {
			m.engine.Tick(m.now) // and the clock stands still
			m.turn()
		}
	}
	m.pass(tick)
	for _, c := range all {
		if m.over(c) {
			t.Errorf("connection %d was ended: %s", c.Slot(), fmt.Sprint(wireEvents(m.take(c))))
		}
	}
	speak()
	for _, c := range all {
		m.take(c)
	}
	m.pass(6*time.Second + 4*tick) // what the jumps did not touch
	if n := s.Stats().PongTimeouts; n != 48 {
		t.Errorf("%d missed pongs, want 48", n)
	}
}

// W44: the deadline of a connection that is gone does not strike the next one in its slot.
func TestDeadlineOfAReusedSlotW44(t *testing.T) {
	m := newMemory(t, &Server{HandshakeTimeout: 4 * time.Second, IdleTimeout: 4 * time.Second, PingInterval: Never})
	for _, open := range []func() poller.Token{m.accept, m.open} {
		first := open()
		m.pass(3 * time.Second)
		m.Close(first, nil)
		m.turn()
		next := open()
		if next.Slot() != first.Slot() {
			t.Fatal("the slot was not reused")
		}
		m.pass(4 * time.Second)
		if sent := m.take(next); m.over(next) || len(sent) != 0 {
			t.Errorf("over %t, sent %q", m.over(next), sent)
		}
		m.pass(2 * tick)
		if sent := m.take(next); len(sent) == 0 {
			t.Error("its own deadline did not come")
		}
		m.Close(next, nil)
		m.turn()
	}
}

// W45: 0 is the default, Never is off, and the longest timeouts do not wrap into the past.
func TestTimeoutValuesW45(t *testing.T) {
	o, err := (&Server{}).options()
	if want := (deadlineTicks{handshake: 41, close: 21, ping: 241, pong: 81, write: 121}); err != nil || o.deadlines != want {
		t.Errorf("the defaults are %+v, %v; want %+v", o.deadlines, err, want)
	}
	for value, want := range map[time.Duration]uint32{
		Never: 0, Never - 1: ticksOf(longestTimeout), 1000 * 24 * time.Hour: ticksOf(longestTimeout),
		1: 2, tick: 2, tick + 1: 3, 10 * tick: 11,
	} {
		if got := timeoutTicks(value, 0); got != want {
			t.Errorf("%v is %d ticks, want %d", value, got, want)
		}
	}
	for _, timeout := range []time.Duration{Never, Never - 1} {
		s := &Server{
			HandshakeTimeout: timeout, IdleTimeout: timeout, PingInterval: timeout, PongTimeout: timeout,
			WriteTimeout: timeout, MaxLifetime: timeout, CloseTimeout: timeout,
		}
		m := newMemory(t, s)
		waiting, open, closing := m.accept(), m.open(), m.open()
		_ = Conn{m.engine, closing}.Close(codec.StatusNormalClosure, "")
		m.conns[open.Slot()].stalled = true
		_, _ = Conn{m.engine, open}.SendText("x")
		m.pass(3 * wheelBuckets * tick)
		if m.over(waiting) || m.over(open) || m.over(closing) {
			t.Errorf("%v: over: %t, %t, %t", timeout, m.over(waiting), m.over(open), m.over(closing))
		}
	}
	for field, s := range map[string]*Server{
		"HandshakeTimeout": {HandshakeTimeout: -1}, "IdleTimeout": {IdleTimeout: -1}, "PingInterval": {PingInterval: -1},
		"PongTimeout": {PongTimeout: -1}, "WriteTimeout": {WriteTimeout: -1}, "MaxLifetime": {MaxLifetime: -1},
		"CloseTimeout": {CloseTimeout: math.MinInt64},
	} {
		if _, err := s.options(); err == nil || err.Error() != "engine: Server."+field+": is negative" {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// BenchmarkTickW43 measures a tick with a million idle connections, each of which is pinged once a minute.
func BenchmarkTickW43(b *testing.B) {
	l, d := armMany(b, 1_000_000, &Server{IdleTimeout: Never, PongTimeout: Never, MaxLifetime: Never})
	for slot := range uint32(l.sessions.Len()) {
		if slot < d.idleDriver.slots {
			l.schedule(slot, l.wheel.now+1+slot%l.settings.deadlines.ping)
			l.sessions.At(slot).heard -= l.settings.deadlines.ping - slot%l.settings.deadlines.ping
		}
	}
	now := time.Duration(0)
	for b.Loop() {
		now += tick
		l.Tick(now)
		l.Flush()
	}
}
