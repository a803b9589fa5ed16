//go:build linux || darwin || freebsd

package engine

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller/sim"
)

// sweepScenario is what each run of TestFaultSweep plays. Together its clients have every system call be made. Those
// without a code end badly by their own doing.
var sweepScenario = []struct {
	path   string
	code   codec.StatusCode
	script []action
}{
	{"/echo", codec.StatusNormalClosure, []action{{actMessage, 1000, 50 * time.Millisecond}, {actPing, 0, 0}, {actMessage, 0, 0}}},
	{"/fragments", codec.StatusNormalClosure, []action{{actFragments, 6000, 0}, {actMessage, 126, 50 * time.Millisecond}}},
	// Reads nothing for a while.
	{"/echo", codec.StatusNormalClosure, []action{{actWindow, 200, 0}, {actMessage, 9000, 0}, {actMessage, 9000, 2 * time.Second}, {actOpen, 0, 0}}},
	// Is still there when the server drains.
	{"/echo", codec.StatusGoingAway, []action{{actMessage, 125, time.Second}, {actMessage, 1, time.Minute}}},
	{"/echo", 0, []action{{actMessage, 1, 0}, {actGarbage, 0, 0}}},
	{"/echo", 0, []action{{actMessage, 1, 50 * time.Millisecond}, {actReset, 0, 0}}},
	{"/echo", 0, []action{{actMessage, 1, 50 * time.Millisecond}, {actFIN, 0, 0}}},
}

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
	case sim.CallAdd, sim.CallModify:
		return 1
	}
	return 0
}

// TestFaultSweep has the first system call of a kind fail, then the second, and so on until a run makes no more of them, with
// each error that the call may give. No fault costs more than the connection that it hits, and many cost none.
func TestFaultSweep(t *testing.T) {
	runs := 0
	for _, call := range sim.Calls() {
		calls := 0
		for i, errno := range sim.Errnos(call) {
			if testing.Short() && i%4 != 0 {
				continue
			}
			for n := 1; ; n++ {
				runs++
				f := fault{call, errno, n}
				happened, problem := playSweep(f, nil)
				if problem != "" {
					playSweep(f, func(line string) { t.Log(line) })
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
func playSweep(f fault, trace func(string)) (happened bool, problem string) {
	r := newSweepRun()
	r.world = sim.New(sim.Options{
		Seed: r.seed, Loops: 2, SendBuffer: 4 << 10, ReceiveBuffer: 4 << 10, Descriptors: sweepDescriptors, Trace: trace,
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
	return happened, r.judgeSweep(f)
}

func newSweepRun() *simRun {
	r := &simRun{seed: 1, without: map[int]bool{}, random: rand.New(rand.NewPCG(1, 1))}
	r.server = &Server{
		CloseTimeout: time.Second, WriteTimeout: 10 * time.Second,
		PerAddress: SourceLimits{Connections: 100}, // so that addresses are asked for
		Drain:      Drain{Window: time.Second},
		Logger:     slog.New(slog.DiscardHandler),
		Events:     r.events(r.peerOf),
	}
	r.server.Events.Upgrade = r.upgrade
	for id, s := range sweepScenario {
		r.peers = append(r.peers, &simPeer{
			run: r, id: id, path: s.path, script: s.script, random: rand.New(rand.NewPCG(1, uint64(100+id))),
		})
		r.without[id] = true // judgeSweep judges
	}
	return r
}

// sweep is the script of the world.
func (r *simRun) sweep() {
	for _, c := range r.peers {
		c.start()
		c.peer.Cut(sim.CutNowhere) // for fewer calls
	}
	r.world.After(5*time.Second, func() { r.server.stopAccepting(context.Background()) })
	r.world.Advance(10 * time.Second)
	r.world.Calm()
	r.world.Advance(20 * time.Second) // all deadlines
	if n := r.server.Stats().Connections; n != 0 {
		r.complain("%d connections are left", n)
	}
	held := r.server.Stats().Memory
	for _, l := range r.server.loops {
		held -= int64(l.outbox.metered + l.flushing.metered) // which loops keep
	}
	if held != 0 {
		r.complain("%d bytes are held when all have gone", held)
	}
}

// judgeSweep counts the good clients that did not get what they came for.
func (r *simRun) judgeSweep(f fault) string {
	lost, last := 0, ""
	for i, c := range r.peers {
		want := sweepScenario[i].code
		if want != 0 && (c.echoed != len(c.sent) || c.received != len(c.sent) || c.code != int(want) || c.end == nil) {
			lost++
			last = fmt.Sprintf("client %d: %d of %d messages received, %d echoed, code %d, end %v",
				i, c.received, len(c.sent), c.echoed, c.code, c.end)
		}
		c.ill = true // what is left to judge holds for all
		if problem := c.judge(); problem != "" {
			return fmt.Sprintf("client %d: %s", i, problem)
		}
	}
	if lost > f.costs() {
		return fmt.Sprintf("%d connections are lost, at most %d may be; %s", lost, f.costs(), last)
	}
	return ""
}
