package engine

import (
	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/handshake"
)

// Events are the callbacks of a Server. A nil function means not wanted. They run
// on the loop of their connection and must not block, or with Server.Workers, but for Upgrade and
// Plain, on a worker and may; see the package documentation.
type Events struct {
	// Upgrade sees a valid opening handshake before it is answered, and may
	// refuse it or add to the answer. r and w are valid until it returns. c can be
	// given data with SetData and can be kept, but cannot send yet. That of Server.Events is called for every route, before the
	// route's own.
	Upgrade func(c Conn, r *handshake.Request, w *handshake.Response)
	// Plain answers a request that asks for no WebSocket; the connection is closed
	// after the answer. Without it the answer is 426 Upgrade Required. r and page are valid
	// until it returns.
	Plain func(r *handshake.Request, page *Page)
	// Open says that the opening handshake is done: c can send.
	Open func(c Conn)
	// Message brings a text or binary message. payload is valid until it returns.
	Message func(c Conn, op codec.Opcode, payload []byte)
	// Fragment, if set, is called instead of Message with every piece of a message
	// as it arrives, so that no message is assembled.
	Fragment func(c Conn, f Fragment)
	// Ping says that a ping came. It has been answered already. payload is valid until
	// it returns.
	Ping func(c Conn, payload []byte)
	// Pong brings a pong, asked for or not. payload is valid until it returns.
	Pong func(c Conn, payload []byte)
	// Subscribed and Unsubscribed tell of subscriptions that Conn.Subscribe began and Conn.Unsubscribe ended, on the goroutine that called
	// those, and of those that end with the connection, on its loop and before Close: with Server.Workers, too, so Unsubscribed must not
	// block, and may run beside other callbacks of the connection. When one goroutine subscribes and another unsubscribes, or the connection ends
	// meanwhile, they may be told in either order.
	Subscribed, Unsubscribed func(c Conn, pattern string)
	// Drained says that all has been written that waited because the peer was slow: after
	// Send returned a Sent.Queued above 0 the connection takes messages at once again.
	Drained func(c Conn)
	// Close says that the connection is gone. c is inert but for Data and SetData.
	Close func(c Conn, how Closure)
}

// A Fragment is a piece of a message: a frame's payload or a part of it. A text
// message is valid UTF-8 as a whole, but a piece of it may end inside a
// character.
type Fragment struct {
	Opcode  codec.Opcode // text or binary, the message's in all its pieces
	Payload []byte       // valid until the callback returns
	First   bool         // the message begins here
	Last    bool         // the message ends here
}

// A Page is the answer to a plain HTTP request.
type Page struct {
	Status int              // 200 unless set
	Header handshake.Header // further fields; the content type is text/plain unless added
	Body   []byte           // copied when the callback returns
}

// A Closure says how a connection ended.
type Closure struct {
	// Code is the status code of the peer's Close frame, StatusNoStatusRcvd (1005) when that
	// had none, StatusAbnormalClosure (1006) when no Close frame came.
	Code codec.StatusCode
	// Reason is that of the peer's Close frame.
	Reason string
	// Err is nil after a closing handshake that the peer or the application began. Otherwise it
	// says what ended the connection: a *codec.ProtocolError, a *TimeoutError, ErrTooSlow, ErrRate, ErrMemory,
	// ErrAborted, ErrPanic, io.EOF, or what the system reported.
	Err error
}
