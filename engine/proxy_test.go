package engine

import (
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// A fate is what a network does to a connection.
type fate struct {
	seed  uint64
	piece int           // bytes travel in pieces of random lengths up to this
	delay time.Duration // each waits at random up to this
	after int           // so many bytes reach the server, and the connection ends; below 0 it does not
	reset bool          // it ends by RST towards both, not by FIN
}

// A proxy is the network between clients and a server.
type proxy struct {
	t      testing.TB
	server string
	ln     net.Listener
	wg     sync.WaitGroup
}

// newProxy makes one that must have nothing left to do when the test ends.
func newProxy(t testing.TB, server string) *proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, server: server, ln: ln}
	t.Cleanup(func() {
		ln.Close()
		p.wg.Wait()
	})
	return p
}

// dial connects to the server through the proxy. It is not called concurrently.
func (p *proxy) dial(f fate) net.Conn {
	p.t.Helper()
	outer, err := net.Dial("tcp", p.ln.Addr().String())
	if err != nil {
		p.t.Fatal(err)
	}
	near, err := p.ln.Accept()
	if err != nil {
		p.t.Fatal(err)
	}
	far, err := net.Dial("tcp", p.server)
	if err != nil {
		p.t.Fatal(err)
	}
	p.wg.Go(func() { f.carry(near.(*net.TCPConn), far.(*net.TCPConn)) })
	return outer
}

// carry moves bytes both ways until the connection ends, by its ends or by fate.
func (f fate) carry(near, far *net.TCPConn) {
	var wg sync.WaitGroup
	wg.Go(func() {
		if f.move(far, near, f.seed, f.after) {
			if f.reset {
				near.SetLinger(0)
				far.SetLinger(0)
			}
			near.Close()
			far.Close()
		}
	})
	wg.Go(func() { f.move(near, far, ^f.seed, -1) })
	wg.Wait()
	near.Close()
	far.Close()
}

// move moves bytes one way, and says whether it came to the fateful one.
func (f fate) move(to, from *net.TCPConn, seed uint64, after int) (fateful bool) {
	random := rand.New(rand.NewPCG(seed, 0))
	b := make([]byte, f.piece)
	for after != 0 {
		piece := b[:1+random.IntN(f.piece)]
		if after > 0 {
			piece = piece[:min(len(piece), after)]
		}
		n, err := from.Read(piece)
		if f.delay > 0 {
			time.Sleep(time.Duration(random.Int64N(int64(f.delay))))
		}
		if _, failed := to.Write(piece[:n]); failed != nil {
			// Whoever still sends is to hear that nobody listens.
			from.Close()
			return false
		}
		if err != nil {
			to.CloseWrite()
			return false
		}
		after -= n
	}
	return true
}
