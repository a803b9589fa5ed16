package nats

import (
	"net"
	"sync"
	"testing"
	"time"
)

// gate is a TCP proxy ahead of a broker, with faults. Its address stays when the broker moves.
type gate struct {
	listener net.Listener
	wg       sync.WaitGroup

	mu     sync.Mutex
	change sync.Cond
	target string // "" refuses
	up     way    // to the broker
	down   way
	conns  map[net.Conn]bool
	closed bool
}

// way is one direction.
type way struct {
	stalled bool
	rate    int // bytes a second; 0 for any
}

func newGate(t *testing.T, target string) *gate {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{listener: ln, target: target, conns: make(map[net.Conn]bool)}
	g.change.L = &g.mu
	g.wg.Go(g.accept)
	t.Cleanup(g.close)
	return g
}

func (g *gate) url() string { return "nats://" + g.listener.Addr().String() }

// set changes the faults, in force at once.
func (g *gate) set(change func(*gate)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change(g)
	g.change.Broadcast()
}

// cut resets all connections and refuses new ones until there is a target again.
func (g *gate) cut() {
	g.set(func(g *gate) {
		g.target = ""
		g.reset()
	})
}

func (g *gate) reset() {
	for c := range g.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		c.Close()
	}
}

func (g *gate) close() {
	g.listener.Close()
	g.set(func(g *gate) {
		g.closed = true
		g.reset()
	})
	g.wg.Wait()
}

func (g *gate) accept() {
	for {
		c, err := g.listener.Accept()
		if err != nil {
			return
		}
		g.mu.Lock()
		target := g.target
		g.mu.Unlock()
		b, err := net.Dial("tcp", target)
		if err != nil {
			c.Close()
			continue
		}
		g.set(func(g *gate) {
			g.conns[c], g.conns[b] = true, true
			if g.closed || g.target == "" {
				g.reset()
			}
		})
		g.wg.Go(func() { g.carry(b, c, &g.up) })
		g.wg.Go(func() { g.carry(c, b, &g.down) })
	}
}

func (g *gate) carry(to, from net.Conn, w *way) {
	defer func() {
		to.Close()
		from.Close()
		g.set(func(g *gate) {
			delete(g.conns, from)
			delete(g.conns, to)
		})
	}()
	buffer := make([]byte, 16<<10)
	for {
		g.mu.Lock()
		for w.stalled && !g.closed && g.conns[from] {
			g.change.Wait()
		}
		rate := w.rate
		g.mu.Unlock()
		room := buffer
		if rate > 0 {
			room = buffer[:max(1, rate/20)]
			time.Sleep(50 * time.Millisecond)
		}
		n, err := from.Read(room)
		if err == nil {
			g.mu.Lock()
			for w.stalled && !g.closed && g.conns[from] { // also what was under way
				g.change.Wait()
			}
			g.mu.Unlock()
			_, err = to.Write(room[:n])
		}
		if err != nil {
			return
		}
	}
}
