//go:build linux || darwin || freebsd

package sim

import (
	"bytes"
	"reflect"
	"runtime"
	"testing"
	"time"

	"github.com/wsloop/wsloop/poller"
)

// TestSocketHasNoPointers keeps the garbage collector out of idle connections.
func TestSocketHasNoPointers(t *testing.T) {
	typ := reflect.TypeFor[socket]()
	if typ.Size() > 40 {
		t.Errorf("a socket has %d bytes, want at most 40", typ.Size())
	}
	for i := range typ.NumField() {
		switch f := typ.Field(i); f.Type.Kind() {
		case reflect.Uint8, reflect.Int16, reflect.Int32, reflect.Uint32, reflect.Uint64:
		default:
			t.Errorf("%s is a %v", f.Name, f.Type)
		}
	}
}

// TestBurstIsNotKept has many connections busy at once, and then none.
func TestBurstIsNotKept(t *testing.T) {
	r := quiet(t)
	r.serve(Options{Seed: 14}, func(w *World) {
		for range 3 * spareLinks {
			c := &client{Peer: w.Dial()}
			c.send(5)
			r.clients = append(r.clients, c)
		}
		w.Settle()
		for _, c := range r.clients {
			if b := c.Read(); !bytes.Equal(b, patternBytes(c.ID(), 0, 5)) {
				t.Fatalf("peer %d received %q", c.ID(), b)
			}
		}
		kept := 0
		for _, l := range w.links[1:] {
			if l != nil {
				kept++
			}
		}
		if kept > spareLinks+1 {
			t.Errorf("%d links are kept for connections that idle", kept)
		}
		for _, c := range r.clients {
			c.send(5)
		}
		w.Settle()
		for _, c := range r.clients {
			if b := c.Read(); !bytes.Equal(b, patternBytes(c.ID(), 5, 5)) {
				t.Fatalf("peer %d received %q", c.ID(), b)
			}
			c.leave(c.Close)
		}
	})
}

// idle is a handler that echoes and keeps nothing.
type idle struct {
	loop   poller.Loop
	tokens *[]poller.Token
}

func (h idle) Open(t poller.Token)               { *h.tokens = append(*h.tokens, t) }
func (h idle) Data(t poller.Token, b []byte) int { _ = h.loop.Write(t, b); return len(b) }
func (h idle) EOF(t poller.Token)                { h.loop.Close(t, nil) }
func (h idle) Dialing(poller.Token, any)         {}
func (h idle) Buffer(poller.Token) []byte        { return nil }
func (h idle) Connected(poller.Token)            {}
func (h idle) Progress(poller.Token, int)        {}
func (h idle) Drained(poller.Token)              {}
func (h idle) Closed(poller.Token, error)        {}
func (h idle) Flush()                            {}
func (h idle) Tick(time.Duration)                {}

// BenchmarkIdle opens a million connections, each of which echoes once and then idles, and measures what they hold
// and what a tick and a garbage collection take while they do.
func BenchmarkIdle(b *testing.B) {
	const peers = 1_000_000
	for b.Loop() {
		before := heapBytes()
		start := time.Now()
		var tokens []poller.Token
		var loop poller.Loop
		w := New(Options{Seed: 1, Main: func(w *World) {
			for range peers {
				p := w.Dial()
				p.Send([]byte("hello"))
				w.Settle()
				if len(p.Read()) != 5 {
					b.Fatal("no echo")
				}
			}
			b.ReportMetric(float64(time.Since(start).Nanoseconds())/peers, "ns/dial")
			start = time.Now()
			after := heapBytes()
			b.ReportMetric(float64(time.Since(start).Milliseconds()), "ms/2GC")
			b.ReportMetric(float64(after-before)/peers, "bytes/conn")
			start = time.Now()
			w.Advance(time.Hour)
			b.ReportMetric(float64(time.Since(start).Nanoseconds())/float64(time.Hour/poller.TickInterval), "ns/tick")
			start = time.Now()
			for id := range w.count {
				(&Peer{w, id}).Discard()
			}
			frame := make([]byte, 100)
			for _, t := range tokens {
				_ = loop.Write(t, frame)
			}
			b.ReportMetric(float64(time.Since(start).Nanoseconds())/peers, "ns/broadcast")
			if w.Discarded() != peers*int64(len(frame)) {
				b.Fatalf("%d bytes arrived", w.Discarded())
			}
			start = time.Now()
		}})
		if err := w.Serve(func(l poller.Loop) poller.Handler { loop = l; return idle{l, &tokens} }); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(start).Nanoseconds())/peers, "ns/close")
	}
}

func heapBytes() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
