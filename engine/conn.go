package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller"
)

// A Conn names one connection of a Server. It is small and comparable, and its methods
// may be called from any goroutine. Once the connection is gone it is inert: it never
// reaches another connection. The zero Conn is one that is gone.
type Conn struct {
	loop  *loop
	token poller.Token
}

// Sent says what became of a message that Send took.
type Sent struct {
	// Queued is 0 if the message leaves at the end of the loop's turn. If the peer is slow it is the number of bytes
	// that wait for it in the engine, those of this message included; Events.Drained tells when
	// they have gone.
	Queued int
	// Dropped is how many messages that waited gave way to this one, or with ErrTooSlow were lost.
	Dropped int
}

// A Delivery says what may become of a message that has to wait for a slow peer.
type Delivery struct {
	// Key names what the message is about, a price for instance: under OverflowKeepLatest it takes the place of the
	// message with the same key that waits.
	Key string
	// TTL is how long the message may wait, instead of Overflow.TTL if it is not 0.
	TTL time.Duration
	// Compress says whether the message is to be compressed, if that was agreed with the peer. A Prepared goes to connections
	// that we opened as it is.
	Compress Compress
}

// Send sends a text or binary message. It never blocks. payload is copied before Send returns. That a text
// is valid UTF-8 is up to the caller: a peer fails the connection if it is not.
//
// The error is ErrClosed, ErrBufferFull, ErrTooSlow, ErrMemory, ErrMessageOpen or ErrOpcode, and then nothing was
// sent. Messages that one goroutine sends arrive in its order.
func (c Conn) Send(op codec.Opcode, payload []byte) (Sent, error) {
	return c.SendWith(op, payload, Delivery{})
}

// SendText is Send for a text message in a string.
func (c Conn) SendText(text string) (Sent, error) {
	if c.loop == nil {
		return Sent{}, ErrClosed
	}
	return sendString(c.loop, c.token, message(codec.OpcodeText, Delivery{}), text)
}

// SendWith is Send for a message that may be dropped or replaced while it waits.
func (c Conn) SendWith(op codec.Opcode, payload []byte, d Delivery) (Sent, error) {
	if op != codec.OpcodeText && op != codec.OpcodeBinary {
		return Sent{}, ErrOpcode
	}
	if c.loop == nil {
		return Sent{}, ErrClosed
	}
	return sendBytes(c.loop, c.token, message(op, d), payload)
}

// message is a whole message on its way out.
func message(op codec.Opcode, d Delivery) *outgoing {
	return &outgoing{op: op, fin: true, from: sendOpen, to: sendOpen, delivery: d}
}

// SendWait is Send for goroutines that may wait: it blocks until there is room for the message, whatever the
// overflow policy, or until ctx is done. It must not be called on a loop, which is to say in a callback unless
// Server.Workers is set. The error is that of ctx, ErrClosed, ErrMemory, ErrMessageOpen or
// ErrOpcode, or ErrBufferFull for a message that can never fit.
func (c Conn) SendWait(ctx context.Context, op codec.Opcode, payload []byte) error {
	if op != codec.OpcodeText && op != codec.OpcodeBinary {
		return ErrOpcode
	}
	if c.loop == nil {
		return ErrClosed
	}
	return sendWait(ctx, c, message(op, Delivery{}), payload)
}

// Ping sends a ping with a payload of at most 125 bytes (RFC 6455 section 5.5.2).
// Events.Pong tells of the answer. The error is ErrClosed, ErrBufferFull or
// ErrControlTooLong.
func (c Conn) Ping(payload []byte) error { return c.control(codec.OpcodePing, payload) }

// Pong sends a pong that nobody asked for: a one-way heartbeat (RFC 6455 section
// 5.5.3). Pings are answered by the engine.
func (c Conn) Pong(payload []byte) error { return c.control(codec.OpcodePong, payload) }

func (c Conn) control(op codec.Opcode, payload []byte) error {
	if len(payload) > codec.MaxControlPayload {
		return ErrControlTooLong
	}
	if c.loop == nil {
		return ErrClosed
	}
	return c.loop.sendControl(c.token, op, payload)
}

// Close begins the closing handshake: what was sent before goes out, then the Close frame,
// and when the peer's has come, or Server.CloseTimeout has passed, the
// connection is closed and Events.Close called. No further callback but that comes.
//
// The error is ErrClosed if the connection is closing or gone: then nothing is sent, but messages that still
// wait for their callback are dropped all the same. Or it is that of a code or reason which must not be sent
// (codec.ErrStatusCode, codec.ErrReasonTooLong, codec.ErrInvalidUTF8); then nothing happens.
func (c Conn) Close(code codec.StatusCode, reason string) error {
	var payload [codec.MaxControlPayload]byte
	frame, err := codec.AppendClose(payload[:0], code, reason)
	if err != nil {
		return err
	}
	if c.loop == nil {
		return ErrClosed
	}
	return c.loop.sendClose(c.token, frame, true)
}

