// Package deflate inflates and compresses the messages of permessage-deflate (RFC 7692 section 7.2):
// payloads of whole messages in, payloads out. It knows nothing of frames and does no I/O; what was
// negotiated is the business of package handshake. docs/deflate.md has the design and the figures.
//
// # Terms
//
// A window is the end of what went before, to which a compressed message may refer. With context
// takeover it outlives the message, as a Window of the connection; without, nothing does. The tail is
// the four bytes that a sender leaves out and a receiver puts back.
//
// # Receiving
//
// An Inflater takes a whole compressed message, which is what an Assembler of package codec has once
// the last fragment came. A message in pieces is kept compressed until then, so that it costs what was
// received of it, as every message does, and no table or window waits for a slow peer. Inflating each
// piece as it comes would fail earlier, but let a peer hold a thousand bytes for each that it
// sent and never end its message. MaxCompressed bounds what is collected.
//
//	text := op == codec.OpcodeText
//	message, err := inflater.Append(buf[:0], payload, text, window, &limits)
//
// Limits hold while it inflates: what exceeds them is never handed out, and no more than 32 KiB of it
// is ever made. Text is validated in the same pass.
//
// # Sending
//
// A Deflater serves all connections with the same window and level. Without a Window its messages
// refer only to themselves, so that one compressed message may go to any number of receivers.
//
//	payload, ok := deflater.Append(scratch[:0], message, nil)
//	// not ok: send the message as it is
//
// With a Window nothing but that Window belongs to the connection: 2 KiB of history are primed into a
// pooled compressor for each message, which finds nearly as much as a compressor of 1 MB per connection.
//
// # Promises
//
// Nothing of one connection reaches another through a pool, not after errors either. A message with no
// Window costs no allocation. Nothing is sent that a peer with the window agreed cannot inflate, and
// nothing becomes larger, but for short messages with a Window, by 6 bytes. No input panics.
package deflate
