package gnetdriver

import (
	"errors"
	"io"
	"syscall"
	"time"

	"github.com/panjf2000/gnet/v2"

	"github.com/wsloop/wsloop/poller"
)

// events is what gnet calls: on the loop of the connection, but for OnTick. The context of a connection is its conn; that
// of the connection by which the driver knows a loop is the loop.
type events struct {
	gnet.BuiltinEventEngine
	driver *Driver
}

// OnOpen implements gnet.EventHandler, for a connection that is new or was put back.
func (*events) OnOpen(gc gnet.Conn) ([]byte, gnet.Action) {
	c, ok := gc.Context().(*conn)
	if !ok {
		return nil, gnet.None
	}
	l := c.loop
	l.begin(c)
	if c.token == 0 {
		l.opened(c, gc)
	} else {
		l.putBack(c, gc)
	}
	l.end()
	return nil, c.action()
}

// OnTraffic implements gnet.EventHandler.
func (*events) OnTraffic(gc gnet.Conn) gnet.Action {
	c, ok := gc.Context().(*conn)
	if !ok {
		_, _ = gc.Discard(-1)
		return gnet.None
	}
	l := c.loop
	l.begin(c)
	// gnet lends its buffer. It keeps nothing when all was discarded.
	b, _ := gc.Peek(-1)
	l.received(c, b)
	_, _ = gc.Discard(-1)
	l.end()
	if c.flags&connDead == 0 && !c.wantsInput() && c.flags&connKept != 0 {
		c.flags &^= connKept
		l.hold(c)
	}
	return c.action()
}

// OnClose implements gnet.EventHandler. gnet closes the descriptor when it returns.
func (e *events) OnClose(gc gnet.Conn, err error) gnet.Action {
	c, ok := gc.Context().(*conn)
	switch {
	case !ok:
		if l, ok := gc.Context().(*loop); ok && !l.isShut {
			e.driver.giveUp()
		}
	case c.leaving:
		c.left(gc)
	default:
		c.loop.closed(c, gc, err)
	}
	return gnet.None
}

// closed is told that gnet closes a connection of its own accord.
func (l *loop) closed(c *conn, gc gnet.Conn, err error) {
	c.leaving = true
	l.begin(c)
	switch {
	case errors.Is(err, io.EOF):
		l.ended(c)
	case err == nil:
		l.Close(c.token, errLoopEnded)
	default:
		l.Close(c.token, cause(err))
	}
	l.end()
	c.left(gc)
}

// cause is the system's error in one of package os or net.
func cause(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

// OnTick implements gnet.EventHandler. It runs on a goroutine of its own.
func (e *events) OnTick() (time.Duration, gnet.Action) {
	for _, l := range e.driver.loops {
		l.tickDue.Store(true)
		l.Wake()
	}
	return poller.TickInterval, gnet.None
}
