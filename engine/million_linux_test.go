package engine

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/sim"
)

// BenchmarkMillion opens very many connections over the simulation, on one loop and with the default deadlines, spread over a
// ping interval, and measures what they cost while they idle. Every peer answers its pings.
//
// What the simulation and the driver take is measured in the same way, under a handler that keeps nothing. B/conn is the difference,
// so the engine's alone; the driver's 16 bytes come on top. Ticks, flushes and broadcasts are in the processor time of their thread, so
// that other programs do not count. ms/GC is a cycle of the whole process, ms/GC-sim one without the engine.
func BenchmarkMillion(b *testing.B) {
	for _, conns := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(conns), func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			for b.Loop() {
				bareBytes, bareGC := bareCrowd(b, conns)
				c := newCrowd(b, conns)
				s := &Server{Loops: 1, MaxConnections: Unlimited, Events: Events{Open: c.opened}}
				c.World = sim.New(sim.Options{Seed: 1, Main: func(*sim.World) {
					before := heapBytes()
					c.fill()
					c.idle()
					b.ReportMetric(float64(heapBytes()-before-bareBytes)/float64(conns), "B/conn")
					b.ReportMetric(collectMillis(), "ms/GC")
					b.ReportMetric(bareGC, "ms/GC-sim")
					if n := s.Stats().Connections; n != int64(conns) {
						b.Fatalf("%d of %d connections are open", n, conns)
					}
					b.ReportMetric(c.broadcast(), "ns/receiver")
				}})
				if err := s.ServeDriver(c); err != ErrServerClosed {
					b.Fatal(err)
				}
			}
		})
	}
}

// bareCrowd measures the simulation and the driver.
func bareCrowd(b *testing.B, conns int) (bytes uint64, gcMillis float64) {
	c := newCrowd(b, conns)
	c.World = sim.New(sim.Options{Seed: 1, Main: func(*sim.World) {
		before := heapBytes()
		c.fill()
		bytes, gcMillis = heapBytes()-before, collectMillis()
	}})
	if err := c.Serve(func(l poller.Loop) poller.Handler { return bare{l} }); err != nil {
		b.Fatal(err)
	}
	return bytes, gcMillis
}

// A crowd is a driver whose peers are very many. It has one loop, and takes the time of its handler.
type crowd struct {
	*sim.World
	b      *testing.B
	n      int
	peers  []sim.Peer
	tokens []poller.Token
	loop   *loop
	timed  *timedHandler
	pings  int
}

func newCrowd(b *testing.B, n int) *crowd {
	return &crowd{b: b, n: n, peers: make([]sim.Peer, 0, n), tokens: make([]poller.Token, 0, n)}
}

// Serve implements poller.Driver.
func (c *crowd) Serve(newHandler func(poller.Loop) poller.Handler) error {
	return c.World.Serve(func(l poller.Loop) poller.Handler {
		c.timed = &timedHandler{Handler: newHandler(l), b: c.b}
		return c.timed
	})
}

func (c *crowd) opened(conn Conn) {
	c.loop = conn.loop
	c.tokens = append(c.tokens, conn.token)
}

const ticksPerPing = int(DefaultPingInterval / tick)

// fill opens the connections, as many in each tick of a ping interval.
func (c *crowd) fill() {
	request := []byte(head("/"))
	perTick := (c.n + ticksPerPing - 1) / ticksPerPing
	for i := range c.n {
		p := c.Dial()
		p.Cut(sim.CutNowhere)
		p.Send(request)
		c.Settle()
		if !bytes.HasPrefix(p.Read(), []byte(switching)) {
			c.b.Fatal("a handshake failed")
		}
		c.peers = append(c.peers, *p)
		if (i+1)%perTick == 0 {
			c.tick()
		}
	}
}

const switching = "HTTP/1.1 101 "

