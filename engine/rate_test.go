package engine

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller"
)

// A bucket never punishes what keeps to its rate and burst, and lets no more pass than those and two
// ticks' worth: the one that may be due, and the one in which the first of it came.
func TestBucketAgainstAModel(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 3))
		rate := Rate{PerSecond: 1 + r.IntN([]int{3, 50, 5000, 1 << 20}[r.IntN(4)])}
		rate.Burst = 1 + r.IntN(2*rate.PerSecond)
		units := []int{1, messageUnits}[r.IntN(2)]
		b := newBucket(rate, units)
		perTick := float64(rate.PerSecond) / float64(ticksPerSecond)
		slack := 2*perTick + float64(ticksPerSecond)
		var m meter
		exact, now := 0.0, 0.0 // the level of an ideal bucket, in things, and its clock, in ticks
		for range 2000 {
			step := r.Float64() * 3
			if r.IntN(50) == 0 {
				step *= 1000
			}
			exact = max(exact-step*perTick, 0)
			now += step
			b.leak(&m, uint32(now))
			n := 1 + r.IntN(max(int(3*perTick), 1))
			before := m.level
			within := b.add(&m, n, uint32(now))
			level := m.level
			if exact+float64(n) <= float64(rate.Burst) && !within {
				t.Fatalf("seed %d: %+v: %d on top of %.2f is refused at level %d", seed, rate, n, exact, level)
			}
			if float64(level)/float64(units) > exact+float64(n)+slack+perTick+1 {
				t.Fatalf("seed %d: %+v: level %d of %d units, want about %.2f", seed, rate, level, units, exact+float64(n))
			}
			if !within {
				m.level = before // refused, and not counted here
				continue
			}
			exact += float64(n)
			if rounding := now / float64(units); exact > float64(rate.Burst)+slack+rounding {
				t.Fatalf("seed %d: %+v: level %.2f passed", seed, rate, exact)
			}
		}
	}
}

// Traffic exactly at the rate is never punished, however long it lasts and whenever the ticks come; what is
// twice as fast is found out.
func TestSteadyTraffic(t *testing.T) {
	for _, rate := range []int{1, 2, 3, 4, 5, 7, 10, 99, 1023} {
		for _, kind := range []string{"messages", "bytes", "controls"} {
			for _, faster := range []bool{false, true} {
				s, text := &Server{PingInterval: Never}, masked(true, codec.OpcodeText, "")
				switch kind {
				case "messages":
					s.MessageRate = Rate{PerSecond: rate, Burst: 1}
				case "bytes":
					s.ByteRate = Rate{PerSecond: rate * len(text), Burst: len(text)}
				case "controls":
					s.ControlRate, text = Rate{PerSecond: rate, Burst: 1}, masked(true, codec.OpcodePong, "")
				}
				m := newMemory(t, s)
				c := m.open()
				m.now += 70 * time.Millisecond
				between, sent := time.Second/time.Duration(rate)+1, 0
				if faster {
					between /= 2
				}
				for start := m.now; m.now-start < 5*time.Minute && !m.over(c); sent++ {
					m.data(c, []byte(text))
					m.now += between
					if sent%3 == 0 {
						m.engine.Tick(m.now)
						m.turn()
					}
				}
				if m.over(c) != faster {
					t.Errorf("%s at %d/s, faster %t: over %t after %d", kind, rate, faster, m.over(c), sent)
				}
			}
		}
	}
}

// At once pass as many as Burst allows, or a second's worth, and a quarter of a second's worth that may be due. One
// more closes the connection with 1008.
func TestRateClose(t *testing.T) {
	text, ping := masked(true, codec.OpcodeText, "x"), masked(true, codec.OpcodePing, "")
	fragments := masked(false, codec.OpcodeText, "x") + masked(false, codec.OpcodeContinuation, "x") + masked(true, codec.OpcodeContinuation, "x")
	for name, test := range map[string]struct {
		server *Server
		frame  string
		passes int
	}{
		"burst":             {&Server{MessageRate: Rate{4, 10}}, text, 11},
		"no burst":          {&Server{MessageRate: Rate{8, 0}}, text, 10},
		"one per second":    {&Server{MessageRate: Rate{1, 0}}, text, 1},
		"small burst":       {&Server{MessageRate: Rate{40, 1}}, text, 11},
		"fragments":         {&Server{MessageRate: Rate{4, 10}}, fragments, 11},
		"streamed":          {&Server{MessageRate: Rate{4, 10}, Events: Events{Fragment: func(Conn, Fragment) {}}}, fragments, 11},
		"streamed whole":    {&Server{MessageRate: Rate{4, 10}, Events: Events{Fragment: func(Conn, Fragment) {}}}, text, 11},
		"bytes":             {&Server{ByteRate: Rate{4 * len(text), 10 * len(text)}}, text, 11},
		"controls":          {&Server{ControlRate: Rate{4, 10}}, ping, 11},
		"pongs":             {&Server{ControlRate: Rate{4, 10}}, masked(true, codec.OpcodePong, ""), 11},
		"controls, default": {&Server{}, ping, 1250},
	} {
		ends, delivered := newEnded(), 0
		s := test.server
		s.PingInterval = Never
		s.Events.Close = ends.note
		s.Events.Message = func(Conn, codec.Opcode, []byte) { delivered++ }
		m := newMemory(t, s)
		c := m.open()
		for range test.passes {
			m.data(c, []byte(test.frame))
		}
		if m.over(c) || s.Stats().RateClosures != 0 {
			t.Errorf("%s: closed within the rate", name)
			continue
		}
		m.take(c)
		m.data(c, []byte(test.frame+test.frame))
		if got := m.received(t, c); !m.over(c) || got != `[close 1008 ""]` || s.Stats().RateClosures != 1 {
			t.Errorf("%s: over %t, sent %s, %d closures", name, m.over(c), got, s.Stats().RateClosures)
		}
		if s.MessageRate.PerSecond > 0 && s.Events.Fragment == nil && delivered != test.passes {
			t.Errorf("%s: %d of %d messages were delivered", name, delivered, test.passes)
		}
		m.eof(c)
		if how := await(t, ends, "Close"); !errors.Is(how.Err, ErrRate) || how.Code != codec.StatusAbnormalClosure {
			t.Errorf("%s: ended with %+v", name, how)
		}
	}
}

