//go:build linux || darwin || freebsd

package engine

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller/sim"
)

// dialScenario has servers that are dialed, after a client.
var dialScenario = scenario{
	calls: slices.Concat(sim.DialCalls(), []sim.Call{
		sim.CallRead, sim.CallWrite, sim.CallCloseWrite, sim.CallClose, sim.CallAdd, sim.CallModify, sim.CallPoll, sim.CallWake,
	}),
	peers: []sweepPeer{
		{"/echo", codec.StatusNormalClosure, []action{{actMessage, 1000, 50 * time.Millisecond}}},
		{"/echo", codec.StatusNormalClosure, []action{{actMessage, 1000, 50 * time.Millisecond}, {actPing, 0, 0}, {actMessage, 0, 0}}},
		{"/fragments", codec.StatusNormalClosure, []action{{actFragments, 6000, 0}, {actMessage, 126, 50 * time.Millisecond}}},
		// Reads nothing for a while.
		{"/echo", codec.StatusNormalClosure, []action{{actWindow, 200, 0}, {actMessage, 9000, 0}, {actMessage, 9000, 2 * time.Second}, {actOpen, 0, 0}}},
		// Is still there when the server drains.
		{"/echo", codec.StatusGoingAway, []action{{actMessage, 125, time.Second}, {actMessage, 1, time.Minute}}},
		{"/echo", 0, []action{{actMessage, 1, 0}, {actGarbage, 1, 0}}},
		{"/echo", 0, []action{{actMessage, 1, 50 * time.Millisecond}, {actReset, 0, 0}}},
		{"/echo", 0, []action{{actMessage, 1, 50 * time.Millisecond}, {actFIN, 0, 0}}},
		{"/echo", 0, []action{{actOpen, 0, 0}}},
		{"/echo", 0, []action{{actOpen, 0, 0}}},
	},
	dials: []simDial{
		{behind: 1, texts: 2},
		{own: true, appCloses: true, source: netip.MustParseAddrPort("10.8.0.1:0")},
		{lingers: true},
		{},
		{},
		{},
		{},
		{answer: farForbidden},
		{answer: farHalf},
	},
}

// TestDialFaultSweep is TestFaultSweep of a server that dials, with the calls of Dial.
func TestDialFaultSweep(t *testing.T) { sweepFaults(t, &dialScenario) }
