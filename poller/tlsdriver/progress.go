package tlsdriver

import (
	"crypto/tls"
	"errors"
	"io"
)

// abandon closes a connection that is not open.
func (l *layer) abandon(c *conn, err error) {
	c.phase, c.reason = phaseClosed, err
	l.drop(c)
	l.inner.Close(c.token, err)
}

// drop forgets what a connection holds.
func (l *layer) drop(c *conn) {
	if h := c.handshake; h != nil {
		l.unlink(h)
		h.end()
		h.mu.Lock()
		l.put(&h.in)
		h.offset, h.left = 0, 0
		h.mu.Unlock()
	}
	l.put(&c.in)
	l.put(&c.rest)
}

// put gives a buffer back, if there is one.
func (l *layer) put(b *[]byte) {
	if *b != nil {
		l.buffers.Put(*b)
		*b = nil
	}
}

// feed gives a handshake what came from its peer, and begins its goroutine once a whole record lies there.
func (l *layer) feed(c *conn, b []byte) (consumed int) {
	h := c.handshake
	if h.tls == nil && h.in == nil && b[0] != typeHandshake {
		l.refuse(c, b[0])
		return len(b)
	}
	h.mu.Lock()
	if h.offset > 0 {
		h.in = h.in[:copy(h.in, h.in[h.offset:])]
		h.offset = 0
	}
	consumed = min(len(b), inputBytes-len(h.in))
	h.in = append(l.buffers.Grow(h.in, len(h.in)+consumed), b[:consumed]...)
	h.full = consumed < len(b)
	_, whole := record(h.in)
	h.mu.Unlock()
	if consumed < len(b) {
		h.paused = true
		l.inner.Pause(c.token)
	}
	switch {
	case h.tls != nil:
		h.wake()
	case whole:
		l.serve(c)
	}
	return consumed
}

// serve begins the handshake of an accepted connection.
func (l *layer) serve(c *conn) {
	config := l.driver.config.Load()
	if config == nil { // the config was taken away meanwhile
		l.abandon(c, errEnded)
		return
	}
	c.handshake.start(tls.Server(c.wire, config))
}

// refuse ends a connection that begins with something else than TLS. A request in plain HTTP is told so.
func (l *layer) refuse(c *conn, first byte) {
	l.driver.stats.fail(ErrNotTLS)
	if !isHTTP(first) {
		l.abandon(c, ErrNotTLS)
		return
	}
	l.driver.stats.PlainHTTP.Add(1)
	_ = l.inner.WriteLast(c.token, []byte(plainHTTPAnswer))
	l.linger(c)
}

// linger ends our side and waits for the peer to end its own: closing at once would have the system throw the answer away where
// input is unread. The deadline of the handshake holds on.
func (l *layer) linger(c *conn) {
	c.phase = phaseLingering
	c.handshake.waiting.Store(true)
	l.inner.CloseWrite(c.token)
	l.inner.Resume(c.token)
}

// feedEOF tells a handshake that its peer sends no more.
func (l *layer) feedEOF(c *conn) {
	h := c.handshake
	h.mu.Lock()
	h.eof = true
	h.mu.Unlock()
	if h.tls != nil {
		h.wake()
		return
	}
	l.driver.stats.fail(io.EOF)
	l.abandon(c, io.EOF)
}

// post lists a handshake for the loop. Any goroutine.
func (l *layer) post(h *handshake) {
	l.mu.Lock()
	l.posted = append(l.posted, h)
	l.called.Store(true)
	l.mu.Unlock()
	l.inner.Wake()
}

// takePosted looks at the handshakes whose goroutines did something.
func (l *layer) takePosted() {
	if !l.called.Load() {
		return
	}
	l.mu.Lock()
	posted := l.posted
	l.posted = nil
	l.called.Store(false)
	l.mu.Unlock()
	for _, h := range posted {
		l.attend(h)
	}
}

// attend sends what a goroutine wrote, and goes on when it is over.
func (l *layer) attend(h *handshake) {
	h.mu.Lock()
	h.posted = false
	out, done, err := h.out, h.done, h.err
	h.out = nil
	room := h.full && len(h.in)-h.offset <= inputBytes/2
	if room {
		h.full = false
	}
	h.mu.Unlock()
	c := h.conn
	if c.phase != phaseHandshake {
		return
	}
	if len(out) > 0 {
		_ = l.inner.Write(c.token, out)
	}
	switch {
	case done && err != nil:
		l.failed(c, err)
	case done:
		l.succeeded(c)
	case room:
		h.paused = false
		l.inner.Resume(c.token)
	}
}

// failed ends a connection whose handshake did. The alert was written.
func (l *layer) failed(c *conn, err error) {
	l.driver.stats.fail(err)
	if c.flags&connDialed != 0 || errors.Is(err, io.EOF) {
		l.abandon(c, err)
		return
	}
	l.linger(c)
}

// succeeded tells the upper handler of a connection, and presents what came behind the handshake.
func (l *layer) succeeded(c *conn) {
	h := c.handshake
	l.unlink(h)
	l.driver.stats.count(h.tls)
	c.secured.Store(h.tls)
	c.handshake = nil
	c.phase = phaseOpen
	if len(h.in) > h.offset {
		c.in = h.in[:copy(h.in, h.in[h.offset:])]
		c.flags |= connBacklog
	} else {
		l.put(&h.in)
	}
	if h.eof {
		c.flags |= connEOFDue
	}
	if c.flags&connDialed != 0 {
		l.upper.Connected(c.token)
	} else {
		c.flags |= connTold
		l.upper.Open(c.token)
	}
	if c.flags&connPaused != 0 {
		l.inner.Pause(c.token)
		return
	}
	l.presentAgain(c)
}
