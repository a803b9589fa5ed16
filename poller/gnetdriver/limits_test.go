package gnetdriver

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/panjf2000/gnet/v2"
	errorx "github.com/panjf2000/gnet/v2/pkg/errors"

	"github.com/wsloop/wsloop/poller"
)

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

// TestClosedWithRest closes a paused connection that holds input. What it held is given back.
func TestClosedWithRest(t *testing.T) {
	var meter atomic.Int64
	r := newRig(t, listen(t))
	r.driver.SetMeter(&meter, 0)
	r.onData = func(t poller.Token, _ []byte) int {
		r.loop.Pause(t)
		return 0
	}
	r.serve()
	c, token := r.open()
	if _, err := c.Write(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	r.await("input to be kept", func() bool { return r.loop.Held(token) > 0 })
	if meter.Load() < 100 {
		t.Errorf("%d bytes are counted", meter.Load())
	}
	r.do(func() { r.loop.Close(token, nil) })
	receive(t, r.closed, "Closed")
	r.do(func() {
		r.loop.buffers.Empty() // that too which is kept for later
		if n := meter.Load(); n != 0 {
			t.Errorf("%d bytes are counted of no connection", n)
		}
	})
}
