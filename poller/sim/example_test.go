//go:build linux || darwin || freebsd

package sim_test

import (
	"fmt"
	"time"

	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/sim"
)

// shout answers in capitals, and says goodbye to those who fall silent.
type shout struct {
	loop  poller.Loop
	heard map[poller.Token]time.Duration
}

func (s *shout) Open(t poller.Token) { s.heard[t] = s.loop.Now() }

func (s *shout) Data(t poller.Token, b []byte) int {
	s.heard[t] = s.loop.Now()
	_ = s.loop.Write(t, append(b, '!'))
	return len(b)
}

func (s *shout) Tick(now time.Duration) {
	for t, at := range s.heard {
		if now-at > time.Minute {
			s.loop.Close(t, nil)
		}
	}
}

func (s *shout) EOF(t poller.Token)             { s.loop.Close(t, nil) }
func (s *shout) Closed(t poller.Token, _ error) { delete(s.heard, t) }
func (s *shout) Dialing(poller.Token, any)      {}
func (s *shout) Buffer(poller.Token) []byte     { return nil }
func (s *shout) Connected(poller.Token)         {}
func (s *shout) Progress(poller.Token, int)     {}
func (s *shout) Drained(poller.Token)           {}
func (s *shout) Flush()                         {}

func Example() {
	w := sim.New(sim.Options{Seed: 1, Main: func(w *sim.World) {
		p := w.Dial()
		p.Cut(sim.CutNowhere)
		p.Send([]byte("hello"))
		w.Settle()
		fmt.Printf("%s %v\n", p.Read(), p.State())
		w.Advance(59 * time.Second)
		fmt.Println(w.Now(), p.State())
		w.Advance(2 * time.Second)
		fmt.Println(w.Now(), p.State())
	}})
	err := w.Serve(func(l poller.Loop) poller.Handler {
		return &shout{l, map[poller.Token]time.Duration{}}
	})
	fmt.Println(err)
	// Output:
	// hello! open
	// 59s open
	// 1m1s half-closed
	// <nil>
}
