package engine

import (
	"bytes"
	"fmt"
	"net/netip"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller"
)

// idleDriver is a driver's loop that keeps nothing of its connections, so that what they cost is
// what the engine takes for them.
type idleDriver struct {
	slots   uint32
	written int
}

var _ poller.Loop = (*idleDriver)(nil)

// open brings a connection and its request head.
func (d *idleDriver) open(l *loop, request []byte) poller.Token {
	t := poller.MakeToken(d.slots, 1)
	d.slots++
	l.Open(t)
	l.Data(t, request)
	l.Flush()
	return t
}

func (d *idleDriver) Index() int         { return 0 }
func (d *idleDriver) Now() time.Duration { return 0 }

func (d *idleDriver) Write(_ poller.Token, b []byte) error {
	d.written += len(b)
	return nil
}

func (d *idleDriver) WriteLast(t poller.Token, b []byte) error { return d.Write(t, b) }

func (d *idleDriver) Writev(_ poller.Token, vec [][]byte) error {
	for _, b := range vec {
		d.written += len(b)
	}
	return nil
}

func (d *idleDriver) CloseWrite(poller.Token)                  {}
func (d *idleDriver) TryWrite(_ poller.Token, _, _ []byte) int { return 0 }
func (d *idleDriver) Pending(poller.Token) int                 { return 0 }
func (d *idleDriver) Pause(poller.Token)                       {}
func (d *idleDriver) Resume(poller.Token)                      {}
func (d *idleDriver) Close(poller.Token, error)                {}
func (d *idleDriver) Wake()                                    {}
func (d *idleDriver) Held(poller.Token) int                    { return 0 }

func (d *idleDriver) Socket(poller.Token) (poller.SocketState, error) {
	return poller.SocketState{}, nil
}

func (d *idleDriver) RemoteAddr(poller.Token) (netip.AddrPort, error) {
	return netip.AddrPort{}, poller.ErrClosed
}

// The slabs of sessions are not looked at by the garbage collector, and an idle connection costs
// about 120 bytes with the driver's 16: both hold only while this does.
func TestSessionIsSmallAndWithoutPointers(t *testing.T) {
	if size := unsafe.Sizeof(session{}); size > 104 {
		t.Errorf("a session takes %d bytes", size)
	}
	if size := unsafe.Sizeof(terms{}); size > 20 {
		t.Errorf("its terms take %d bytes", size)
	}
	if size := unsafe.Sizeof(agreement{}); size > 8 {
		t.Errorf("its agreement takes %d bytes", size)
	}
	for _, slab := range []reflect.Type{reflect.TypeFor[session](), reflect.TypeFor[terms](), reflect.TypeFor[agreement]()} {
		if at := pointerIn(slab); at != "" {
			t.Errorf("%v%s is a pointer", slab, at)
		}
	}
	for _, pointers := range []reflect.Type{reflect.TypeFor[struct{ a [2]struct{ b *int } }](), reflect.TypeFor[string](), reflect.TypeFor[any]()} {
		if pointerIn(pointers) == "" {
			t.Errorf("the test finds no pointer in %v", pointers)
		}
	}
}

// pointerIn names the first field that the garbage collector would follow.
func pointerIn(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if at := pointerIn(f.Type); at != "" {
				return "." + f.Name + strings.TrimPrefix(at, " ")
			}
		}
		return ""
	case reflect.Array:
		return pointerIn(t.Elem())
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return ""
	}
	return " " // the caller puts the name before it
}

// An idle connection holds no buffer, whatever its deadlines and rates: a hundred thousand cost their slab entries.
func TestIdleConnectionsHoldOnlyTheirSessions(t *testing.T) {
	const conns = 100_000
	before := heapBytes()
	driver := &idleDriver{}
	l := openMany(t, driver, conns)
	perConn := float64(heapBytes()-before) / conns
	if limit := float64(unsafe.Sizeof(session{})+unsafe.Sizeof(terms{})+4) * 1.25; perConn > limit {
		t.Errorf("an idle connection takes %.1f bytes, want at most %.1f", perConn, limit)
	}
	runtime.KeepAlive(l)
}

