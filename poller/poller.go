package poller

import (
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"
)

// A Token names one connection of one loop: the slot in the low half, the
// generation of the slot in the high half. The zero Token names none.
type Token uint64

// MakeToken joins a slot and a generation. Drivers use it.
func MakeToken(slot, generation uint32) Token {
	return Token(generation)<<32 | Token(slot)
}

// Slot is dense and reused: it is meant to index slabs of the loop.
func (t Token) Slot() uint32 { return uint32(t) }

// Generation differs between the connections that used one slot. It is never 0.
func (t Token) Generation() uint32 { return uint32(t >> 32) }

// A Driver accepts connections and runs loops.
type Driver interface {
	// Serve calls newHandler once for each loop, runs the loops, and returns
	// when Stop was called and every connection is closed, or when the driver
	// cannot go on. It may be called once.
	Serve(newHandler func(Loop) Handler) error
	// StopAccepting closes the listeners; open connections go on. Any goroutine.
	StopAccepting()
	// Stop closes the listeners and every connection at once, with
	// ErrStopped. It does not wait. Any goroutine.
	Stop()
}

// A Handler receives what happens on one loop, on that loop's goroutine.
type Handler interface {
	// Open says that the connection was accepted.
	Open(t Token)
	// Dialing says that a connection which Dialer.Dial was asked for has a token and is
	// being made. tag is Dial.Tag. Until Connected it takes no bytes: Write and Writev
	// return ErrClosed and CloseWrite does nothing. Close may be called, and Pause, which
	// holds from Connected on.
	Dialing(t Token, tag any)
	// Connected says that the connection is made. From here on it is as one that Open
	// told of. If it cannot be made, Closed comes instead, with the system's error.
	Connected(t Token)
	// Buffer is where the next bytes of the connection are to be read to, and so where
	// the b of the Data that follows lies. nil means a buffer of the driver's. A driver may ask and
	// then have nothing to read, or not ask; what it presents again lies elsewhere. Buffer
	// calls no method of the Loop.
	Buffer(t Token) []byte
	// Data brings bytes. b belongs to the handler until it returns, and may be
	// edited in place. The handler says how many bytes it consumed; the driver
	// keeps a copy of the rest and presents it again on a later turn, without
	// reading the socket meanwhile. Not called while the connection is paused.
	Data(t Token, b []byte) (consumed int)
	// EOF says that the peer will send no more. The connection can still be
	// written; it is the handler that closes it.
	EOF(t Token)
	// Progress says that the output queue got shorter and still holds pending bytes.
	Progress(t Token, pending int)
	// Drained says that the output queue, having held bytes, is empty.
	Drained(t Token)
	// Closed says that the connection is gone: exactly once, and last. err is
	// what was passed to Loop.Close, or what the system reported.
	Closed(t Token, err error)
	// Flush ends a turn: the handler writes what it gathered.
	Flush()
	// Tick comes about every TickInterval. now is the loop's clock.
	Tick(now time.Duration)
}

// TickInterval is the time between two calls of Handler.Tick.
const TickInterval = 250 * time.Millisecond

// A Loop is what a Handler works with. Only Index, TryWrite, RemoteAddr, Socket and Wake
// may be called from other goroutines.
type Loop interface {
	// Index numbers the loops of a driver from 0.
	Index() int
	// Now is the loop's monotonic clock, read once per turn. It starts at an
	// arbitrary point.
	Now() time.Duration
	// Write sends b, or queues a copy of what the socket does not take. After
	// CloseWrite, and for a stale token, it returns ErrClosed. A failing socket
	// closes the connection before the turn ends and is not reported here.
	Write(t Token, b []byte) error
	// WriteLast is Write for the last bytes of a connection for which Close or CloseWrite follows
	// before the turn ends if they all leave. The driver may hold them back until then, so that they
	// and FIN share a packet.
	WriteLast(t Token, b []byte) error
	// Writev is Write for bytes in pieces. vec is the driver's to edit until
	// Writev returns.
	Writev(t Token, vec [][]byte) error
	// TryWrite writes what the socket takes of head, and then of body, and keeps nothing of the rest. It
	// returns the number of bytes: 0 for a stale token, for a socket that is full, for one that has failed, which closes
	// the connection as in Write, and whenever the driver cannot. Any goroutine may call it; that the connection is made
	// and neither closed nor closed for writing, that the output queue is empty, and that nobody else
	// writes meanwhile, is up to the caller.
	TryWrite(t Token, head, body []byte) (n int)
	// CloseWrite sends FIN once the queue is empty, and refuses further writes.
	CloseWrite(t Token)
	// Pending is the number of bytes in the output queue.
	Pending(t Token) int
	// Held is the memory in bytes that the driver holds for the connection: its
	// output queue and the input that Data did not consume. It is what was
	// allocated for them, so at least Pending while output waits, and 0 for an
	// idle connection and for a stale token.
	Held(t Token) int
	// Pause stops Data and EOF until Resume; output goes on. Unread bytes are kept
	// even when the peer closes, which shows only after Resume. A peer that resets
	// the connection, or a write that fails, may end it meanwhile.
	Pause(t Token)
	// Resume undoes Pause.
	Resume(t Token)
	// Close ends the connection at once and drops its queue; Closed(t, err) follows
	// before the turn ends, never inside Close.
	Close(t Token, err error)
	// RemoteAddr asks the system for the peer's address. Any goroutine.
	RemoteAddr(t Token) (netip.AddrPort, error)
	// Socket asks the system how the connection fares. Any goroutine.
	Socket(t Token) (SocketState, error)
	// Wake makes the loop take a turn, and so call Flush, soon. Calls before
	// that turn cost one atomic load. Any goroutine.
	Wake()
}

