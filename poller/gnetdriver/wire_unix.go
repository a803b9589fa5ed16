//go:build unix && !gnetgate

package gnetdriver

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"

	"github.com/wsloop/wsloop/poller"
)

var errNotTaken = errors.New("gnetdriver: gnet did not take the connection")

// loopWire is what a loop needs for sockets.
type loopWire struct {
	buffer []byte // for reading by hand
}

// wire is the socket of a connection. The descriptor is gnet's while gnet knows the connection, and else a copy of the
// driver's.
type wire struct {
	place     atomic.Uint64 // the descriptor, and above it how often that changed
	room      net.Conn      // a copy, by which a goroutine waits for room
	enrolling bool          // gnet was asked to take it back
	attempt   int           // counts that
}

// enrollable is the connection as gnet wants it, which closes it when it has a copy.
func (*conn) enrollable(nc net.Conn) net.Conn { return nc }

func (c *conn) fd() int { return int(int32(c.place.Load())) }

func (c *conn) move(fd int) {
	c.place.Store((c.place.Load()>>32+1)<<32 | uint64(uint32(fd)))
}

// copyConn copies the descriptor.
func (c *conn) copyConn() (net.Conn, error) {
	fd, err := unix.FcntlInt(uintptr(c.fd()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "connection")
	defer f.Close()
	return net.FileConn(f) // copies once more
}

// taken is told that gnet knows the connection.
func (c *conn) taken(gc gnet.Conn) {
	c.gnet = gc
	c.move(gc.Fd())
}

// hold has gnet forget a connection of which it just told, because gnet would read on.
func (*loop) hold(c *conn) { c.leaving = true }

// left is told that gnet closes its descriptor now. If the connection goes on, then with a copy.
func (c *conn) left(gc gnet.Conn) {
	c.leaving, c.gnet = false, nil
	if c.flags&connDead != 0 {
		return
	}
	fd, err := gc.Dup()
	c.move(fd)
	if err != nil {
		c.loop.Close(c.token, err)
		return
	}
	c.loop.goOn(c)
}

// isHeld says that gnet does not read the connection.
func (c *conn) isHeld() bool { return c.gnet == nil }

// readOn reads what came while the connection was held, and then gives it back to gnet.
func (l *loop) readOn(c *conn) {
	if c.gnet != nil || c.enrolling {
		return
	}
	if l.buffer == nil {
		l.buffer = make([]byte, readBytes)
	}
	n, err := unix.Read(c.fd(), l.buffer)
	switch {
	case err == unix.EAGAIN:
		l.giveBack(c)
	case err != nil:
		l.Close(c.token, err)
	case n == 0:
		l.ended(c)
	default:
		l.present(c, l.buffer[:n])
		l.goOn(c)
	}
}

// giveBack has gnet take the connection again. OnOpen tells of it.
func (l *loop) giveBack(c *conn) {
	nc, err := c.copyConn()
	if err != nil {
		l.Close(c.token, cause(err))
		return
	}
	if nc.RemoteAddr() == nil {
		// By now it is over in both directions, for which gnet is not prepared. Another read tells how.
		nc.Close()
		l.attendLater(c)
		return
	}
	c.enrolling = true
	c.attempt++
	attempt := c.attempt
	l.driver.enrolling.Go(func() {
		err := l.driver.enroll(c, nc)
		l.post(func() { l.enrolled(c, attempt, err) })
	})
}

// putBack is told that gnet knows the connection again.
func (l *loop) putBack(c *conn, gc gnet.Conn) {
	if c.flags&connDead != 0 {
		c.leaving = true
		return
	}
	c.enrolling = false
	old := c.fd()
	c.taken(gc)
	unix.Close(old)
}

// enrolled is told how an attempt of giveBack went, after putBack if that was called.
func (l *loop) enrolled(c *conn, attempt int, err error) {
	if !c.enrolling || c.attempt != attempt || c.flags&connDead != 0 {
		return
	}
	if err == nil {
		err = errNotTaken
	}
	l.Close(c.token, cause(err))
}

// seen is of no interest here.
func (*conn) seen(int) {}

// free closes the descriptor.
func (l *loop) free(c *conn) {
	c.stopDraining()
	if c.gnet != nil {
		l.letGo(c)
	} else {
		unix.Close(c.fd())
	}
}

// send writes what the socket takes.
func (c *conn) send(b []byte) (int, error) { return taken(unix.Write(c.fd(), b)) }

// sendv is send for bytes in pieces.
func (c *conn) sendv(vec [][]byte) (int, error) {
	return taken(unix.SendmsgBuffers(c.fd(), vec, nil, nil, 0))
}

// taken is what the socket took, and no error if it is just full.
func taken(n int, err error) (int, error) {
	if err == unix.EAGAIN || err == unix.EINTR {
		err = nil
	}
	return max(n, 0), err
}

func (c *conn) sendFIN() {
	_ = unix.Shutdown(c.fd(), unix.SHUT_WR) // a peer that is gone shows when reading
}

// drain has a goroutine wait until the socket takes more, for gnet does not tell.
func (l *loop) drain(c *conn) {
	if c.flags&connDraining != 0 {
		return
	}
	if c.room == nil {
		room, err := c.copyConn()
		if err != nil {
			l.Close(c.token, cause(err))
			return
		}
		c.room = room
	}
	raw, err := c.room.(syscall.Conn).SyscallConn()
	if err != nil {
		l.Close(c.token, err)
		return
	}
	c.flags |= connDraining
	go func() {
		if raw.Write(hasRoom) == nil { // it ends with an error when room is closed
			l.post(func() { l.writable(c) })
		}
	}()
}

func (c *conn) stopDraining() {
	if c.room != nil {
		c.room.Close()
		c.room = nil
	}
}

// hasRoom says that writing brings something: progress or an error. Package net asks again after an event.
func hasRoom(fd uintptr) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	n, err := unix.Poll(fds, 0)
	return n != 0 && err != unix.EINTR
}

// vec returns the first stretches in a slice that it may use.
func (q *queue) vec(vec [][]byte) [][]byte {
	for i, block := range q.blocks[:min(len(q.blocks), cap(vec))] {
		if i == 0 {
			block = q.first()
		}
		vec = append(vec, block)
	}
	return vec
}

// writable writes what waits.
func (l *loop) writable(c *conn) {
	if c.flags&connDead != 0 {
		return
	}
	n, err := c.sendv(c.queue.vec(make([][]byte, 0, maxVec)))
	l.drained(c, n, err)
}

// Socket implements poller.Loop. The descriptor is looked up on both sides of the system call: unchanged, it was this
// connection's all the while.
func (l *loop) Socket(t poller.Token) (poller.SocketState, error) {
	for {
		c := l.find(t)
		if c == nil {
			return poller.SocketState{}, poller.ErrClosed
		}
		place := c.place.Load()
		state, err := socketState(int(int32(place)))
		if l.find(t) == c && c.place.Load() == place {
			return state, err
		}
	}
}
