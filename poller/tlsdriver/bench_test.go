package tlsdriver_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/tlsdriver"
)

// bench is a driver over an inner one that has no sockets: a test calls the layer as a loop would.
type bench struct {
	poller.Loop // methods that nobody calls
	t           testing.TB
	driver      *tlsdriver.Driver
	handler     poller.Handler // the layer
	upper       *benchHandler
	token       poller.Token
	client      *tls.Conn
	pipe        *benchPipe
	woken       chan struct{}
	sink        func([]byte)
	pending     int
	closed      bool
	now         time.Duration
}

// Serve implements poller.Driver.
func (b *bench) Serve(newHandler func(poller.Loop) poller.Handler) error {
	b.handler = newHandler(b)
	return nil
}
func (b *bench) StopAccepting()     {}
func (b *bench) Stop()              {}
func (b *bench) Index() int         { return 0 }
func (b *bench) Now() time.Duration { return b.now }
func (b *bench) Wake() {
	select {
	case b.woken <- struct{}{}:
	default:
	}
}
func (b *bench) Pending(poller.Token) int { return b.pending }
func (b *bench) Held(poller.Token) int    { return 0 }
func (b *bench) Pause(poller.Token)       {}
func (b *bench) Resume(poller.Token)      {}
func (b *bench) CloseWrite(poller.Token)  {}
func (b *bench) Close(t poller.Token, err error) {
	b.closed = true
	b.handler.Closed(t, err)
}
func (b *bench) Write(_ poller.Token, p []byte) error     { b.sink(p); return nil }
func (b *bench) WriteLast(_ poller.Token, p []byte) error { b.sink(p); return nil }
func (b *bench) Socket(poller.Token) (s poller.SocketState, err error) {
	return s, nil
}

func (b *bench) RemoteAddr(poller.Token) (a netip.AddrPort, err error) {
	return a, poller.ErrClosed
}

// benchPipe is the client's end.
type benchPipe struct {
	net.Conn
	toServer chan []byte
	toClient chan []byte
	rest     []byte
}

func (p *benchPipe) Write(b []byte) (int, error) {
	p.toServer <- bytes.Clone(b)
	return len(b), nil
}

func (p *benchPipe) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		next, ok := <-p.toClient
		if !ok {
			return 0, io.EOF
		}
		p.rest = next
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

func (*benchPipe) SetWriteDeadline(time.Time) error { return nil }

// benchHandler is the upper handler.
type benchHandler struct {
	handlerStub
	opened bool
	data   func([]byte) int
	eof    bool
	closed bool
}

type handlerStub struct{}

func (handlerStub) Open(poller.Token)              {}
func (handlerStub) Dialing(poller.Token, any)      {}
func (handlerStub) Connected(poller.Token)         {}
func (handlerStub) Buffer(poller.Token) []byte     { return nil }
func (handlerStub) EOF(poller.Token)               {}
func (handlerStub) Progress(poller.Token, int)     {}
func (handlerStub) Drained(poller.Token)           {}
func (handlerStub) Closed(poller.Token, error)     {}
func (handlerStub) Flush()                         {}
func (handlerStub) Tick(time.Duration)             {}
func (h *benchHandler) Open(poller.Token)          { h.opened = true }
func (h *benchHandler) EOF(poller.Token)           { h.eof = true }
func (h *benchHandler) Closed(poller.Token, error) { h.closed = true }
func (h *benchHandler) Data(_ poller.Token, b []byte) int {
	return h.data(b)
}

// newBench has a connection whose handshake is over.
func newBench(t testing.TB, server, client *tls.Config) *bench {
	b := &bench{t: t, woken: make(chan struct{}, 1), upper: &benchHandler{}}
	var err error
	if b.driver, err = tlsdriver.Wrap(b, tlsdriver.Options{Config: server}); err != nil {
		t.Fatal(err)
	}
	if err := b.driver.Serve(func(l poller.Loop) poller.Handler { return b.upper }); err != nil {
		t.Fatal(err)
	}
	b.open(0, client)
	return b
}

// open adds a connection in a slot, and makes it the current one.
func (b *bench) open(slot uint32, client *tls.Config) {
	b.token = poller.MakeToken(slot, 1)
	b.pipe = &benchPipe{toServer: make(chan []byte, 100), toClient: make(chan []byte, 100)}
	b.sink = func(p []byte) { b.pipe.toClient <- bytes.Clone(p) }
	b.client = tls.Client(b.pipe, client)
	b.handler.Open(b.token)
	done := make(chan error, 1)
	go func() { done <- b.client.Handshake() }()
	b.upper.opened = false
	for !b.upper.opened {
		select {
		case p := <-b.pipe.toServer:
			if n := b.handler.Data(b.token, p); n != len(p) {
				b.t.Fatalf("%d of %d bytes were consumed", n, len(p))
			}
		case <-b.woken:
			b.handler.Flush()
		}
	}
	if err := <-done; err != nil {
		b.t.Fatal(err)
	}
}

