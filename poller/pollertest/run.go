package pollertest

import (
	"net"
	"slices"
	"testing"

	"github.com/wsloop/wsloop/poller"
)

// A Transport is what the peers of the suite speak on their sockets. The zero value is the sockets themselves.
type Transport struct {
	// Client returns what the suite is to use of a socket that is connected to d, once d has called Open for
	// it. It fails the test if that does not come.
	Client func(t testing.TB, d poller.ListenerDriver, socket net.Conn) net.Conn
	// Listener returns what the suite is to use of a listener to which the driver dials. Connections have to be made
	// without Accept being called.
	Listener func(sockets net.Listener) net.Listener
	// Overhead is the number of bytes by which Loop.Pending may grow beyond those of one Write of 10,000 bytes.
	Overhead int
}

// A maker makes a fresh driver with a number of loops.
type maker struct {
	make      func(t testing.TB, loops int) poller.ListenerDriver
	transport Transport
}

// A Limit is what a driver cannot do: the test of that name is skipped.
type Limit struct{ Test, Reason string }

// Run runs the suite, but for what the driver's limits exclude. newDriver makes a driver that has not served yet; the suite
// stops it. A driver whose TryWrite always returns 0, or that never asks for a Buffer, passes, with the tests
// that need the former skipped.
func Run(t *testing.T, newDriver func(t testing.TB, loops int) poller.ListenerDriver, limits ...Limit) {
	RunOver(t, Transport{}, newDriver, limits...)
}

// RunOver is Run with peers that speak more than TCP. What a client connects but never
// speaks on is an open connection to Run alone.
func RunOver(t *testing.T, transport Transport, newDriver func(t testing.TB, loops int) poller.ListenerDriver, limits ...Limit) {
	m := maker{newDriver, transport}
	for _, test := range []struct {
		name string
		run  func(*testing.T, maker)
	}{
		{"EventsInOrder", testEventsInOrder},
		{"OpenAndClosedBalance", testOpenAndClosedBalance},
		{"CloseInEveryCallback", testCloseInEveryCallback},
		{"CloseTwice", testCloseTwice},
		{"CloseFromClosedOfAnother", testCloseFromClosedOfAnother},
		{"StaleToken", testStaleToken},
		{"PeerResets", testPeerResets},

		{"OneByteWrites", testOneByteWrites},
		{"StreamIn", testStreamIn},
		{"StreamOut", testStreamOut},
		{"WritevInPieces", testWritevInPieces},
		{"EchoOfManyConnections", testEchoOfManyConnections},

		{"TryWriteInOrder", testTryWriteInOrder},
		{"TryWriteThenWrite", testTryWriteThenWrite},
		{"TryWriteToAFullSocket", testTryWriteToAFullSocket},
		{"TryWriteAfterCloseWrite", testTryWriteAfterCloseWrite},
		{"TryWriteAfterReset", testTryWriteAfterReset},
		{"TryWriteWhileReused", testTryWriteWhileReused},

		{"Buffer", testBuffer},
		{"BufferConsumedPartly", testBufferConsumedPartly},

		{"DataConsumedPartly", testDataConsumedPartly},
		{"RestOncePerTurn", testRestOncePerTurn},
		{"PauseKeepsBytes", testPauseKeepsBytes},
		{"PauseKeepsRest", testPauseKeepsRest},
		{"PauseKeepsEOF", testPauseKeepsEOF},
		{"PauseInsideData", testPauseInsideData},
		{"PauseAndResumeInOneTurn", testPauseAndResumeInOneTurn},
		{"ResumeFromAnother", testResumeFromAnother},
		{"PauseThenPeerCloses", testPauseThenPeerCloses},
		{"PauseThenCloseWrite", testPauseThenCloseWrite},
		{"PauseLetsOutputDrain", testPauseLetsOutputDrain},

		{"QueueThenDrained", testQueueThenDrained},
		{"CloseWriteFlushesQueue", testCloseWriteFlushesQueue},
		{"CloseWriteStillReads", testCloseWriteStillReads},
		{"PeerHalfCloses", testPeerHalfCloses},
		{"CloseDropsQueue", testCloseDropsQueue},
		{"WriteNothing", testWriteNothing},
		{"WriteLast", testWriteLast},

		{"Held", testHeld},
		{"Socket", testSocket},

		{"WakesFromManyGoroutines", testWakesFromManyGoroutines},
		{"FlushFollowsEvents", testFlushFollowsEvents},
		{"WakeFromFlush", testWakeFromFlush},
		{"Tick", testTick},

		{"RemoteAddr", testRemoteAddr},
		{"RemoteAddrWhileClosing", testRemoteAddrWhileClosing},

		{"SeveralListeners", testSeveralListeners},
		{"UnixPathRemoved", testUnixPathRemoved},
		{"UnixPathOfAnotherKept", testUnixPathOfAnotherKept},
		{"StopAccepting", testStopAccepting},
		{"StopClosesAll", testStopClosesAll},
		{"StopBeforeServe", testStopBeforeServe},

		{"DialConnects", testDialConnects},
		{"DialRefused", testDialRefused},
		{"DialClosedWhileConnecting", testDialClosedWhileConnecting},
		{"DialPausedWhileConnecting", testDialPausedWhileConnecting},
		{"DialManyAtOnce", testDialManyAtOnce},
		{"DialBalance", testDialBalance},
		{"DialFromAddress", testDialFromAddress},
		{"DialUnix", testDialUnix},
		{"DialOnTheLoop", testDialOnTheLoop},
		{"DialAfterStopAccepting", testDialAfterStopAccepting},
		{"DialWhileStopping", testDialWhileStopping},

		{"Adopt", testAdopt},
		{"AdoptWithInput", testAdoptWithInput},
		{"AdoptPaused", testAdoptPaused},
		{"AdoptClosedAtOnce", testAdoptClosedAtOnce},
		{"AdoptStopped", testAdoptStopped},
		{"AdoptWhileStopping", testAdoptWhileStopping},
		{"Detach", testDetach},
		{"DetachBusy", testDetachBusy},
		{"DetachEnded", testDetachEnded},
		{"DetachWithInput", testDetachWithInput},
		{"DetachAndAdopt", testDetachAndAdopt},

		{"FloodersShareTurns", testFloodersShareTurns},
		{"BalanceOverLoops", testBalanceOverLoops},
	} {
		t.Run(test.name, func(t *testing.T) {
			if i := slices.IndexFunc(limits, func(l Limit) bool { return l.Test == test.name }); i >= 0 {
				t.Skip(limits[i].Reason)
			}
			test.run(t, m)
		})
	}
}
