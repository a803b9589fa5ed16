package gnetdriver

import (
	"errors"
	"io"
	"net"
	"testing"
)

// newGatePair is a gate with the far end of its connection, and what tells of its end.
func newGatePair(t *testing.T) (g *gate, far *net.TCPConn, ended chan struct{}) {
	t.Helper()
	ln := listen(t)
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	near, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	ended = make(chan struct{})
	g = newGate(near, func() { close(ended) })
	g.opened()
	t.Cleanup(func() { g.Close(); c.Close() })
	return g, c.(*net.TCPConn), ended
}

// reading reads one byte at a time, as gnet does with a larger buffer, until there is an error.
func reading(g *gate) (got chan byte, failed chan error) {
	got, failed = make(chan byte, 1000), make(chan error, 1)
	go func() {
		for b := make([]byte, 1); ; {
			n, err := g.Read(b)
			if n > 0 {
				got <- b[0]
			}
			if err != nil {
				failed <- err
				return
			}
		}
	}()
	return got, failed
}

// TestGateHolds reads nothing while it is held, and goes on.
func TestGateHolds(t *testing.T) {
	g, far, _ := newGatePair(t)
	g.hold(true)
	got, failed := reading(g)
	if _, err := far.Write([]byte("ab")); err != nil {
		t.Fatal(err)
	}
	if !g.isHeld() || len(got) > 0 {
		t.Errorf("held: %v, %d bytes", g.isHeld(), len(got))
	}
	g.hold(false)
	if a, b := receive(t, got, "a byte"), receive(t, got, "another"); a != 'a' || b != 'b' || g.isHeld() {
		t.Errorf("bytes %c, %c, held: %v", a, b, g.isHeld())
	}
	g.hold(true)
	g.Close()
	if err := receive(t, failed, "the end"); err == nil {
		t.Error("no error")
	}
}

// TestGateWaitsForTheLoop has no more on the way than it should.
func TestGateWaitsForTheLoop(t *testing.T) {
	g, far, _ := newGatePair(t)
	g.seen(-gateBytes + 1) // as much but for a byte is on the way
	got, _ := reading(g)
	if _, err := far.Write([]byte("ab")); err != nil {
		t.Fatal(err)
	}
	if b := receive(t, got, "a byte"); b != 'a' || len(got) > 0 {
		t.Errorf("byte %c, %d more", b, len(got))
	}
	g.seen(1)
	if b := receive(t, got, "the next byte"); b != 'b' {
		t.Errorf("byte %c", b)
	}
}

// TestGateEnds tells of FIN when the bytes before have arrived, and Read waits for Close.
func TestGateEnds(t *testing.T) {
	g, far, ended := newGatePair(t)
	got, failed := reading(g)
	if _, err := far.Write([]byte("a")); err != nil {
		t.Fatal(err)
	}
	far.CloseWrite()
	receive(t, got, "a byte")
	select {
	case <-ended:
		t.Error("the end came before the byte was seen")
	default:
	}
	g.seen(1)
	receive(t, ended, "the end")
	if len(failed) > 0 {
		t.Error("Read returned, and gnet would close")
	}
	g.Close()
	if err := receive(t, failed, "Read"); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// TestGateClosedBeforeTheEndIsTold tells nothing of what comes after Close.
func TestGateClosedBeforeTheEndIsTold(t *testing.T) {
	g, far, ended := newGatePair(t)
	g.seen(-1)
	_, failed := reading(g)
	far.CloseWrite()
	g.Close()
	if err := receive(t, failed, "Read"); err == nil || errors.Is(err, io.EOF) {
		t.Error(err)
	}
	select {
	case <-ended:
		t.Error("the end was told")
	default:
	}
}

// TestGateEndsAfterOpen has the peer send FIN before the loop knows the connection.
func TestGateEndsAfterOpen(t *testing.T) {
	near, far := net.Pipe()
	ended := make(chan struct{})
	g := newGate(near, func() { close(ended) })
	defer g.Close()
	reading(g)
	far.Close()
	select {
	case <-ended:
		t.Error("the end came before the connection was open")
	default:
	}
	g.opened()
	receive(t, ended, "the end")
}
