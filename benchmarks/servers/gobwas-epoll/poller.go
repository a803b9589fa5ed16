//go:build linux

package main

import (
	"log"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// oneShot reports a connection once, until it is armed again: one worker at a time reads from it.
const oneShot = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT

// A poller tells which connections are readable. They stay in Go's own poller, too, which is what makes
// a worker wait when a message has not arrived in full.
type poller struct {
	epoll int

	mu    sync.RWMutex
	conns map[int32]*watched // by descriptor
}

type watched struct {
	conn net.Conn
	raw  syscall.RawConn
}

func newPoller() (*poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return &poller{epoll: epoll, conns: make(map[int32]*watched)}, err
}

// add watches conn, and closes it if that fails.
func (p *poller) add(conn net.Conn) {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		conn.Close()
		return
	}
	c := &watched{conn: conn, raw: raw}
	err = raw.Control(func(fd uintptr) {
		p.mu.Lock()
		p.conns[int32(fd)] = c
		p.mu.Unlock()
	})
	if err == nil {
		err = p.control(unix.EPOLL_CTL_ADD, c)
	}
	if err != nil {
		p.remove(c)
	}
}

// arm asks for one more event, which comes at once if there is already something to read.
func (p *poller) arm(c *watched) {
	if err := p.control(unix.EPOLL_CTL_MOD, c); err != nil {
		p.remove(c)
	}
}

func (p *poller) control(op int, c *watched) error {
	var failed error
	err := c.raw.Control(func(fd uintptr) {
		failed = unix.EpollCtl(p.epoll, op, int(fd), &unix.EpollEvent{Events: oneShot, Fd: int32(fd)})
	})
	if err != nil {
		return err
	}
	return failed
}

// remove forgets c and closes it. Only who may read from c calls it, so no event of c is on its way.
func (p *poller) remove(c *watched) {
	_ = c.raw.Control(func(fd uintptr) { // fails for a closed connection, which has no entry
		p.mu.Lock()
		delete(p.conns, int32(fd))
		p.mu.Unlock()
	})
	c.conn.Close()
}

// run hands readable connections to the workers, for as long as the process lives.
func (p *poller) run(ready chan<- *watched) {
	events := make([]unix.EpollEvent, 1024)
	for {
		n, err := unix.EpollWait(p.epoll, events, -1)
		if err != nil && err != unix.EINTR {
			log.Fatalf("epoll_wait: %v", err)
		}
		for _, event := range events[:max(n, 0)] {
			p.mu.RLock()
			c := p.conns[event.Fd]
			p.mu.RUnlock()
			if c != nil {
				ready <- c
			}
		}
	}
}
