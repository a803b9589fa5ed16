package engine

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

// hook is a bridge that does what a test likes.
type hook struct {
	to       BridgeReceiver
	interest func(pattern string, wanted bool)
	publish  func(name string)
	close    func()
}

func (h *hook) Open(to BridgeReceiver) error {
	h.to = to
	return nil
}

func (h *hook) Interest(pattern string, wanted bool) {
	if h.interest != nil {
		h.interest(pattern, wanted)
	}
}

func (h *hook) Publish(name string, _ codec.Opcode, _ []byte) error {
	if h.publish != nil {
		h.publish(name)
	}
	return nil
}

func (h *hook) Close() error {
	if h.close != nil {
		h.close()
	}
	return nil
}

// newBridged is newMemory for a server with a bridge.
func newBridged(t *testing.T, s *Server) *memory {
	t.Helper()
	m := newMemory(t, s)
	if err := s.openBridge(); err != nil {
		t.Fatal(err)
	}
	return m
}

// A bridge may bring a message as soon as it hears that somebody wants it, say the last one.
func TestBridgeDeliversAtInterest(t *testing.T) {
	tr, h := newTrace(), &hook{}
	s := &Server{Events: tr.events(), Bridge: h, Topics: []Topic{{Pattern: "kept.>", Retain: true}}}
	m := newBridged(t, s)
	h.interest = func(pattern string, wanted bool) {
		if !wanted {
			return
		}
		if err := h.to.Deliver(pattern, codec.OpcodeText, []byte("last")); err != nil {
			t.Error(err)
		}
	}
	c := m.conn(tr)
	subscribe(t, c, "a", "kept.a")
	m.turn()
	m.expectFrames(t, c, text("last"), text("last"))
}

// A bridge that panics leaves nothing locked, wherever it is called.
func TestBridgePanics(t *testing.T) {
	tr, h := newTrace(), &hook{}
	s := &Server{Events: tr.events(), Bridge: h}
	m := newBridged(t, s)
	c := m.conn(tr)
	panics := func(f func()) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		f()
	}
	h.interest = func(string, bool) { panic("interest") }
	h.publish = func(string) { panic("publish") }
	panics(func() { _ = c.Subscribe("a") })
	panics(func() { _, _ = s.Publish("a", codec.OpcodeText, nil) })
	panics(func() { c.Unsubscribe("a") })
	panics(func() { _ = c.Subscribe("a") })
	c.Abort()
	m.turn()
	if stats := s.Stats(); stats.Panics != 1 || stats.Subscriptions != 0 {
		t.Errorf("%d panics on the loop, %d subscriptions are left", stats.Panics, stats.Subscriptions)
	}
}

// Loops count themselves in and out in any order; the bridge hears of what alternates.
func TestInterestInAnyOrder(t *testing.T) {
	h := &hook{}
	i := interest{bridge: h, loops: make(map[string]int), held: new(atomic.Int64)}
	told := ""
	h.interest = func(_ string, wanted bool) { told += map[bool]string{true: "+", false: "-"}[wanted] }
	for _, by := range []int{-1, 1, 1, 1, -1, -1, -1, 1, 1, -1} {
		i.change("a", by)
	}
	if told != "+-+-" || len(i.loops) != 0 {
		t.Errorf("told %q, %d patterns are left", told, len(i.loops))
	}
}

// What callbacks publish as the server ends still reaches the bridge, which is closed behind the last of them; after that, Publish refuses.
func TestBridgeIsClosedLast(t *testing.T) {
	var closed, left atomic.Bool
	var late atomic.Int32
	h := &hook{
		publish: func(name string) {
			if closed.Load() {
				late.Add(1)
			}
			if name == "left" {
				left.Store(true)
			}
		},
		close: func() { closed.Store(true) },
	}
	s := &Server{Bridge: h, Workers: 2, Events: Events{Close: func(c Conn, _ Closure) {
		for range 10_000 {
			runtime.Gosched() // the loops end
		}
		if _, err := c.Publish("left", codec.OpcodeText, nil); err != nil {
			t.Error(err)
		}
	}}}
	r := serve(t, s)
	r.open()
	publishing := make(chan struct{})
	var publisher sync.WaitGroup
	publisher.Go(func() {
		var err error
		for i := 0; err == nil; i++ {
			if _, err = s.Publish("talk", codec.OpcodeText, nil); i == 0 {
				close(publishing)
			}
			runtime.Gosched() // with one processor, the callback would wait for a time slice at each turn
		}
		if !errors.Is(err, ErrServerClosed) {
			t.Error(err)
		}
	})
	await(t, publishing, "the first message")
	r.stop()
	publisher.Wait()
	if !left.Load() || late.Load() != 0 {
		t.Errorf("the last message was carried: %v; %d behind Close", left.Load(), late.Load())
	}
}
