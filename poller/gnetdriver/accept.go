package gnetdriver

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/panjf2000/gnet/v2"
)

// acceptRest is how long a listener rests after an error: most likely there are no descriptors left.
const acceptRest = 50 * time.Millisecond

// accept has a goroutine accept from each listener.
func (d *Driver) accept() {
	for _, ln := range d.listeners {
		d.acceptors.Go(func() { d.acceptFrom(ln) })
	}
}

func (d *Driver) acceptFrom(ln net.Listener) {
	for {
		nc, err := ln.Accept()
		switch {
		case err == nil:
			d.stats.Accepted.Add(1)
			d.place(nc)
		case errors.Is(err, net.ErrClosed):
			return
		default:
			d.stats.AcceptErrors.Add(1)
			select {
			case <-d.refusing:
				return
			case <-time.After(acceptRest):
			}
		}
	}
}

// place gives a connection to the loop that should have it, and waits until it is there, so that the next one sees the
// right counts.
func (d *Driver) place(nc net.Conn) {
	l := d.leastLoaded()
	l.count.Add(1)
	c := newConn(l, nc)
	_ = d.enroll(c, c.enrollable(nc)) // whether it was taken is known for certain
	if !c.settled.Swap(true) {
		d.stats.AcceptErrors.Add(1)
		l.count.Add(-1)
		nc.Close() // once more, if gnet did
	}
}

// enroll has gnet take a connection on its loop, where OnOpen tells of it. It waits.
func (d *Driver) enroll(c *conn, nc net.Conn) error {
	answer, err := c.loop.gnet.Enroll(gnet.NewContext(context.Background(), c), nc)
	if err != nil {
		nc.Close()
		return err
	}
	select {
	case r := <-answer:
		return r.Err
	case <-d.broken:
		return errLoopEnded
	}
}
