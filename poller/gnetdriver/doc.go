// Package gnetdriver is a poller.Driver over the event loops of gnet v2, for systems without a native driver and for
// those who run gnet anyway. On Windows, engine.Server runs on it by itself. It passes package pollertest. Its limits:
//
//   - gnet does not say when it has told of everything that one wait brought. So each of its events is a turn with
//     a Flush of its own, and what many events send to one connection is not gathered.
//   - gnet buffers output, but says nothing of it, and drops it when the peer sends FIN. So the queue is the driver's.
//     While output waits for room, that costs a goroutine and a copy of the descriptor.
//   - gnet cannot stop reading. Of a paused connection, or one with input that was not consumed, the driver
//     keeps the next read, of at most 64 KiB, and then takes the connection out of gnet; Resume puts it back. That costs
//     some system calls, if bytes came meanwhile. In between, a reset shows only to who writes.
//   - gnet closes a connection when the peer sends FIN. The driver goes on with a copy of the descriptor, to which
//     a reset shows only when it is written.
//   - Where a copy of a descriptor is needed and there is none left, the connection is closed with the error.
//   - TryWrite returns 0, WriteLast is Write, and Buffer is not called.
//   - It opens no connections (poller.Dialer): gnet dials by a goroutine that waits. It takes none over
//     (poller.Adopter) and gives none up (poller.Detacher). So Dial, Server.Dial and Server.Upgrade of package engine fail
//     with poller.ErrUnsupported, and Server.HTTP serves no page: 503.
//   - gnet listens by itself, at addresses of its own, and cannot stop. So connections are accepted by goroutines of
//     package net, one for each listener, and each goes to its loop by way of another goroutine. A listener has to
//     give *net.TCPConn or *net.UnixConn.
//   - There are at most 256 loops.
//   - Socket tells something on Linux only.
//   - gnet has one logger for the process: that of the driver made last. It keeps two goroutines for good.
//   - On Windows, gnet has a goroutine with a buffer of 64 KiB for each connection, and all output is written by
//     goroutines, 4 KiB at a time, which allocates for each message. A pong may overtake a message that waits. Several
//     listeners cannot share a port.
//   - What Windows needs of this package passes the suite on Linux over a stand-in for gnet's side (tag gnetgate).
//     Together with gnet's own side it has run under Wine, as far as Wine goes, and not on Windows.
package gnetdriver
