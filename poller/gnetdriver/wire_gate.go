//go:build windows || gnetgate

package gnetdriver

import (
	"net"

	"github.com/panjf2000/gnet/v2"

	"github.com/wsloop/wsloop/poller"
)

// pieceBytes is how much a goroutine writes at a time: as little as a peer has to take to count as alive.
const pieceBytes = 4 << 10

// loopWire is what a loop needs for sockets: nothing.
type loopWire struct{}

// wire is the socket of a connection.
type wire struct{ gate *gate }

// enrollable is the connection as gnet is to read it.
func (c *conn) enrollable(nc net.Conn) net.Conn {
	l := c.loop
	c.gate = newGate(nc, func() { l.post(func() { l.ended(c) }) })
	return c.gate
}

// taken is told that gnet knows the connection.
func (c *conn) taken(gc gnet.Conn) {
	c.gnet = gc
	c.gate.opened()
}

// putBack is not called: gnet knows a connection to its end.
func (*loop) putBack(*conn, gnet.Conn) {}

// left is told that gnet closes the connection now. It is over.
func (c *conn) left(gnet.Conn) { c.leaving, c.gnet = false, nil }

// hold stops reading.
func (*loop) hold(c *conn) { c.gate.hold(true) }

// isHeld says that the connection is not read.
func (c *conn) isHeld() bool { return c.gate.isHeld() }

// readOn goes on reading.
func (*loop) readOn(c *conn) { c.gate.hold(false) }

// seen tells of bytes that gnet read.
func (c *conn) seen(n int) { c.gate.seen(n) }

// free closes the connection.
func (l *loop) free(c *conn) {
	if c.gnet != nil {
		l.letGo(c)
	}
}

// send leaves all to drain: here, writing waits.
func (*conn) send([]byte) (int, error) { return 0, nil }

// sendv is send for bytes in pieces.
func (*conn) sendv([][]byte) (int, error) { return 0, nil }

func (c *conn) sendFIN() {
	if half, ok := c.gate.Conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // a peer that is gone shows when reading
	}
}

// drain has a goroutine write the beginning of the queue.
func (l *loop) drain(c *conn) {
	if c.flags&connDraining != 0 {
		return
	}
	c.flags |= connDraining
	first := c.queue.first()
	piece := append([]byte(nil), first[:min(len(first), pieceBytes)]...)
	go func() {
		n, err := c.gate.Conn.Write(piece)
		l.post(func() { l.drained(c, n, err) })
	}()
}

// stopDraining has nothing to give back.
func (*conn) stopDraining() {}

// Socket implements poller.Loop. It tells nothing.
func (l *loop) Socket(t poller.Token) (poller.SocketState, error) {
	if l.find(t) == nil {
		return poller.SocketState{}, poller.ErrClosed
	}
	return poller.SocketState{}, nil
}
