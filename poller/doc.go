// Package poller moves bytes between sockets and a Handler on event loops. It
// knows nothing of WebSocket.
//
// Terms. A Driver owns a number of loops. A Loop is one goroutine that waits for
// readiness, reads, calls the Handler, and writes. A connection belongs to one
// loop from Open to Closed and is named by a Token: a slot, which indexes slabs,
// and a generation, which makes a token that outlived its connection match
// nothing.
//
// Promises of every driver, held by package pollertest:
//
//   - The methods of one Handler are called on its loop's goroutine, never
//     concurrently. For one connection they come in the order Open, any of Data,
//     EOF, Progress and Drained, then Closed exactly once and last. Of one that a Dialer
//     opens, Dialing and Connected come in place of Open; Closed alone follows
//     Dialing when it cannot be made.
//   - Bytes come in order, and none twice. What Data does not consume is presented
//     again, on a later turn, before newer bytes.
//   - Bytes written are sent in order. What the socket does not take waits in a
//     queue that exists only while it is not empty.
//   - A paused connection gets neither Data nor EOF, and after Resume all that came
//     before its peer closed. Its output goes on.
//   - One connection gets a bounded share of a turn: one read.
//   - Flush is called once per turn, after the events and before the wait.
//   - A Loop method given a stale token does nothing, and says so with ErrClosed
//     where it returns an error.
//
// The native driver runs on epoll (Linux) and kqueue (macOS, FreeBSD). All loop
// logic sits above two small seams: readiness (ready_epoll.go, ready_kqueue.go)
// and kernel, the system calls a loop makes. On kqueue systems the package is
// cross-compiled and vetted but has not run; on Linux the kqueue side passes the
// whole of pollertest over a fake kqueue made of poll(2). That is how far it is
// proven.
//
// Package sim runs the same loops by hand over a simulated system: see Stepped.
package poller
