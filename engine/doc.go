// Package engine is a WebSocket server and client (RFC 6455) for very many connections. A
// Server runs a few event loops; each connection lives on one of them and costs
// about 120 bytes while it is idle: no goroutine, no buffer, no timer.
//
//	srv := &engine.Server{
//		Addr: "localhost:8080",
//		Events: engine.Events{
//			Message: func(c engine.Conn, op codec.Opcode, payload []byte) {
//				c.Send(op, payload)
//			},
//		},
//	}
//	log.Fatal(srv.ListenAndServe())
//
// # Callbacks
//
// The functions in Events run on the loop of their connection. They must not block:
// while one runs, every connection of that loop waits. Callbacks of one
// connection never run concurrently, and come in this order: Upgrade, Open, any
// of Message, Fragment, Ping, Pong and Drained, then Close exactly once and last. Close is
// called if and only if Open was. A panic in a callback closes that connection with 1011, is
// counted and logged, and harms no other.
//
// With Server.Workers the callbacks from Open to Close run on a bounded number of goroutines instead and may block.
// All of the above holds there too.
//
// # Bytes
//
// A payload given to a callback belongs to it until it returns; it may be edited,
// and must be copied to be kept. Built with the tag wsdebug, the engine
// overwrites it afterwards with 0xDB, so that keeping it shows. A payload
// given to Send is copied before Send returns.
//
// # Conn
//
// A Conn is a small value: compare it, copy it, use it as a map key. Its methods
// may be called from any goroutine. When its connection is gone it is inert: its
// methods return ErrClosed or zero values and never touch another connection.
// Sending costs no allocation, and wakes the loop at most once a turn. What many connections are to
// get is encoded once with Server.Prepare.
//
// # Slow, dead and hostile peers
//
// Send never blocks. What a slow peer does not take waits, up to Server.MaxBufferedBytes, and can be dropped, replaced by
// newer messages or end the connection: see Overflow. Events.Drained tells when it has caught up, Conn.SendWait
// is for goroutines that may wait, and Conn.Pause holds back what a peer sends. Peers that are silent are pinged,
// and cut off if they do not answer; so are those that do not read. Every buffer, rate and time has a
// limit; the table is in options.go, and docs/operations.md says what happens beyond each and how to choose it. One
// budget, Server.MaxMemoryBytes, bounds all buffers together.
//
// # Compression
//
// Server.Deflate agrees to permessage-deflate (RFC 7692), DialOptions.Deflate offers it. Messages are compressed by the goroutine that sends them,
// where that makes them smaller, and inflated on the loop, within MaxMessageBytes. An idle connection owns nothing for it, unless context takeover was agreed.
//
// # Connections that we open
//
// Server.Dial opens a connection that lives on the server's loops beside those it accepts, and Target.Dial very many without
// a goroutine that waits; Start runs a server without listeners. Dial, the function, is for a program
// with one connection.
//
// # Strictness
//
// What RFC 6455 says a server must do is done, with the right close code, as early as
// the bytes allow: a text message that is not UTF-8 fails at the byte that is
// wrong, a compressed one when it is inflated. After a failure or a Close nothing more of the connection is processed. What was sent
// before Close is flushed before it.
package engine
