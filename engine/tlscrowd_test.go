//go:build linux || darwin || freebsd

package engine

import (
	"crypto/tls"
	"log/slog"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/tlsdriver"
)

// TestTLSCrowdAtRest has thousands of TLS connections at rest. No goroutine is theirs, none of their buffers is left, and in the end all of them echo.
func TestTLSCrowdAtRest(t *testing.T) {
	many := throngSize(t, 5000)
	r := serveSecure(t, &Server{Loops: 2, MaxConnections: Unlimited, PingInterval: Never, Events: Events{Message: echo}})
	r.upgraded(r.config()).echoes("warm")
	goroutines, heap, held := runtime.NumGoroutine(), heapBytes(), r.Stats().Memory
	g := startThrong(t, throngOrder{Addr: r.addr, Root: r.root(), N: many, Versions: both, MessageBytes: 125})
	stats := r.stats()
	rest := func() {
		t.Helper()
		poll(t, "the goroutines of handshakes to end", func() bool { return runtime.NumGoroutine() <= goroutines+2 })
		poll(t, "the buffers to go", func() bool { return r.Stats().Memory <= held+1<<20 })
	}
	rest()
	if n := r.Stats().Connections; n != int64(many)+1 || stats.Handshakes.Load() != uint64(many)+1 || stats.Pending.Load() != 0 {
		t.Errorf("%d connections, %d handshakes, %d pending", n, stats.Handshakes.Load(), stats.Pending.Load())
	}
	t.Logf("%d connections: %d goroutines, %d without them; %d bytes of heap each", many, runtime.NumGoroutine(), goroutines, (heapBytes()-heap)/uint64(many))
	g.do("echo")
	rest()
}

// root is the certificate that its clients trust.
func (r *secureServer) root() []byte { return r.TLSConfig.Certificates[0].Certificate[0] }