// Agreeing to compression costs an idle connection nothing: without takeover not even when messages have been exchanged, and
// with takeover, before the first message, what says so.
func TestIdleConnectionsHoldNothingForDeflate(t *testing.T) {
	conns := 50_000
	if raceBuild {
		conns = 5_000
	}
	const slack = 50_000 // bytes, of all connections together
	text := story(1000)
	message := []byte(compressedFrame(true, codec.OpcodeText, squeeze(t, text)))
	weigh := func(d *Deflate, fields ...string) (opened, used float64) {
		heapBytes() // so that what another test left does not go while this one runs
		before := heapBytes()
		driver := &idleDriver{}
		l := newEngineLoop(t, &Server{MaxConnections: Unlimited, Deflate: d, Events: Events{Message: echo}}, driver)
		request := []byte(head("/", fields...))
		for range conns {
			driver.open(l, bytes.Clone(request))
		}
		if n := l.server.Stats().Handshakes; n != uint64(conns) {
			t.Fatalf("%d of %d connections are open", n, conns)
		}
		opened = float64(heapBytes()-before) / float64(conns)
		if len(fields) > 0 && !d.ServerContextTakeover {
			b := make([]byte, len(message))
			written := driver.written
			for slot := range driver.slots {
				copy(b, message)
				l.Data(poller.MakeToken(slot, 1), b)
				l.Flush()
			}
			if n := (driver.written - written) / conns; n < 20 || n > len(text)/4 {
				t.Fatalf("an echo of %d bytes takes %d", len(text), n)
			}
			used = float64(heapBytes()-before) / float64(conns)
		}
		runtime.KeepAlive(l)
		return opened, used
	}
	plain, _ := weigh(nil)
	unused, _ := weigh(&Deflate{})
	agreed, used := weigh(&Deflate{}, offer)
	taking, _ := weigh(&Deflate{ServerContextTakeover: true, ClientContextTakeover: true, MaxWindowBytes: 1 << 40}, offer)
	most := plain + slack/float64(conns)
	if unused > most || agreed > most || used > most {
		t.Errorf("a connection takes %.1f bytes; %.1f where it could agree to compression, %.1f where it did, %.1f after a message each", plain, unused, agreed, used)
	}
	if most += float64(unsafe.Sizeof(agreement{})); taking > most || taking < plain+1 {
		t.Errorf("with takeover a connection takes %.1f bytes, want at most %.1f", taking, most)
	}
}

// openMany opens connections with every deadline and rate that there is.
func openMany(t testing.TB, driver *idleDriver, conns int) *loop {
	l := newEngineLoop(t, &Server{
		MaxConnections: Unlimited, Events: Events{Message: echo},
		HandshakeTimeout: never, IdleTimeout: never, PingInterval: never, PongTimeout: never, WriteTimeout: never,
		MaxLifetime: 24 * never, CloseTimeout: never,
		MessageRate: Rate{PerSecond: 1}, ByteRate: Rate{PerSecond: 1}, ControlRate: Rate{PerSecond: 1}, OnRate: RatePause,
	}, driver)
	request := []byte(head("/"))
	b := make([]byte, len(request))
	for i := range conns {
		copy(b, request)
		driver.open(l, b)
		if i%1000 == 0 {
			l.Tick(0)
		}
	}
	if n := l.server.Stats().Handshakes; n != uint64(conns) {
		t.Fatalf("%d of %d connections are open", n, conns)
	}
	return l
}

func heapBytes() uint64 {
	runtime.GC()
	runtime.GC() // the second frees what finalizers held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkCollectIdle measures a cycle of the garbage collector over many idle connections.
func BenchmarkCollectIdle(b *testing.B) {
	for _, conns := range []int{1000, 1_000_000} {
		b.Run(fmt.Sprint(conns), func(b *testing.B) {
			before := heapBytes()
			l := openMany(b, &idleDriver{}, conns)
			perConn := float64(heapBytes()-before) / float64(conns)
			for b.Loop() {
				runtime.GC()
			}
			b.ReportMetric(perConn, "B/conn")
			runtime.KeepAlive(l)
		})
	}
}
