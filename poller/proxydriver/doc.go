// Package proxydriver reads the headers of the PROXY protocol: a poller.Driver over another one, whose Handler hears of a
// connection once its header has been read, and whose Loop knows the client's address from it.
//
// Terms. The inner driver is the one below; the upper Handler is the one that Serve's newHandler makes. A layer is what stands
// between them on one loop: the Handler of the inner loop, and the Loop of the upper Handler. Tokens are those of the
// inner driver. A connection waits from the inner driver's Open until its header is complete. The policy decides by the
// address of the socket which connections wait, and which are served without a header.
//
// Promises, besides those of package poller:
//
//   - The upper Handler hears nothing of a connection that is not admitted, or whose header is refused, late or cut off.
//     It is closed without an answer, and counted.
//   - What follows the header comes as Data on the same turn, behind Open.
//   - Loop.RemoteAddr is the client's address if the header told one, for as long as Closed has not returned, on any goroutine.
//     Otherwise it is that of the socket.
//   - A waiting connection holds the bytes of its header that have come, and one that has been told of holds an address. All
//     others cost a look at a slab.
//
// TLS belongs above this driver, since headers come before it. The protocol, and whom to trust: docs/proxies.md.
package proxydriver
