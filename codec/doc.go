// Package codec turns bytes into frames and frames into messages, and back, as RFC 6455 sections 5
// to 8 define them. It does no I/O, starts no goroutine and holds no buffer of an idle connection.
//
// # Terms
//
// A frame is a header and a payload. A message is one data frame, or several: fragments. Control
// frames (Close, Ping, Pong) are never fragmented and may arrive between the fragments of a message.
// A part is what one call of Decoder.Next found of a frame: all of it, or as much as has arrived.
// The role says which side this is, and with it who must mask: the peer of a server must, the peer
// of a client must not.
//
// # Receiving
//
// A Decoder is the state of one connection, 40 bytes without a pointer. Next takes received bytes
// and finds parts in them; a part is a slice of those bytes, still masked. What to do with a part:
//
//	if p.Whole() {
//		err = d.Unmask(&p)           // in place: p.Payload is the message, nothing was copied
//	} else {
//		m, ok, err = a.Add(&d, &p)   // an Assembler joins the pieces
//	}
//
// Only a connection in the middle of a message needs an Assembler. When Assembler.Empty reports true
// after a message was used, Release gives its memory back. Assembler.Next does all of this in one
// call, for those who keep an Assembler anyway.
//
// # Strictness
//
// A violation is a *ProtocolError with the status code that the Close frame should carry. It is
// found at the first byte after which no continuation would be legal: a reserved bit at the first
// byte of a frame, a length over the limit while the length arrives, invalid UTF-8 inside a frame.
// How the bytes were cut into pieces makes no difference. A Decoder that failed stays failed, and
// after a Close frame it discards whatever follows. No memory is reserved for announced bytes.
//
// # Sending
//
// AppendFrame, AppendHeader and their masked twins append to a slice of the caller's. They write
// what they are told; a fragmented Ping is the caller's mistake.
package codec