// TestTLSHalfOpenCrowd has ten thousand connections stop before, in and behind their ClientHello, W14. New clients get in meanwhile, and those that are there are
// served. Who sent nothing or half holds no goroutine, who sent all holds one, and the deadline ends them all.
func TestTLSHalfOpenCrowd(t *testing.T) {
	many := throngSize(t, 9999)
	many -= many % 3
	r, driver, stats := serveLeaping(t, 2)
	var open []*client
	for range 4 {
		open = append(open, r.upgraded(r.config()))
		open[len(open)-1].echoes("warm")
	}
	poll(t, "the handshakes to end", func() bool { return stats.Pending.Load() == 0 })
	goroutines, before := runtime.NumGoroutine(), heapAndStacks()
	g := startThrong(t, throngOrder{Addr: r.addr, N: many, Stages: []string{"nothing", "half", "whole"}})
	poll(t, "all to come, and their ServerHellos to be written", func() bool {
		return stats.Pending.Load() == int64(many) && runtime.NumGoroutine() >= goroutines+many/3
	})
	for range 20 {
		open = append(open, r.upgraded(r.config()))
		for _, c := range open {
			c.echoes("meanwhile")
		}
	}
	poll(t, "the goroutines of the handshakes that ended to end", func() bool { return runtime.NumGoroutine() <= goroutines+many/3+4 })
	t.Logf("%d handshakes in progress: %d goroutines, %d without them; %d bytes of heap and stack each",
		many, runtime.NumGoroutine(), goroutines, (heapAndStacks()-before)/int64(many))
	if n := stats.TimedOut.Load() + stats.Evicted.Load(); n != 0 {
		t.Errorf("%d were ended before their time", n)
	}
	driver.leap.Store(int64(never))
	g.do("end")
	poll(t, "all handshakes to be ended", func() bool { return stats.TimedOut.Load() == uint64(many) && stats.Pending.Load() == 0 })
	poll(t, "their goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines+4 })
	for _, c := range open {
		c.echoes("afterwards")
	}
	if n := r.opens.Load(); n != int64(len(open)) {
		t.Errorf("%d calls of Open for %d clients", n, len(open))
	}
}

// TestTLSHandshakeDeadline has handshakes that began at different times: each ends at its own deadline.
func TestTLSHandshakeDeadline(t *testing.T) {
	r, driver, stats := serveLeaping(t, 1) // each loop has its own
	begin := func(sent []byte) *client {
		pending := stats.Pending.Load()
		c := r.dial()
		c.write(string(sent))
		poll(t, "the handshake to begin", func() bool { return stats.Pending.Load() == pending+1 })
		return c
	}
	hello := firstFlight(t, r.config())
	first := begin(hello)
	driver.leap.Store(int64(never / 2))
	second := begin(nil)
	driver.leap.Store(int64(never))
	first.expectGone()
	if timedOut, pending := stats.TimedOut.Load(), stats.Pending.Load(); timedOut != 1 || pending != 1 {
		t.Errorf("%d timed out, %d are pending", timedOut, pending)
	}
	driver.leap.Store(int64(never + never/2))
	second.expectGone()
}

// TestTLSHandshakesAreBounded has more clients stop behind their ClientHello than Server.MaxTLSHandshakes: the oldest give way, so no more
// goroutines wait than it says, and new clients get in all the time.
func TestTLSHandshakesAreBounded(t *testing.T) {
	const most = 100
	many := throngSize(t, 1000)
	r := serveSecure(t, &Server{Loops: 1, MaxTLSHandshakes: most, HandshakeTimeout: never, Events: Events{Message: echo}})
	r.upgraded(r.config()).echoes("warm")
	stats := r.stats()
	poll(t, "the handshake to end", func() bool { return stats.Pending.Load() == 0 })
	goroutines, worst := runtime.NumGoroutine(), 0
	hello := firstFlight(t, r.config())
	for i := range many {
		r.dial().write(string(hello))
		worst = max(worst, runtime.NumGoroutine())
		if i%100 == 0 {
			r.upgraded(r.config()).echoes("meanwhile")
		}
	}
	poll(t, "the eviction", func() bool { return stats.Evicted.Load() == uint64(many-most) && stats.Pending.Load() == most })
	// One that was ended may not have noticed yet.
	poll(t, "the goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines+most })
	t.Logf("%d goroutines at most, %d without handshakes", worst, goroutines)
	if n := stats.TimedOut.Load(); n != 0 {
		t.Errorf("%d timed out", n)
	}
}

// serveLeaping serves TLS over a driver whose clock leaps, with a handshake timeout of an hour.
func serveLeaping(t testing.TB, loops int) (*secureServer, *leapDriver, *tlsdriver.Stats) {
	t.Helper()
	own, pool := certificate(t)
	driver := newLeapDriver(t, loops)
	secure, err := tlsdriver.Wrap(driver, tlsdriver.Options{Config: &tls.Config{Certificates: []tls.Certificate{own}}, HandshakeTimeout: never})
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{MaxConnections: Unlimited, PingInterval: Never, Logger: slog.New(slog.DiscardHandler), Events: Events{Message: echo}}
	r := &secureServer{running: &running{Server: s, t: t, network: "tcp", addr: driver.addr, served: make(chan error, 1)}, pool: pool}
	r.count(&s.Events)
	go func() { r.served <- s.ServeDriver(secure) }()
	t.Cleanup(r.stop)
	return r, driver, secure.Stats()
}

// A leapDriver is the native driver with a clock that a test can set forward, so that no test waits for a deadline.
type leapDriver struct {
	*poller.Native
	addr string
	leap atomic.Int64
}

func newLeapDriver(t testing.TB, loops int) *leapDriver {
	t.Helper()
	native, err := poller.NewNative(poller.Options{Loops: loops})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := native.AddListener(ln); err != nil {
		t.Fatal(err)
	}
	return &leapDriver{Native: native, addr: ln.Addr().String()}
}

// Serve implements poller.Driver.
func (d *leapDriver) Serve(newHandler func(poller.Loop) poller.Handler) error {
	return d.Native.Serve(func(l poller.Loop) poller.Handler {
		l = leapLoop{l, d}
		return leapHandler{newHandler(l), d}
	})
}

type leapLoop struct {
	poller.Loop
	driver *leapDriver
}

// Now implements poller.Loop.
func (l leapLoop) Now() time.Duration { return l.Loop.Now() + time.Duration(l.driver.leap.Load()) }

type leapHandler struct {
	poller.Handler
	driver *leapDriver
}

// Tick implements poller.Handler.
func (h leapHandler) Tick(now time.Duration) {
	h.Handler.Tick(now + time.Duration(h.driver.leap.Load()))
}

// heapAndStacks is what the process holds besides descriptors.
func heapAndStacks() int64 {
	heap := heapBytes()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(heap + m.StackInuse)
}