// Abort closes the connection without a closing handshake, and drops what waits to be
// sent or delivered. Events.Close follows.
func (c Conn) Abort() {
	if c.loop != nil {
		c.loop.abort(c.token)
	}
}

// Pause holds the messages of the connection back until Resume: called in a callback of the connection, none comes after
// it. Pings are answered and closing handshakes completed meanwhile, as long as no more than
// Server.MaxInFlightBytes were held back; beyond that the connection is not read. When the connection ends, what was
// held back is delivered, and then Events.Close is called.
func (c Conn) Pause() { c.setPaused(true, orderPause) }

// Resume delivers what Pause held back, and what comes after.
func (c Conn) Resume() { c.setPaused(false, orderResume) }

func (c Conn) setPaused(paused bool, kind orderKind) {
	if c.loop == nil {
		return
	}
	l := c.loop
	l.mu.Lock()
	s := l.sendingOf(c.token)
	if s == nil || s.inbox == 0 && !paused {
		l.mu.Unlock()
		return
	}
	b := l.inboxOf(c.token, s)
	if b.paused == paused {
		l.mu.Unlock()
		return
	}
	b.paused = paused
	start := l.startInbox(b)
	l.order(c.token, kind)
	l.mu.Unlock()
	if start {
		l.server.workers.submit(b)
	}
	l.driver.Wake()
}

// SetOverflow gives the connection a policy of its own instead of Server.Overflow. The error is ErrClosed, or
// that of a policy that cannot be used; a server knows at most 255 different ones.
func (c Conn) SetOverflow(o Overflow) error {
	if c.loop == nil {
		return ErrClosed
	}
	if err := o.check(); err != nil {
		return err
	}
	number, ok := c.loop.server.internOverflow(o)
	if !ok {
		return errOverflows
	}
	c.loop.mu.Lock()
	defer c.loop.mu.Unlock()
	s := c.loop.sendingOf(c.token)
	if s == nil {
		return ErrClosed
	}
	s.overflow = number
	return nil
}

// Buffered is the number of bytes that wait in the engine to be sent, frame headers
// included.
func (c Conn) Buffered() int {
	if c.loop == nil {
		return 0
	}
	c.loop.mu.Lock()
	defer c.loop.mu.Unlock()
	if s := c.loop.sendingOf(c.token); s != nil {
		return c.loop.waiting(s)
	}
	return 0
}

// ConnStats are the figures of one connection.
type ConnStats struct {
	Buffered int           // bytes that wait in the engine, as Conn.Buffered
	Unsent   int           // bytes that the system has and the peer has not acknowledged
	Dropped  int           // messages that were dropped or refused for want of room
	RTT      time.Duration // the system's smoothed round-trip time; 0 where it has none
}

// Stats asks the engine and the system about the connection. The error is ErrClosed, or the system's.
func (c Conn) Stats() (ConnStats, error) {
	if c.loop == nil {
		return ConnStats{}, ErrClosed
	}
	l := c.loop
	l.mu.Lock()
	s := l.sendingOf(c.token)
	if s == nil {
		l.mu.Unlock()
		return ConnStats{}, ErrClosed
	}
	stats := ConnStats{Buffered: l.waiting(s), Dropped: int(s.dropped)}
	l.mu.Unlock()
	socket, err := l.driver.Socket(c.token)
	if errors.Is(err, poller.ErrClosed) {
		return ConnStats{}, ErrClosed
	}
	stats.Unsent, stats.RTT = socket.Unsent, socket.RTT
	return stats, err
}

// Subprotocol is the one agreed in the opening handshake, or "".
func (c Conn) Subprotocol() string {
	if c.loop == nil {
		return ""
	}
	c.loop.mu.Lock()
	defer c.loop.mu.Unlock()
	if s := c.loop.sendingOf(c.token); s != nil {
		return c.loop.server.protocol(s.subprotocol)
	}
	return ""
}

// String names the connection in logs: its loop, slot and generation.
func (c Conn) String() string {
	if c.loop == nil {
		return "conn(none)"
	}
	return fmt.Sprintf("conn(%d/%d/%d)", c.loop.driver.Index(), c.token.Slot(), c.token.Generation())
}
