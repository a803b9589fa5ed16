package gnetdriver

import (
	"errors"
	"io"
	"net"
	"sync"
)

// gateBytes is how much may be on its way from a gate to its loop before the gate waits.
const gateBytes = 2 * readBytes

// A gate is a connection as gnet's side for Windows reads it, where a goroutine for each connection does nothing
// else. It can be held, and it keeps the end to itself, after which gnet would close.
type gate struct {
	net.Conn
	ended func() // tells that the peer sent FIN, and that all bytes before were seen

	mu     sync.Mutex
	change sync.Cond
	held   bool
	closed bool
	unseen int // bytes that Read returned and seen was not told of, and one until the connection is open
}

// newGate makes a gate that tells of no end before opened was called.
func newGate(nc net.Conn, ended func()) *gate {
	g := &gate{Conn: nc, ended: ended, unseen: 1}
	g.change.L = &g.mu
	return g
}

// Read waits while the gate is held, and ends when it is closed.
func (g *gate) Read(b []byte) (int, error) {
	if !g.wait(func() bool { return !g.held && g.unseen < gateBytes }) {
		return 0, net.ErrClosed
	}
	n, err := g.Conn.Read(b)
	switch {
	case n > 0:
		g.seen(-n)
		return n, nil // an error will come again
	case errors.Is(err, io.EOF):
		if g.wait(func() bool { return g.unseen == 0 }) {
			g.ended()
			g.wait(func() bool { return false })
		}
		return 0, net.ErrClosed
	}
	return n, err
}

// wait says whether the condition came true before the gate was closed.
func (g *gate) wait(condition func() bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for !g.closed && !condition() {
		g.change.Wait()
	}
	return !g.closed
}

// seen tells that n bytes arrived at the loop.
func (g *gate) seen(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.unseen -= n
	g.change.Broadcast()
}

// opened tells that the connection is open.
func (g *gate) opened() { g.seen(1) }

// hold has Read wait, or go on. A Read that has begun may still bring bytes.
func (g *gate) hold(held bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held = held
	g.change.Broadcast()
}

func (g *gate) isHeld() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held
}

// Close implements net.Conn.
func (g *gate) Close() error {
	g.mu.Lock()
	g.closed = true
	g.change.Broadcast()
	g.mu.Unlock()
	return g.Conn.Close()
}