// What is not limited is not, and frames that are not counted do not count.
func TestUnlimitedRates(t *testing.T) {
	for name, s := range map[string]*Server{
		"unlimited":   {ControlRate: Rate{PerSecond: Unlimited}, MessageRate: Rate{PerSecond: Unlimited, Burst: 1}, ByteRate: Rate{PerSecond: Unlimited, Burst: Unlimited}},
		"more":        {ControlRate: Rate{PerSecond: math.MaxInt32}, MessageRate: Rate{PerSecond: 1, Burst: 1 << 28}, ByteRate: Rate{PerSecond: math.MaxInt32}},
		"not a thing": {ControlRate: Rate{PerSecond: Unlimited}, MessageRate: Rate{Burst: 1}, ByteRate: Rate{Burst: 1}},
	} {
		m := newMemory(t, s)
		c := m.open()
		for range 100 {
			m.data(c, []byte(strings.Repeat(masked(true, codec.OpcodePong, "")+masked(true, codec.OpcodeText, "x"), 100)))
		}
		if m.over(c) {
			t.Errorf("%s: closed", name)
		}
	}
	m := newMemory(t, &Server{ByteRate: Rate{PerSecond: 100}})
	c := m.accept()
	m.data(c, []byte(head("/", "X: "+strings.Repeat("x", 1000))+masked(true, codec.OpcodeText, "x")))
	if m.over(c) {
		t.Error("the request head counts against ByteRate")
	}
}

// Beyond the rate the connection is not read, so that on average it brings what the rate says. Nothing is lost, and
// the order is kept.
func TestRatePause(t *testing.T) {
	const messages = 200
	for name, test := range map[string]struct {
		server *Server
		perSec int
	}{
		"no deadline":      {&Server{MessageRate: Rate{8, 8}}, 8},
		"one, no deadline": {&Server{MessageRate: Rate{1, 1}}, 1},
		"messages":         {&Server{MessageRate: Rate{8, 8}}, 8},
		"bytes":            {&Server{ByteRate: Rate{80, 80}}, 8},
		"one":              {&Server{MessageRate: Rate{1, 1}}, 1},
		"streamed":         {&Server{MessageRate: Rate{8, 8}, Events: Events{Fragment: func(Conn, Fragment) {}}}, 8},
	} {
		var got []string
		ends := newEnded()
		s := test.server
		s.OnRate, s.IdleTimeout, s.PingInterval, s.PongTimeout = RatePause, 2*time.Second, time.Second, tick
		if strings.HasSuffix(name, "no deadline") {
			s.IdleTimeout, s.PingInterval = Never, Never
		}
		s.Events.Close = ends.note
		s.Events.Message = func(_ Conn, _ codec.Opcode, payload []byte) { got = append(got, string(payload)) }
		if s.Events.Fragment != nil {
			s.Events.Fragment = func(_ Conn, f Fragment) { got = append(got, string(f.Payload)) }
		}
		m := newMemory(t, s)
		c := m.open()
		rest := []byte{}
		var want []string
		for i := range messages {
			want = append(want, fmt.Sprintf("%04d", i))
			rest = append(rest, masked(true, codec.OpcodeText, want[i])...)
		}
		rest = append(rest, closeFrame(codec.StatusNormalClosure, "")...)
		start, read := m.now, make([]byte, len(rest))
		for m.now < start+20*time.Minute && !m.gone(c) {
			for len(rest) > 0 && !m.gone(c) && !m.conns[c.Slot()].paused {
				// The driver presents the rest again; by the frame, as a socket might bring it.
				n := copy(read, rest[:min(len(rest), 10)])
				rest = rest[m.engine.Data(c, read[:n]):]
				m.turn()
			}
			m.pass(tick)
			if since := (m.now - start).Seconds(); float64(len(got)) > float64(test.perSec)*(since+1.25)+2 {
				t.Fatalf("%s: %d messages after %v seconds", name, len(got), since)
			}
		}
		took := (m.now - start).Seconds()
		if fmt.Sprint(got) != fmt.Sprint(want) || took > float64(messages/test.perSec)+2 {
			t.Errorf("%s: %d messages in %v seconds: %.60q", name, len(got), took, got)
		}
		if how := await(t, ends, "Close"); how.Code != codec.StatusNormalClosure || how.Err != nil {
			t.Errorf("%s: ended with %+v", name, how)
		}
		stats := s.Stats()
		if stats.RatePauses == 0 || stats.RateClosures+stats.IdleTimeouts+stats.PongTimeouts != 0 {
			t.Errorf("%s: %+v", name, stats)
		}
	}
}

