package tlsdriver

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"

	"github.com/wsloop/wsloop/poller"
)

var (
	_ poller.Adopter  = (*Driver)(nil)
	_ poller.Detacher = (*layer)(nil)
)

// adopted is the tag below of a connection that Adopt was given.
type adopted struct {
	tag     any
	secured *tls.Conn // nil for a plain one
	wire    *wire
	left    int    // bytes that complete the record which crypto/tls has begun to read
	input   []byte // plaintext
}

// Adopt implements poller.Adopter if the inner driver does. a.Conn may be a *tls.Conn that has completed its handshake; then a.Input is
// plaintext. It has to come from Detach, or lie over a connection of Listener: what crypto/tls has read of another one, nobody can tell.
func (d *Driver) Adopt(a *poller.Adoption) error {
	inner, ok := d.inner.(poller.Adopter)
	if !ok {
		return fmt.Errorf("%w: a driver of type %T adopts no connections", poller.ErrUnsupported, d.inner)
	}
	d.mu.Lock()
	stopping := d.stopping
	d.mu.Unlock()
	if stopping {
		return poller.ErrStopped
	}
	secured, ok := a.Conn.(*tls.Conn)
	if !ok {
		return inner.Adopt(&poller.Adoption{Conn: a.Conn, Input: a.Input, Tag: &adopted{tag: a.Tag}})
	}
	w, ok := secured.NetConn().(*wire)
	if !ok {
		return fmt.Errorf("%w: TLS over a connection of type %T, which is not from a tlsdriver.Listener", poller.ErrUnsupported, secured.NetConn())
	}
	s, ok := w.Conn.(*stream)
	if !ok {
		return poller.ErrClosed // a loop has it already
	}
	return inner.Adopt(&poller.Adoption{Conn: s.Conn, Input: s.buffered, Tag: &adopted{a.Tag, secured, w, s.left, a.Input}})
}

// adopting tells the upper handler of a connection that Adopt was given.
func (l *layer) adopting(t poller.Token, a *adopted) {
	if a.secured != nil {
		c := l.begin(t, phaseConnecting, connTold)
		c.secured.Store(a.secured)
		c.wire, c.owed = a.wire, a.left
		c.wire.Conn = c
		if len(a.input) > 0 {
			c.rest = append(l.buffers.Get(len(a.input)), a.input...)
		}
	}
	l.upper.Dialing(t, a.tag)
}

// arrive goes on with a TLS connection that was adopted: first what was decrypted elsewhere, and nothing more of it is
// left in crypto/tls then.
func (l *layer) arrive(c *conn) {
	c.phase = phaseOpen
	l.driver.stats.Adopted.Add(1)
	err := l.drain(c)
	l.upper.Connected(c.token)
	switch {
	case c.phase != phaseOpen:
		return
	case errors.Is(err, io.EOF):
		c.flags |= connNotified | connEOFDue
	case err != errEmpty:
		l.fail(c, err)
		return
	}
	if c.flags&connPaused != 0 {
		l.inner.Pause(c.token)
		return
	}
	l.presentAgain(c)
}

// drain appends to c.rest what crypto/tls has decrypted: one record at most, because a wire gives it one at a time.
func (l *layer) drain(c *conn) error {
	l.input, l.plain, l.out, l.writes = nil, l.plain[:0], l.out[:0], 0
	var err error
	for err == nil {
		var n int
		n, err = c.secured.Load().Read(l.plain[len(l.plain):cap(l.plain)])
		l.plain = l.plain[:len(l.plain)+n]
	}
	if len(l.plain) > 0 {
		c.rest = append(l.buffers.Grow(c.rest, len(c.rest)+len(l.plain)), l.plain...)
	}
	if len(l.out) > 0 {
		_ = l.inner.Write(c.token, l.out)
	}
	return err
}

// Detach implements poller.Detacher if the inner loop does. What it gives up is a *tls.Conn if the connection is TLS.
func (l *layer) Detach(t poller.Token) (conn net.Conn, input []byte, err error) {
	inner, ok := l.inner.(poller.Detacher)
	if !ok {
		return nil, nil, fmt.Errorf("%w: a loop of type %T gives no connections up", poller.ErrUnsupported, l.inner)
	}
	c := l.find(t)
	switch {
	case c == nil:
		return inner.Detach(t)
	case c.phase != phaseOpen || c.flags&connGoodbye != 0:
		return nil, nil, poller.ErrClosed
	}
	socket, more, err := inner.Detach(t)
	if err != nil {
		return nil, nil, err
	}
	s := &stream{Conn: socket, left: c.owed}
	s.buffer = slices.Concat(c.in, l.left, more)
	s.buffered = s.buffer
	c.wire.Conn = s
	input = bytes.Clone(c.rest)
	c.phase, c.reason = phaseClosed, poller.ErrDetached
	l.drop(c)
	return c.secured.Load(), input, nil
}
