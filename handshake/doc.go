// Package handshake is the opening handshake of RFC 6455 section 4. As a server it
// reads the head of an HTTP request (RFC 9110, RFC 9112), decides whether the
// connection becomes a WebSocket connection, and writes the answer. As a client it
// writes the request, reads the head of the answer and decides the same.
//
// It does no input or output, starts no goroutine, and allocates nothing for an
// ordinary upgrade once its values are warm.
//
// A server:
//
//	var r handshake.Request
//	n, err := r.Parse(head, nil)          // n == 0 and no error: read more
//	if err == nil && n > 0 {
//		if !r.IsUpgrade() {
//			return handshake.AppendResponse(dst, &r, 404, nil, page)
//		}
//		var a handshake.Acceptance
//		if a, err = handshake.Accept(&r, &policy); err == nil {
//			dst = handshake.AppendSwitching(dst, &a, nil)
//		}
//	}
//	if err != nil {
//		dst = handshake.AppendRefusal(dst, &r, err)
//	}
//
// A client, which prepares its request once:
//
//	prepared, err := handshake.Prepare(handshake.Opening{Target: "/chat", Host: "example.com"})
//
// and for each connection sends it with a key of its own:
//
//	key := handshake.NewKey(nonce)        // 16 random bytes
//	dst = prepared.Append(dst, &key)
//
//	var a handshake.Answer
//	n, err := a.Parse(head, nil)          // n == 0 and no error: read more
//	if err == nil && n > 0 {
//		subprotocol, err = prepared.Check(&a, &key)
//	}
//
// # Terms
//
// The head is everything from the first byte of the request line, or of the status
// line, to the empty line that ends the header fields. A field is one header line; its name is
// matched in any case. The target is the second word of the request line. The
// offer is what the client lists in Sec-WebSocket-Protocol and
// Sec-WebSocket-Extensions.
//
// # Ownership
//
// The head belongs to the caller. A [Request] remembers offsets while the head is
// incomplete, so the bytes may move between two calls of [Request.Parse], and
// views of the last buffer once it is complete. Every []byte that a Request or an
// [Acceptance] gives out is such a view: it is valid until the buffer is reused or
// the Request is reset, which for a hook means until the hook returns. Copy what
// must live longer: string(view). An [Answer] does the same.
//
// # Strictness
//
// The head is read as RFC 9112 writes it and without its leniencies, because two
// readers of one head that differ are a hole: no bare LF or CR, no folded line, no
// blank before a colon, no empty line before the first line, single spaces in
// it, visible ASCII in the target. What is legal but ambiguous is
// refused too: a body on an upgrade, a Host whose name holds a comma or a percent
// sign. A refusal is an [*Error] with its HTTP status; what an error says never
// repeats bytes of the client. An answer that does not open the connection is an
// [*AnswerError], which repeats none of the server's but the status.
package handshake
