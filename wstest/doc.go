// Package wstest runs a server's own handlers inside a test, with virtual clients and a virtual clock: no
// socket, no port, no goroutine, no waiting. An hour passes in milliseconds, and a run can be repeated to the byte.
//
//	func TestEcho(t *testing.T) {
//		wstest.Run(t, newServer(), func(w *wstest.World) {
//			c := w.Dial("/chat?room=1", wstest.Subprotocol("v1"))
//			c.SendText("hello")
//			if got := c.ReceiveText(); got != "hello" {
//				t.Errorf("echo %q", got)
//			}
//			w.Advance(time.Minute)
//			c.Close(codec.StatusNormalClosure, "")
//			c.ExpectClose(codec.StatusNormalClosure)
//		})
//	}
//
// # Terms
//
// A World is the server, its clients and the time they share. It is settled when nothing more can
// happen without time passing. What a client sends is only put on its way; everything that looks for an answer
// (Dial, Receive, ExpectClose, Settle and their like) settles the world first, so "there is no message" is a fact and
// not a timeout. Time passes in World.Advance and nowhere else.
//
// The client is a strict one: it answers pings and Close frames, and a server that breaks RFC 6455, with a
// text that is not UTF-8 for instance, fails the test.
//
// # Chance
//
// In which order things happen is drawn from Options.Seed. With Options.Faults bytes travel in pieces, and reads, writes
// and accepts fail as they do on a bad day, though no connection is lost by it. A test that must hold in any order
// runs under many seeds:
//
//	for seed := range uint64(100) {
//		wstest.Options{Seed: seed, Faults: true}.Run(t, newServer(), script)
//	}
//
// A test that fails names its seed.
//
// # What to heed
//
// Everything runs on the goroutine that called Run, callbacks and Server.Workers included. What blocks there blocks for good:
// Conn.SendWait, MessageWriter.WriteWait and CloseWait when there is no room, a callback that waits for another. For
// Server.Shutdown there is World.Shutdown. Handlers that would start a goroutine or a timer take the function for it from outside, World.Go
// and World.After in a test; goroutines of their own may send, but the world does not wait for them, and the run is not repeatable.
// The engine's deadlines follow the virtual clock, time.Now does not: see World.Now.
//
// When Fatalf ends the script, the run ends where it is, and Events.Close is not called for what is open. Otherwise the connections
// that are left are cut when the script returns.
package wstest
