package gnetdriver

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/panjf2000/gnet/v2"
	errorx "github.com/panjf2000/gnet/v2/pkg/errors"

	"github.com/wsloop/wsloop/poller"
)

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

// TestLoopEnds has gnet end the loop. Serve says so, and every connection is closed: one that gnet knows, and one that
// it has forgotten.
func TestLoopEnds(t *testing.T) {
	r := newRig(t, listen(t)).serve()
	_, _ = r.open()
	c, token := r.open()
	r.do(func() { r.loop.Pause(token) })
	if _, err := c.Write(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	r.await("gnet to forget the connection", func() bool { return r.loop.lookup(token).isHeld() })
	end := gnet.RunnableFunc(func(context.Context) error { return errorx.ErrEngineShutdown })
	if err := r.loop.gnet.Execute(t.Context(), end); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := receive(t, r.closed, "Closed"); err == nil {
			t.Error("Closed without an error")
		}
	}
	if err := receive(t, r.served, "Serve"); !errors.Is(err, errLoopEnded) {
		t.Errorf("Serve: %v", err)
	}
	if n := r.loop.count.Load(); n != 0 {
		t.Errorf("%d connections are left", n)
	}
	r.served <- nil // for the end of the test
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

func TestTooManyLoops(t *testing.T) {
	if _, err := New(Options{Loops: maxLoops + 1}); err == nil || !strings.Contains(err.Error(), "257 loops") {
		t.Errorf("New: %v", err)
	}
}

func TestServeTwice(t *testing.T) {
	r := newRig(t, listen(t)).serve()
	r.open()
	if err := r.driver.Serve(nil); !errors.Is(err, errServedBefore) {
		t.Errorf("Serve: %v", err)
	}
	unserved := newRig(t, listen(t)).driver
	unserved.Stop()
	if err := unserved.Serve(nil); !errors.Is(err, errServedBefore) {
		t.Errorf("Serve after Stop: %v", err)
	}
}

// TestLogger passes errors on, and nothing else.
func TestLogger(t *testing.T) {
	var out bytes.Buffer
	l := logger{slog.New(slog.NewTextHandler(&out, nil))}
	l.Debugf("a %d", 1)
	l.Infof("b %d", 2)
	l.Warnf("c %d", 3)
	l.Errorf("d %d", 4)
	l.Fatalf("e %d", 5)
	if s := out.String(); strings.Count(s, "\n") != 2 || !strings.Contains(s, "gnet: d 4") || !strings.Contains(s, "gnet: e 5") {
		t.Errorf("logged %q", s)
	}
	logger{}.Errorf("nobody hears this")
}

// TestGenerationsGoRound raises a generation beyond the last, past 0, which names no connection.
func TestGenerationsGoRound(t *testing.T) {
	r := newRig(t, listen(t)).serve()
	_, token := r.open()
	r.do(func() {
		r.loop.slots.At(token.Slot()).generation = 1<<32 - 1
		r.loop.Close(token, nil)
	})
	receive(t, r.closed, "Closed")
	if _, next := r.open(); next != poller.MakeToken(token.Slot(), 1) {
		t.Errorf("token %#x", uint64(next))
	}
}
