//go:build unix && !gnetgate

package gnetdriver

import (
	"bytes"
	"errors"
	"net"
	"testing"

	"github.com/wsloop/wsloop/poller"
)

var errRig = errors.New("closed by the test")

// TestPausedIsNotRead has a peer send much to a paused connection. What the driver holds is bounded, the peer has
// to wait, and all of it comes in the end.
func TestPausedIsNotRead(t *testing.T) {
	const most = 2 * readBytes // with the room that a pooled buffer has
	stream := bytes.Repeat([]byte("0123456789abcdef"), 4<<20)
	r := newRig(t, listen(t))
	got := 0
	r.onData = func(t poller.Token, b []byte) int {
		for i := range b {
			if b[i] != stream[got+i] {
				r.t.Errorf("wrong byte at %d", got+i)
				break
			}
		}
		got += len(b)
		if got < 20*readBytes {
			r.loop.Pause(t)
		}
		return len(b)
	}
	r.onEOF = func(t poller.Token) { r.loop.Close(t, errRig) }
	r.serve()
	c, token := r.open()
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(stream)
		c.CloseWrite()
		sent <- err
	}()
	for before := 0; before < 20*readBytes; {
		r.await("Data", func() bool { return got > before })
		for range 20 {
			r.do(func() {
				if n := r.loop.Held(token); n > most {
					t.Errorf("%d bytes are held", n)
				}
			})
		}
		if len(sent) > 0 {
			t.Fatal("the peer could send everything to a paused connection")
		}
		r.do(func() { before = got; r.loop.Resume(token) })
	}
	if err := receive(t, r.closed, "Closed"); !errors.Is(err, errRig) || got != len(stream) {
		t.Errorf("%d of %d bytes came, then %v", got, len(stream), err)
	}
	if err := receive(t, sent, "the client to send"); err != nil {
		t.Error(err)
	}
}

// TestResetOfHeld has the peer reset a connection that gnet has forgotten. Resume shows it.
func TestResetOfHeld(t *testing.T) {
	r := newRig(t, listen(t)).serve()
	c, token := r.open()
	r.do(func() { r.loop.Pause(token) })
	if _, err := c.Write(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	r.await("gnet to forget the connection", func() bool { return r.loop.lookup(token).isHeld() })
	_ = c.SetLinger(0)
	c.Close()
	r.do(func() { r.loop.Resume(token) })
	if err := receive(t, r.closed, "Closed"); err == nil {
		t.Error("Closed without an error")
	}
}

// TestResetAfterEOF has the peer send FIN, and then RST: who writes hears of it.
func TestResetAfterEOF(t *testing.T) {
	r := newRig(t, listen(t))
	ended := make(chan struct{})
	r.onEOF = func(poller.Token) { close(ended) }
	r.serve()
	c, token := r.open()
	c.CloseWrite()
	receive(t, ended, "EOF")
	_ = c.SetLinger(0)
	c.Close()
	r.await("a write to fail", func() bool { return r.loop.Write(token, []byte("x")) != nil })
	if err := receive(t, r.closed, "Closed"); err == nil {
		t.Error("Closed without an error")
	}
}

// TestClosedOnItsWayBack closes a connection that gnet is about to take again.
func TestClosedOnItsWayBack(t *testing.T) {
	r := newRig(t, listen(t)).serve()
	for range 50 {
		c, token := r.open()
		r.do(func() { r.loop.Pause(token) })
		if _, err := c.Write(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		r.await("gnet to forget the connection", func() bool { return r.loop.lookup(token).isHeld() })
		r.do(func() { r.loop.Resume(token) })
		r.await("gnet to be asked", func() bool {
			c := r.loop.lookup(token)
			if !c.enrolling && c.isHeld() {
				return false
			}
			r.loop.Close(token, errRig)
			return true
		})
		if err := receive(t, r.closed, "Closed"); !errors.Is(err, errRig) {
			t.Error(err)
		}
		if n, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("%d bytes", n)
		}
	}
}

// A foreign listener gives connections that gnet cannot take.
type foreign struct{ net.Listener }

func (f foreign) Accept() (net.Conn, error) {
	c, err := f.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return struct{ net.Conn }{c}, nil
}

// TestForeignListener closes what it accepts, and counts that.
func TestForeignListener(t *testing.T) {
	r := newRig(t, foreign{listen(t)}).serve()
	if n, err := r.dial().Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	r.await("the count", func() bool { return r.driver.Stats().AcceptErrors.Load() == 1 && r.loop.count.Load() == 0 })
	if n := r.driver.Stats().Accepted.Load(); n != 1 {
		t.Errorf("%d were accepted", n)
	}
}

// TestNotTakenBack has gnet fail to take a connection again.
func TestNotTakenBack(t *testing.T) {
	r := newRig(t, listen(t)).serve()
	_, token := r.open()
	r.do(func() {
		c := r.loop.lookup(token)
		c.enrolling, c.attempt = true, 7
		r.loop.enrolled(c, 6, errRig) // an attempt of the past
		r.loop.enrolled(c, 7, nil)
	})
	if err := receive(t, r.closed, "Closed"); !errors.Is(err, errNotTaken) {
		t.Errorf("Closed with %v", err)
	}
}

// TestWritevToReset writes to a connection that the peer resets, before gnet can tell.
func TestWritevToReset(t *testing.T) {
	r := newRig(t, listen(t)).serve()
	c, token := r.open()
	r.do(func() {
		_ = c.SetLinger(0)
		c.Close()
		for r.loop.lookup(token) != nil {
			_ = r.loop.Writev(token, [][]byte{[]byte("a"), nil, []byte("b")})
		}
	})
	if err := receive(t, r.closed, "Closed"); err == nil {
		t.Error("Closed without an error")
	}
}
