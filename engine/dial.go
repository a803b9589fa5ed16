package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
)

// DialOp says how far a connection came that could not be opened.
type DialOp uint8

const (
	// DialResolve is reading the URL, and finding the addresses of its host.
	DialResolve DialOp = iota
	// DialConnect is making the TCP connection.
	DialConnect
	// DialHandshake is the opening handshake.
	DialHandshake
)

// String names the step.
func (o DialOp) String() string {
	switch o {
	case DialResolve:
		return "resolve"
	case DialConnect:
		return "connect"
	case DialHandshake:
		return "handshake"
	}
	return "unknown"
}

// DialError reports that a connection could not be opened.
type DialError struct {
	Op DialOp
	// Err is the cause: a syscall.Errno, a *TimeoutError, io.EOF, a *handshake.AnswerError, ErrTooMany, ErrMemory,
	// ErrServerClosed, or the error of a context.
	Err error
}

// Error names the step and the cause.
func (e *DialError) Error() string { return fmt.Sprintf("engine: %v: %v", e.Op, e.Err) }

// Unwrap is the cause.
func (e *DialError) Unwrap() error { return e.Err }

var (
	errNotServing = errors.New("server does not serve yet")
	errNoDialer   = fmt.Errorf("%w: the driver opens no connections", poller.ErrUnsupported)
	errEvents     = errors.New("more than 255 sets of Events")
)

// Dial opens a connection with a server of its own, which has one loop and ends with the connection. It is meant for
// programs with few connections: others use Server.Dial. It waits until the opening handshake is done or ctx is; the
// error is a *DialError.
func Dial(ctx context.Context, url string, events Events) (Conn, error) {
	s := &Server{Loops: 1, ClientTLS: &tls.Config{}}
	s.Events = events
	s.Events.Close = func(c Conn, how Closure) {
		defer s.Close()
		if events.Close != nil {
			events.Close(c, how)
		}
	}
	if err := s.Start(); err != nil {
		return Conn{}, &DialError{DialConnect, err}
	}
	c, err := s.Dial(ctx, url, nil)
	if err != nil {
		s.Close()
	}
	return c, err
}

// Dial opens a connection that lives on a loop of the server, which must be serving, beside those it accepts and
// under the same limits. It waits until the opening handshake is done or ctx is, and must not be called on a
// loop. nil options are the default ones. The error is a *DialError.
func (s *Server) Dial(ctx context.Context, url string, o *DialOptions) (Conn, error) {
	target, err := s.Target(ctx, url, o)
	if err != nil {
		return Conn{}, err
	}
	type result struct {
		conn Conn
		err  error
	}
	results := make(chan result, 1)
	d := &dialing{target: target, done: func(c Conn, err error) { results <- result{c, err} }}
	if err := d.begin(); err != nil {
		return Conn{}, err
	}
	select {
	case r := <-results:
		return r.conn, r.err
	case <-ctx.Done():
		return Conn{}, &DialError{d.cancel(), ctx.Err()}
	}
}

// Dial begins to open a connection and does not wait. done is called once, on the connection's loop: with the connection, after
// Events.Open unless Server.Workers run that, or with a *DialError. An error of Dial itself, a *DialError too, says that done will not be
// called. data is what Conn.Data returns from the first callback on. Any goroutine.
func (t *Target) Dial(data any, done func(Conn, error)) error {
	return (&dialing{target: t, data: data, done: done}).begin()
}

// dialing is a connection from Dial until done was called. It belongs to the goroutine of Dial first, then to
// the loop.
type dialing struct {
	target  *Target
	data    any
	done    func(Conn, error)
	tried   int                 // addresses of the target
	request *handshake.Prepared // the target's that was sent
	key     [24]byte            // Sec-WebSocket-Key
	answer  *handshake.Answer   // of a head in pieces

	mu        sync.Mutex
	op        DialOp
	conn      Conn // once there is one
	cancelled bool
}

// begin counts the connection, which stays counted until done was called, and asks for it.
func (d *dialing) begin() error {
	s := d.target.server
	if _, err := s.dialer(); err != nil {
		return newDialError(DialConnect, err)
	}
	if s.live.Add(1) > s.settings.maxConnections {
		s.connectionGone()
		return newDialError(DialConnect, ErrTooMany)
	}
	err := d.connect()
	if err != nil {
		s.connectionGone()
	}
	return err
}

// connect asks the driver for a connection to the next address that can be asked for.
func (d *dialing) connect() error {
	t := d.target
	dialer, err := t.server.dialer()
	d.advance(DialConnect, Conn{})
	for err == nil {
		remote := poller.Dial{Path: t.path, Local: t.local, Loop: -1, Tag: d}
		if t.path == "" {
			remote.Addr = t.addrs[d.tried]
		}
		d.tried++
		if err = dialer.Dial(&remote); err == nil {
			return nil
		}
		if d.tried < len(t.addrs) {
			err = nil
		}
	}
	return newDialError(DialConnect, err)
}

// newDialError makes a DialError. A driver that stopped is a server that closed.
func newDialError(op DialOp, err error) *DialError {
	if errors.Is(err, poller.ErrStopped) {
		err = ErrServerClosed
	}
	return &DialError{op, err}
}

// advance notes how far it came, and says whether anybody still waits for it.
func (d *dialing) advance(op DialOp, c Conn) (wanted bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.op, d.conn = op, c
	return !d.cancelled
}

// cancel gives the connection up, and says how far it came.
func (d *dialing) cancel() DialOp {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cancelled = true
	d.conn.Abort()
	return d.op
}

// again tries the next address, if there is one and anybody still waits. The goroutine of the loop that had the connection
// calls it.
func (d *dialing) again() bool {
	return d.op == DialConnect && d.tried < len(d.target.addrs) && d.advance(DialConnect, Conn{}) && d.connect() == nil
}

// dialer is the driver, if it can open a connection now. Its loops run: what it is asked for has a handler to hear of it.
func (s *Server) dialer() (poller.Dialer, error) {
	s.mu.Lock()
	driver, closed, runs := s.driver, s.closed, len(s.loops) > 0
	s.mu.Unlock()
	if closed {
		return nil, ErrServerClosed
	}
	if !runs {
		return nil, errNotServing
	}
	dialer, ok := driver.(poller.Dialer)
	switch {
	case !ok:
		return nil, errNoDialer
	case s.budget.tight():
		return nil, ErrMemory
	}
	return dialer, nil
}

// Local returns a target that differs in the source address of its connections. Port 0 leaves the port to the
// system.
func (t *Target) Local(addr netip.AddrPort) *Target {
	from := *t
	from.local = addr
	return &from
}