// seal is what the client sends for a message.
func (b *bench) seal(message []byte) (all []byte) {
	done := make(chan struct{})
	go func() { _, _ = b.client.Write(message); close(done) }()
	for {
		select {
		case p := <-b.pipe.toServer:
			all = append(all, p...)
		case <-done:
			for len(b.pipe.toServer) > 0 {
				all = append(all, <-b.pipe.toServer...)
			}
			return all
		}
	}
}

// messageSizes are those of the measurements.
var messageSizes = []int{125, 1 << 14, 1 << 20}

// TestMessageAllocates counts what an echoed message allocates: a reader of 24 bytes in crypto/tls for each time that it asks
// for more of a record, which is once for a short record and twice for one of more than 500 bytes.
func TestMessageAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector, pools forget at random")
	}
	a := newAuthority(t)
	const runs = 200
	for _, test := range []struct{ size, want int }{{125, 1}, {1 << 14, 2}, {1 << 16, 8}} {
		config := a.client()
		config.DynamicRecordSizingDisabled = true
		b := newBench(t, a.server(t), config)
		loop := b.upperLoop()
		b.sink = func([]byte) {}
		b.upper.data = func(p []byte) int { _ = loop.Write(b.token, p); return len(p) }
		var sealed [][]byte
		for range runs + 20 {
			sealed = append(sealed, b.seal(pattern(test.size)))
		}
		next := 0
		one := func() {
			for p := sealed[next]; len(p) > 0; {
				p = p[b.handler.Data(b.token, p):]
			}
			next++
		}
		for range 10 {
			one()
		}
		if n := testing.AllocsPerRun(runs, one); n > float64(test.want) {
			t.Errorf("a message of %d bytes allocates %v times, want at most %d", test.size, n, test.want)
		}
	}
}

// upperLoop is the Loop that the upper handler has: the layer is both.
func (b *bench) upperLoop() poller.Loop { return b.handler.(poller.Loop) }

// TestMemoryPerConnection measures the heap of connections at rest. The log has the figures; the test fails where
// they leave what docs/tls.md says.
func TestMemoryPerConnection(t *testing.T) {
	const many = 300
	a := newAuthority(t)
	for _, test := range []struct{ size, most int }{{0, 12 << 10}, {125, 14 << 10}, {4 << 10, 22 << 10}, {1 << 14, 44 << 10}} {
		b := newBench(t, a.server(t), a.client())
		loop := b.upperLoop()
		b.upper.data = func(p []byte) int { _ = loop.Write(b.token, p); return len(p) }
		config := a.client()
		config.DynamicRecordSizingDisabled = true
		before := heap()
		for slot := range many {
			b.open(uint32(slot+1), config)
			b.sink = func([]byte) {}
			for range 5 {
				if test.size > 0 {
					p := b.seal(pattern(test.size))
					for len(p) > 0 {
						// In the pieces that TCP makes.
						n := min(len(p), 5000)
						if b.handler.Data(b.token, p[:n]) != n {
							t.Fatal("not all was consumed")
						}
						p = p[n:]
					}
				}
			}
			if n := loop.Held(b.token); n != 0 {
				t.Errorf("%d bytes are held for a connection at rest", n)
			}
		}
		b.client, b.pipe, b.sink = nil, nil, nil
		each := int(heap()-before) / many
		t.Logf("%d bytes each after records of %d bytes", each, test.size)
		if each > test.most {
			t.Errorf("%d bytes each after records of %d bytes, want at most %d", each, test.size, test.most)
		}
		runtime.KeepAlive(b)
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkEcho is what a message costs between the inner driver's Data and its Write. The record of the client is replayed, so
// the time of its decryption counts with that of a new connection now and then left out.
func BenchmarkEcho(b *testing.B) {
	a := newAuthority(b)
	for _, size := range messageSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			config := a.client()
			config.DynamicRecordSizingDisabled = true
			r := newBench(b, a.server(b), config)
			loop := r.upperLoop()
			r.sink = func([]byte) {}
			r.upper.data = func(p []byte) int { _ = loop.Write(r.token, p); return len(p) }
			message := pattern(size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for left := b.N; left > 0; {
				b.StopTimer()
				var sealed [][]byte
				for range min(left, max(1, (8<<20)/size)) {
					sealed = append(sealed, r.seal(message))
				}
				left -= len(sealed)
				b.StartTimer()
				for _, p := range sealed {
					for len(p) > 0 {
						n := r.handler.Data(r.token, p[:min(len(p), 64<<10)])
						p = p[n:]
					}
				}
			}
		})
	}
}

// BenchmarkPlainLook is what a plain connection pays for each Data, beside the handler without the layer.
func BenchmarkPlainLook(b *testing.B) {
	a := newAuthority(b)
	r := newBench(b, a.server(b), a.client())
	r.driver.SetConfig(nil)
	r.upper.data = func(p []byte) int { return len(p) }
	token := poller.MakeToken(7, 1)
	r.handler.Open(token)
	p := make([]byte, 125)
	for name, h := range map[string]poller.Handler{"Layer": r.handler, "Without": r.upper} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				h.Data(token, p)
			}
		})
	}
}
