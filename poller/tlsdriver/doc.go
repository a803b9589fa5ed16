// Package tlsdriver speaks TLS on event loops: a poller.Driver over another one, whose Handler sees plaintext.
// It uses crypto/tls as it is, and no goroutine for a connection whose handshake is over.
//
// Terms. The inner driver moves ciphertext; the upper Handler is the one that Serve's newHandler makes. A layer
// is what stands between them on one loop: the Handler of the inner loop, and the Loop of the upper Handler.
// Tokens are those of the inner driver.
//
// Promises, besides those of package poller:
//
//   - Handshakes run on goroutines. One begins when the first whole record of the peer lies there; at most
//     Options.Handshakes of them compute at a time; each has a deadline. The upper Handler hears of an accepted connection
//     (Open) and of a dialed one (Connected) when its handshake is over.
//   - crypto/tls is given whole records, one at a time, and read until it is empty: no plaintext waits
//     in it between turns, and what a peer announces without sending it takes no memory.
//   - A connection that is not TLS costs one look at a slab.
//   - The peer's close_notify is EOF. So is a FIN without it, which Stats.Truncated counts.
//   - CloseWrite sends close_notify before FIN, and so does Close unless output waits.
//   - TryWrite takes nothing on a TLS connection: encryption belongs to the loop.
//
// The design, the limits and what was measured: docs/tls.md.
package tlsdriver
