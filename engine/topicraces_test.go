package engine

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

// TestTopicsRaces is W108: connections subscribe, unsubscribe and go while others publish. Nothing comes after Unsubscribe has returned, what was
// published in between comes in order, and nothing is left at the end.
func TestTopicsRaces(t *testing.T) {
	rounds := 3000 // times 32 connections
	if testing.Short() {
		rounds = 300
	}
	conns := make(chan Conn, 1)
	s := &Server{Loops: 2, MaxBufferedBytes: 1 << 30, Events: Events{Open: func(c Conn) { conns <- c }}}
	s.tune = func(o *options) { o.fanOutChunk = 1 } // others get the lock behind every receiver
	r := serve(t, s)
	poll(t, "the server to run", func() bool { return s.allLoops() != nil })
	var publishers, churn sync.WaitGroup
	var over atomic.Bool
	for _, name := range []string{"a.b", "a.c.d"} {
		publishers.Go(func() {
			for i := 0; !over.Load(); i++ {
				if _, err := s.Publish(name, codec.OpcodeText, []byte(fmt.Sprintf("%s %d", name, i))); err != nil {
					t.Error(err)
					return
				}
				runtime.Gosched()
			}
		})
	}
	var opening sync.Mutex
	patterns := []string{"a.b", "a.*", "a.>", ">", "a.c.d", "a.*.d"}
	for i := range 8 {
		churn.Go(func() {
			for range 4 {
				opening.Lock()
				client := r.open()
				c := await(t, conns, "Open")
				opening.Unlock()
				var reading sync.WaitGroup
				reading.Go(func() { client.expectWithin(rounds) })
				for k := range rounds {
					pattern := patterns[(i+k)%len(patterns)]
					if _, err := c.SendText("begin"); err != nil {
						t.Error(err)
					}
					if err := c.Subscribe(pattern); err != nil {
						t.Error(err)
					}
					c.Unsubscribe(pattern)
					if _, err := c.SendText("end"); err != nil {
						t.Error(err)
					}
					for range k % 32 / 28 {
						runtime.Gosched() // let those go on who found the subscription yet
					}
				}
				reading.Wait()
				if err := c.Subscribe(patterns[i%len(patterns)]); err != nil { // which ends with it
					t.Error(err)
				}
				client.Close()
			}
		})
	}
	churn.Wait()
	over.Store(true)
	publishers.Wait()
	poll(t, "all to be gone", func() bool { return s.Stats().Connections == 0 })
	if n := s.Stats().Subscriptions; n != 0 {
		t.Errorf("%d subscriptions are left", n)
	}
	for _, l := range s.allLoops() {
		l.mu.Lock()
		if n := l.topics.Len(); n != 0 {
			t.Errorf("%d patterns are left", n)
		}
		l.mu.Unlock()
	}
}

// expectWithin reads messages, which must lie between "begin" and "end" and be in the order of their topic.
func (c *client) expectWithin(rounds int) {
	inside := false
	latest := map[string]int{}
	for ends := 0; ends < rounds; {
		switch payload := string(c.read().payload); payload {
		case "begin":
			inside = true
		case "end":
			inside = false
			ends++
		default:
			var name string
			var n int
			if _, err := fmt.Sscan(payload, &name, &n); err != nil || !inside {
				c.t.Errorf("%q came, between begin and end: %v", payload, inside)
				return
			}
			if before, ok := latest[name]; ok && n <= before {
				c.t.Errorf("%q came behind %d", payload, before)
				return
			}
			latest[name] = n
		}
	}
}
