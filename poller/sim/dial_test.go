//go:build linux || darwin || freebsd

package sim

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/wsloop/wsloop/poller"
)

// TestDial has the driver dial peers by address and by path. Until a script answers for them there are none.
func TestDial(t *testing.T) {
	r := quiet(t)
	r.lossy = true // for the refusal
	r.serve(Options{Seed: 15}, func(w *World) {
		w.OnDial(nil)
		r.call(false)
		w.Settle()
		if c := r.clients[0]; c.Peer != nil || !c.conn.over {
			t.Error("a dial that nobody answers was not refused")
		}
		w.OnDial(r.reached)
		r.call(true)
		c := r.clients[1]
		if c.Peer != nil {
			t.Error("there is a peer before the request went anywhere")
		}
		w.Settle()
		c.healthy = true
		if c.Addr() != netip.MustParseAddrPort("192.0.2.1:80") || c.Source() != netip.MustParseAddrPort("10.255.0.1:0") || c.Path() != "" {
			t.Errorf("dialed %v and %q from %v", c.Addr(), c.Path(), c.Source())
		}
		if addr, err := r.handlers[0].loop.RemoteAddr(c.conn.token); err != nil || addr != c.Addr() {
			t.Errorf("RemoteAddr: %v, %v", addr, err)
		}
		r.dialed++
		r.clients = append(r.clients, &client{})
		if err := w.Driver().Dial(&poller.Dial{Path: "/run/s", Tag: r.clients[2]}); err != nil {
			t.Fatal(err)
		}
		w.Settle()
		if c := r.clients[2]; c.Peer == nil || c.Path() != "/run/s" || c.Addr().IsValid() {
			t.Error("the path is not known")
		}
	})
}

// TestDialGivenUp closes a connection while its request waits: the peer never hears of it.
func TestDialGivenUp(t *testing.T) {
	r := quiet(t)
	r.serve(Options{Seed: 16, Faults: Faults{DialDelay: 1}}, func(w *World) {
		r.call(false)
		w.Settle()
		c := r.clients[0]
		h := r.handlers[0]
		if c.conn == nil || !c.conn.connecting {
			t.Fatal("it does not connect")
		}
		if _, err := h.loop.RemoteAddr(c.conn.token); err != syscall.ENOTCONN {
			t.Errorf("RemoteAddr: %v, want ENOTCONN", err)
		}
		h.close(c.conn, errTest)
		w.Advance(time.Minute)
		if c.Peer != nil || !c.conn.over {
			t.Error("it went on")
		}
	})
}

// TestDialWhileStopping dials before the driver stops and after.
func TestDialWhileStopping(t *testing.T) {
	r := quiet(t)
	r.serve(Options{Seed: 17}, func(w *World) {
		r.call(false)
		w.Stop()
		if err := w.Driver().Dial(&poller.Dial{Path: "/run/s"}); !errors.Is(err, poller.ErrStopped) {
			t.Errorf("Dial after Stop: %v", err)
		}
	})
	if r.dialings != 1 || !r.clients[0].conn.over || r.clients[0].Peer != nil {
		t.Errorf("Dialing came %d times", r.dialings)
	}
}

// TestDialToItself dials the very address that it dials from.
func TestDialToItself(t *testing.T) {
	r := quiet(t)
	r.serve(Options{Seed: 18}, func(w *World) {
		if err := w.Driver().Dial(&poller.Dial{Addr: dialSource}); err != syscall.ECONNREFUSED {
			t.Errorf("Dial: %v, want ECONNREFUSED", err)
		}
		r.clients = append(r.clients, &client{})
	})
}