// A connection that is paused for its rate can be closed by either side, and is not forgotten.
func TestEndWhilePausedForARate(t *testing.T) {
	for name, end := range map[string]func(m *memory, c Conn){
		"application": func(m *memory, c Conn) { _ = c.Close(codec.StatusNormalClosure, "") },
		"abort":       func(m *memory, c Conn) { c.Abort() },
		"lifetime":    func(m *memory, c Conn) { m.pass(10*time.Second + 2*tick) },
		"reset":       func(m *memory, c Conn) { m.Close(c.token, poller.ErrClosed) },
	} {
		tr := newTrace()
		s := &Server{ByteRate: Rate{1, 1}, OnRate: RatePause, MaxLifetime: 10 * time.Second, CloseTimeout: time.Second, Events: tr.events()}
		m := newMemory(t, s)
		c := m.conn(tr)
		m.data(c.token, []byte(masked(true, codec.OpcodeText, make([]byte, 1000))))
		if !m.conns[c.token.Slot()].paused {
			t.Fatal("not paused")
		}
		end(m, c)
		m.turn()
		if live := m.live(c.token); live != nil && live.paused {
			t.Errorf("%s: still paused, and never to be heard", name)
		}
		m.pass(time.Second + 2*tick)
		if !m.gone(c.token) || m.engine.sessions.At(c.token.Slot()).timer != (timer{}) {
			t.Errorf("%s: gone %t", name, m.gone(c.token))
		}
	}
}

// While the loop does not run, peers that keep to their rate go on sending. What they sent meanwhile comes at once
// and is no excess.
func TestRateAfterTheLoopWasHeldUp(t *testing.T) {
	m := newMemory(t, &Server{MessageRate: Rate{PerSecond: 10, Burst: 10}})
	c := m.open()
	for range 20 {
		m.now += 5 * time.Second
		m.data(c, []byte(strings.Repeat(masked(true, codec.OpcodeText, "x"), 10)))
		m.engine.Tick(m.now)
		m.turn()
	}
	if m.over(c) {
		t.Error("closed")
	}
}

// The same over TCP: the excess is answered with 1008, or waits in the peer's socket.
func TestRatesOverTCP(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		server *Server
		frame  string
	}{
		"messages": {&Server{MessageRate: Rate{100, 100}}, masked(true, codec.OpcodeText, "x")},
		"bytes":    {&Server{ByteRate: Rate{1000, 1000}}, masked(true, codec.OpcodeText, strings.Repeat("x", 100))},
		"controls": {&Server{ControlRate: Rate{100, 100}}, masked(true, codec.OpcodePong, "")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ends := newEnded()
			test.server.Events.Close = ends.note
			s := serve(t, test.server)
			c := s.open()
			_, _ = c.Conn.Write([]byte(strings.Repeat(test.frame, 5000))) // which the server may cut short
			c.expectClose(codec.StatusPolicyViolation)
			c.closeWrite()
			c.expectGone()
			if how := await(t, ends, "Close"); how.Code != codec.StatusAbnormalClosure || !errors.Is(how.Err, ErrRate) {
				t.Errorf("ended with %+v", how)
			}
			if n := s.Stats().RateClosures; n != 1 {
				t.Errorf("%d closures", n)
			}
		})
	}
}

func TestRatePauseOverTCP(t *testing.T) {
	t.Parallel()
	const messages = 300
	ends := newEnded()
	s := serve(t, &Server{
		MessageRate: Rate{PerSecond: 200, Burst: 1}, OnRate: RatePause,
		IdleTimeout: never, PingInterval: Never,
		Events: Events{Message: echo, Close: ends.note},
	})
	c := s.open()
	var all strings.Builder
	for i := range messages {
		all.WriteString(masked(true, codec.OpcodeText, fmt.Sprint(i)))
	}
	c.write(all.String() + closeFrame(codec.StatusNormalClosure, ""))
	c.closeWrite()
	for i := range messages {
		c.expect(codec.OpcodeText, fmt.Sprint(i))
	}
	c.expectClose(codec.StatusNormalClosure)
	c.expectEOF()
	if how := await(t, ends, "Close"); how.Code != codec.StatusNormalClosure || how.Err != nil {
		t.Errorf("ended with %+v", how)
	}
	if stats := s.Stats(); stats.RatePauses == 0 || stats.RateClosures != 0 {
		t.Errorf("%d pauses, %d closures", stats.RatePauses, stats.RateClosures)
	}
}
