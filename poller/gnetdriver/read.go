package gnetdriver

import "github.com/wsloop/wsloop/poller"

// received is what gnet read. What the handler does not want now is kept.
func (l *loop) received(c *conn, b []byte) {
	c.seen(len(b))
	switch {
	case len(b) == 0 || c.flags&connDead != 0:
	case c.wantsInput():
		l.present(c, b)
	default:
		c.flags |= connKept
		l.keep(c, b)
	}
}

// present calls Data and keeps what it leaves.
func (l *loop) present(c *conn, b []byte) {
	consumed := l.handler.Data(c.token, b)
	if consumed < len(b) && c.flags&connDead == 0 {
		l.keep(c, b[consumed:])
		l.attendLater(c)
	}
}

func (l *loop) keep(c *conn, b []byte) {
	c.rest = append(l.buffers.Grow(c.rest, len(c.rest)+len(b)), b...)
}

func (l *loop) dropRest(c *conn) {
	if c.rest != nil {
		l.buffers.Put(c.rest)
		c.rest = nil
	}
}

// attend goes on with a connection: with what it has not consumed, with the end, or with reading, one of them
// on one turn.
func (l *loop) attend(c *conn) {
	switch rest := c.rest; {
	case c.flags&(connPaused|connDead) != 0:
	case rest != nil:
		c.rest = nil
		l.present(c, rest)
		l.buffers.Put(rest)
		l.goOn(c)
	case c.flags&connEOF != 0:
		l.tellEOF(c)
	default:
		l.readOn(c)
	}
}

// ended is told of the peer's FIN.
func (l *loop) ended(c *conn) {
	c.flags |= connEOF
	if c.flags&connDead == 0 && c.wantsInput() {
		l.tellEOF(c)
	}
}

func (l *loop) tellEOF(c *conn) {
	if c.flags&connEOFTold == 0 {
		c.flags |= connEOFTold
		l.handler.EOF(c.token)
	}
}

// Pause implements poller.Loop. gnet goes on reading until bytes come.
func (l *loop) Pause(t poller.Token) {
	if c := l.lookup(t); c != nil {
		c.flags |= connPaused
	}
}

// Resume implements poller.Loop.
func (l *loop) Resume(t poller.Token) {
	if c := l.lookup(t); c != nil && c.flags&connPaused != 0 {
		c.flags &^= connPaused
		l.goOn(c)
	}
}

// goOn has a later turn attend to the connection, if there is a reason to.
func (l *loop) goOn(c *conn) {
	if c.rest != nil || c.flags&(connEOF|connEOFTold) == connEOF || c.isHeld() {
		l.attendLater(c)
	}
}