// idle lets a ping interval pass.
func (c *crowd) idle() {
	c.timed.ticks, c.timed.flushes, c.pings = times{}, times{}, 0
	for range ticksPerPing {
		c.tick()
	}
	if c.pings < c.n*9/10 {
		c.b.Fatalf("%d pings for %d connections", c.pings, c.n)
	}
	c.b.ReportMetric(c.timed.ticks.averageMicros(), "us/tick")
	c.b.ReportMetric(c.timed.ticks.worst.Seconds()*1e6, "us/worst-tick")
	c.b.ReportMetric(c.timed.flushes.averageMicros(), "us/flush")
}

// tick has one tick pass and pings be answered, which takes none of the time that is measured.
func (c *crowd) tick() {
	c.Advance(tick)
	pong := []byte(masked(true, codec.OpcodePong, ""))
	for i := range c.peers {
		if p := &c.peers[i]; len(p.Received()) > 0 {
			p.Read()
			p.Send(pong)
			c.pings++
		}
	}
	c.Settle()
}

// broadcast sends a message of 32 bytes to all, some times over, and returns nanoseconds per receiver.
func (c *crowd) broadcast() float64 {
	const rounds = 3
	for i := range c.peers {
		c.peers[i].Discard()
	}
	message := make([]byte, 32)
	start := processorTime(c.b)
	for range rounds {
		for _, t := range c.tokens {
			_, _ = Conn{c.loop, t}.Send(codec.OpcodeBinary, message)
		}
		c.Settle()
	}
	took := processorTime(c.b) - start
	if want := int64(rounds * c.n * (2 + len(message))); c.Discarded() != want {
		c.b.Fatalf("%d bytes arrived, want %d", c.Discarded(), want)
	}
	return float64(took.Nanoseconds()) / float64(rounds*c.n)
}

// collectMillis is the length of a cycle of the garbage collector, the shortest of some: it shares its processors.
func collectMillis() float64 {
	best := time.Hour
	for range 10 {
		start := time.Now()
		runtime.GC()
		best = min(best, time.Since(start))
	}
	return best.Seconds() * 1e3
}

// timedHandler takes the time of ticks, and of the flush behind each.
type timedHandler struct {
	poller.Handler
	b              *testing.B
	ticks, flushes times
	ticked         bool
}

func (h *timedHandler) Tick(now time.Duration) {
	start := processorTime(h.b)
	h.Handler.Tick(now)
	h.ticks.add(processorTime(h.b) - start)
	h.ticked = true
}

func (h *timedHandler) Flush() {
	if !h.ticked {
		h.Handler.Flush()
		return
	}
	start := processorTime(h.b)
	h.Handler.Flush()
	h.flushes.add(processorTime(h.b) - start)
	h.ticked = false
}

// processorTime is what the thread has used.
func processorTime(b *testing.B) time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now); err != nil {
		b.Fatal(err)
	}
	return time.Duration(now.Nano())
}

type times struct {
	n          int
	sum, worst time.Duration
}

func (t *times) add(d time.Duration) {
	t.n++
	t.sum += d
	t.worst = max(t.worst, d)
}

func (t *times) averageMicros() float64 { return t.sum.Seconds() * 1e6 / float64(t.n) }

// bare answers every opening handshake alike and keeps nothing.
type bare struct {
	loop poller.Loop
}

func (h bare) Data(t poller.Token, b []byte) int {
	_ = h.loop.Write(t, []byte(switching))
	return len(b)
}

func (h bare) EOF(t poller.Token)         { h.loop.Close(t, nil) }
func (h bare) Open(poller.Token)          {}
func (h bare) Dialing(poller.Token, any)  {}
func (h bare) Buffer(poller.Token) []byte { return nil }
func (h bare) Connected(poller.Token)     {}
func (h bare) Progress(poller.Token, int) {}
func (h bare) Drained(poller.Token)       {}
func (h bare) Closed(poller.Token, error) {}
func (h bare) Flush()                     {}
func (h bare) Tick(time.Duration)         {}
