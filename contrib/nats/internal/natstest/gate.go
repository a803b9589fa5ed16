// Package natstest runs NATS in tests, and a faulty way to it.
package natstest

import (
	"net"
	"sync"
	"testing"
	"time"
)

// Gate is a TCP proxy ahead of a broker, with faults. Its address stays when the broker moves.
type Gate struct {
	listener net.Listener
	wg       sync.WaitGroup

	mu     sync.Mutex
	change sync.Cond
	conns  map[net.Conn]bool
	closed bool
	faults Faults
}

// Faults are what a Gate does.
type Faults struct {
	Target   string // where the broker is; "" refuses connections
	Up, Down Way    // to the broker, and back
}

// Way is one direction.
type Way struct {
	Stalled bool // nothing passes
	Rate    int  // bytes a second; 0 for any
}

// NewGate opens a gate until the end of the test.
func NewGate(t *testing.T, target string) *Gate {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &Gate{listener: ln, conns: make(map[net.Conn]bool), faults: Faults{Target: target}}
	g.change.L = &g.mu
	g.wg.Go(g.accept)
	t.Cleanup(g.close)
	return g
}

// URL is where the broker seems to be.
func (g *Gate) URL() string { return "nats://" + g.listener.Addr().String() }

// Set changes the faults, in force at once. With no target all connections are reset.
func (g *Gate) Set(faults Faults) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults = faults
	if faults.Target == "" {
		g.reset()
	}
	g.change.Broadcast()
}

func (g *Gate) reset() {
	for c := range g.conns {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}

func (g *Gate) close() {
	g.listener.Close()
	g.mu.Lock()
	g.closed = true
	g.reset()
	g.change.Broadcast()
	g.mu.Unlock()
	g.wg.Wait()
}

func (g *Gate) accept() {
	for {
		c, err := g.listener.Accept()
		if err != nil {
			return
		}
		g.mu.Lock()
		target := g.faults.Target
		g.mu.Unlock()
		b, err := net.Dial("tcp", target)
		if err != nil {
			c.Close()
			continue
		}
		g.mu.Lock()
		g.conns[c], g.conns[b] = true, true
		if g.closed || g.faults.Target == "" {
			g.reset()
		}
		g.mu.Unlock()
		g.wg.Go(func() { g.carry(b, c, &g.faults.Up) })
		g.wg.Go(func() { g.carry(c, b, &g.faults.Down) })
	}
}

func (g *Gate) carry(to, from net.Conn, w *Way) {
	defer func() {
		to.Close()
		from.Close()
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.conns, from)
		delete(g.conns, to)
		g.change.Broadcast()
	}()
	buffer := make([]byte, 16<<10)
	for {
		room := buffer
		if rate := g.pass(w, from); rate > 0 {
			room = buffer[:max(1, rate/20)]
			time.Sleep(50 * time.Millisecond)
		}
		n, err := from.Read(room)
		if err != nil {
			return
		}
		g.pass(w, from) // also what was under way
		if _, err := to.Write(room[:n]); err != nil {
			return
		}
	}
}

// pass waits while a way is stalled and its connection lasts.
func (g *Gate) pass(w *Way, from net.Conn) (rate int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for w.Stalled && !g.closed && g.conns[from] {
		g.change.Wait()
	}
	return w.Rate
}
