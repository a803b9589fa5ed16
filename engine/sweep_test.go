//go:build linux || darwin || freebsd

package engine

import (
	"context"
	"fmt"
	"log/slog"
	"syscall"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller/sim"
)

// A sweepPeer is a part of a scenario. Those without a code end badly by their own doing.
type sweepPeer struct {
	path   string
	code   codec.StatusCode
	script []action
}

// A scenario is what each run of a sweep plays.
type scenario struct {
	calls       []sim.Call // each of which it makes
	peers       []sweepPeer
	dials       []simDial // of the last of the peers
	descriptors int       // 0 for no limit
}

// sweepScenario has clients that together have every system call be made.
var sweepScenario = scenario{calls: sim.Calls(), descriptors: sweepDescriptors, peers: []sweepPeer{
	{"/echo", codec.StatusNormalClosure, []action{{actMessage, 1000, 50 * time.Millisecond}, {actPing, 0, 0}, {actMessage, 0, 0}}},
	{"/fragments", codec.StatusNormalClosure, []action{{actFragments, 6000, 0}, {actMessage, 126, 50 * time.Millisecond}}},
	// Reads nothing for a while.
	{"/echo", codec.StatusNormalClosure, []action{{actWindow, 200, 0}, {actMessage, 9000, 0}, {actMessage, 9000, 2 * time.Second}, {actOpen, 0, 0}}},
	// Is still there when the server drains.
	{"/echo", codec.StatusGoingAway, []action{{actMessage, 125, time.Second}, {actMessage, 1, time.Minute}}},
	{"/echo", 0, []action{{actMessage, 1, 0}, {actGarbage, 0, 0}}},
	{"/echo", 0, []action{{actMessage, 1, 50 * time.Millisecond}, {actReset, 0, 0}}},
	{"/echo", 0, []action{{actMessage, 1, 50 * time.Millisecond}, {actFIN, 0, 0}}},
}}

// sweepDescriptors are too few for all clients at once, the listener included: some wait until others have left.
const sweepDescriptors = 1 + 4

// A fault is that the n-th call of a kind fails.
type fault struct {
	call  sim.Call
	errno syscall.Errno
	n     int
}

func (f fault) String() string {
	return fmt.Sprintf("%v fails with %v at call %d", f.call, f.errno, f.n)
}

// costs is how many connections a fault may end.
func (f fault) costs() int {
	switch f.call {
	case sim.CallAccept:
		if f.errno == syscall.ECONNABORTED || f.errno == syscall.EPROTO {
			return 1
		}
	case sim.CallRead, sim.CallWrite, sim.CallWritev:
		if f.errno != syscall.EAGAIN && f.errno != syscall.EINTR {
			return 1
		}
	case sim.CallAdd, sim.CallModify, sim.CallSocket, sim.CallBind:
		return 1
	case sim.CallConnect:
		if f.errno != syscall.EINTR {
			return 1
		}
	}
	return 0
}

// TestFaultSweep has the first system call of a kind fail, then the second, and so on until a run makes no more of them, with
// each error that the call may give. No fault costs more than the connection that it hits, and many cost none.
func TestFaultSweep(t *testing.T) { sweepFaults(t, &sweepScenario) }

func sweepFaults(t *testing.T, played *scenario) {
	runs := 0
	for _, call := range played.calls {
		calls := 0
		for i, errno := range sim.Errnos(call) {
			if testing.Short() && i%4 != 0 {
				continue
			}
			for n := 1; ; n++ {
				runs++
				f := fault{call, errno, n}
				happened, problem := playSweep(played, f, nil)
				if problem != "" {
					playSweep(played, f, func(line string) { t.Log(line) })
					t.Fatalf("%v: %s", f, problem)
				}
				if !happened {
					break
				}
				calls++
			}
		}
		if calls == 0 {
			t.Errorf("the scenario does not call %v", call)
		}
	}
	t.Logf("%d runs", runs)
}

// playSweep runs the scenario with one fault and says what is wrong with it.
func playSweep(played *scenario, f fault, trace func(string)) (happened bool, problem string) {
	r := newSweepRun(played)
	r.world = sim.New(sim.Options{
		Seed: r.seed, Loops: 2, SendBuffer: 4 << 10, ReceiveBuffer: 4 << 10, Descriptors: played.descriptors, Trace: trace,
		Fail: func(call sim.Call, n int) syscall.Errno {
			if call != f.call || n != f.n {
				return 0
			}
			happened = true
			return f.errno
		},
		Main: func(*sim.World) { r.sweep() },
	})
	if problem = r.play(); problem != "" {
		return happened, problem
	}
	return happened, r.judgeSweep(played, f)
}

func newSweepRun(played *scenario) *simRun {
	r := newRun(1, map[int]bool{})
	r.swept = true
	r.server = &Server{
		CloseTimeout: time.Second, WriteTimeout: 10 * time.Second,
		PerAddress: SourceLimits{Connections: 100}, // so that addresses are asked for
		Drain:      Drain{Window: time.Second},
		Logger:     slog.New(slog.DiscardHandler),
		Events:     r.events(r.peerOf),
	}
	r.server.Events.Upgrade = r.upgrade
	for i, s := range played.peers {
		c := r.add()
		c.path, c.script = s.path, s.script
		r.without[c.id] = true // judgeSweep judges
		if j := i - len(played.peers) + len(played.dials); j >= 0 {
			d := played.dials[j]
			d.far, d.data, d.addresses, c.dial = c, c, 1, &d
		}
	}
	return r
}

// sweep is the script of the world.
func (r *simRun) sweep() {
	r.world.OnDial(r.reached)
	for _, c := range r.peers {
		c.start()
	}
	r.world.After(5*time.Second, func() {
		r.shut = true
		r.server.stopAccepting(context.Background())
	})
	r.world.Advance(10 * time.Second)
	r.world.Calm()
	r.world.Advance(20 * time.Second) // all deadlines
	r.judgeEnd()
}

// judgeSweep counts the good peers that did not get what they came for.
func (r *simRun) judgeSweep(played *scenario, f fault) string {
	lost, last := 0, ""
	for i, c := range r.peers {
		want := played.peers[i].code
		ended := c.end != nil || c.dial != nil && c.dial.hungUp && c.dial.back == c.dial.texts
		if want != 0 && (c.echoed != len(c.sent) || c.received != len(c.sent) || c.code != int(want) || !ended) {
			lost++
			last = fmt.Sprintf("%s %d: %d of %d messages received, %d echoed, code %d, end %v",
				c.kind(), i, c.received, len(c.sent), c.echoed, c.code, c.end)
		}
		c.ill = true // what is left to judge holds for all
		if problem := c.judge(); problem != "" {
			return fmt.Sprintf("%s %d: %s", c.kind(), i, problem)
		}
	}
	if lost > f.costs() {
		return fmt.Sprintf("%d connections are lost, at most %d may be; %s", lost, f.costs(), last)
	}
	return ""
}