// SocketState is what the system knows of a connection. A value that the system does
// not tell is 0.
type SocketState struct {
	// Unsent is the number of bytes that the socket took and the peer has not
	// acknowledged. On Linux a FIN counts as one, and a Unix socket tells the
	// memory that holds what the peer has not read, which is more.
	Unsent int
	// RTT is the smoothed round-trip time, 0 for Unix sockets.
	RTT time.Duration
}

// A ListenerDriver is a Driver that can serve a listener of package net.
type ListenerDriver interface {
	Driver
	// AddListener takes ln over: the caller must not accept from it or close it
	// any more. It is called before Serve.
	AddListener(ln net.Listener) error
}

// A Dialer is a Driver that can open connections, too.
type Dialer interface {
	Driver
	// Dial begins to open a connection. It never waits; any goroutine may call it, before
	// Serve and after StopAccepting, too. An error says that the system refused
	// at once, as a syscall.Errno, or that the driver stopped (ErrStopped), and nothing
	// more is heard of the connection. After nil, one loop calls Handler.Dialing once, and
	// Closed last, also when the driver stops meanwhile. d is only read, and not kept.
	Dial(d *Dial) error
}

// A Dial is a connection that Dialer.Dial is asked for.
type Dial struct {
	// Addr is the TCP address to connect to.
	Addr netip.AddrPort
	// Path is that of a Unix socket, used instead of Addr if not empty.
	Path string
	// Local is the source address if it is valid. Its port 0 leaves the choice to the system, which
	// on Linux makes it for each target anew, so that connections to several targets
	// can share a port.
	Local netip.AddrPort
	// Loop is the index of the loop that is to have the connection; -1 is the one that has
	// the fewest.
	Loop int
	// Tag comes back with Handler.Dialing.
	Tag any
}

// An Adopter is a Driver that can take over connections which others made, such as a net/http server.
type Adopter interface {
	Driver
	// Adopt takes a connection over. It never waits; any goroutine may call it, before Serve and after StopAccepting,
	// too. After an error the connection is the caller's, as before; after nil it must not be used any more. What is heard
	// of it is what is heard of one that Dialer.Dial opened: Dialing with a.Tag, Connected, then
	// Data with a.Input before anything else, and Closed last. a is only read, and not kept, but a.Input is.
	Adopt(a *Adoption) error
}

// An Adoption is a connection that Adopter.Adopt is to take over.
type Adoption struct {
	// Conn is a TCP or Unix connection of package net on which nobody reads or writes.
	Conn net.Conn
	// Input is what was read of it and is to be handled yet.
	Input []byte
	// Tag comes back with Handler.Dialing.
	Tag any
}

// A Detacher is a Loop that can give connections up.
type Detacher interface {
	Loop
	// Detach gives the connection up to its caller, on the loop's goroutine, with a copy of the input that was not
	// consumed. Inside Data, what that was called with is not in it; it is the caller's to keep. Closed(t, ErrDetached) follows before the turn
	// ends. It is an error, and the connection stays, while output waits (ErrBusy), once our side has ended (ErrClosed), or if the
	// system has no descriptor left. If the peer's side has ended, whoever reads on finds that.
	Detach(t Token) (conn net.Conn, input []byte, err error)
}

// Stats count what a driver did.
type Stats struct {
	Accepted     atomic.Uint64
	AcceptErrors atomic.Uint64
}

// LoopCount is the number of loops that Options.Loops asks for.
func LoopCount(loops int) int {
	if loops > 0 {
		return loops
	}
	return runtime.GOMAXPROCS(0)
}
