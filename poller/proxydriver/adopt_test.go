//go:build linux || darwin || freebsd

package proxydriver_test

import (
	"errors"
	"net"
	"syscall"
	"testing"

	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/proxydriver"
)

// giver gives every connection up when bytes come, and is told of those that are adopted.
type giver struct {
	echoer
	given chan net.Conn
	taken chan taking
}

// taking is a call of Dialing.
type taking struct {
	tag any
	opening
}

func (h *giver) Data(t poller.Token, b []byte) int {
	conn, _, err := h.loop.(poller.Detacher).Detach(t)
	if err != nil {
		h.rig.t.Errorf("Detach: %v", err)
	}
	h.given <- conn
	return len(b)
}

func (h *giver) Dialing(t poller.Token, tag any) {
	addr, _ := h.loop.RemoteAddr(t)
	h.taken <- taking{tag, opening{h.loop, t, addr}}
}

// wrapped hides a connection as those of package net that wrap others do, but for its descriptor.
type wrapped struct{ net.Conn }

func (c wrapped) NetConn() net.Conn { return c.Conn }

func (c wrapped) SyscallConn() (syscall.RawConn, error) { return c.Conn.(syscall.Conn).SyscallConn() }

// What a header told goes with a connection that is given up, and comes back with it, wrapped or not.
func TestDetachAndAdopt(t *testing.T) {
	for _, test := range []struct {
		name, header, addr string
		kind               handshake.ProxyKind
	}{
		{"TCP4", string(version1(client, destination)), client.String(), handshake.ProxyTCP4},
		{"TCP6", string(version2(numbered(7), numbered(8))), numbered(7).String(), handshake.ProxyTCP6},
		{"Unknown", "PROXY UNKNOWN\r\n", "", handshake.ProxyUnknown},
		{"Local", string(version2Of(0x20, 0, nil)), "", handshake.ProxyLocal},
	} {
		t.Run(test.name, func(t *testing.T) {
			given, takings := make(chan net.Conn, 1), make(chan taking, 1)
			r := &rig{t: t, opened: make(chan opening, 10), closed: make(chan poller.Token, 10)}
			r.driver = wrapNative(t, 1, proxydriver.Options{Policy: policy(t, handshake.ProxyRequired, local...)})
			ln := listen(t)
			if err := r.driver.AddListener(ln); err != nil {
				t.Fatal(err)
			}
			served := make(chan error, 1)
			go func() {
				served <- r.driver.Serve(func(l poller.Loop) poller.Handler { return &giver{echoer{r, l}, given, takings} })
			}()
			defer func() {
				r.driver.Stop()
				receive(t, served, "Serve to return")
			}()
			c := dial(t, ln.Addr().String())
			if test.addr == "" {
				test.addr = c.LocalAddr().String()
			}
			send(t, c, []byte(test.header+"x"))
			for i := range 3 {
				conn := receive(t, given, "the connection")
				if got := conn.RemoteAddr().String(); got != test.addr {
					t.Errorf("the connection is from %v, want %v", got, test.addr)
				}
				receive(t, r.closed, "Closed")
				if i == 1 {
					conn = wrapped{wrapped{conn}}
				}
				if err := r.driver.Adopt(&poller.Adoption{Conn: conn, Tag: i}); err != nil {
					t.Fatal(err)
				}
				o := receive(t, takings, "Dialing")
				if o.tag != i || o.addr.String() != test.addr {
					t.Errorf("dialing %v from %v, want %v from %v", o.tag, o.addr, i, test.addr)
				}
				if kind, told := r.driver.Kind(o.loop.Index(), o.token); kind != test.kind || !told {
					t.Errorf("the kind is %v, %t", kind, told)
				}
				send(t, c, []byte("x"))
			}
			receive(t, given, "the connection").Close()
			receive(t, r.closed, "Closed")

			// One that nothing was told of has the address of its socket, though the slot is the same.
			front := listen(t)
			defer front.Close()
			other := dial(t, front.Addr().String())
			conn, err := front.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if err := r.driver.Adopt(&poller.Adoption{Conn: conn}); err != nil {
				t.Fatal(err)
			}
			o := receive(t, takings, "Dialing")
			if o.addr.String() != other.LocalAddr().String() {
				t.Errorf("dialing from %v", o.addr)
			}
			if kind, told := r.driver.Kind(o.loop.Index(), o.token); told {
				t.Errorf("the kind is %v", kind)
			}
		})
	}
}

// A driver over one that cannot give connections up, or take them, says so.
func TestAdoptUnsupported(t *testing.T) {
	inner := &plain{serving: func(poller.Handler) {}}
	d, err := proxydriver.Wrap(inner, proxydriver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Adopt(&poller.Adoption{}); !errors.Is(err, poller.ErrUnsupported) {
		t.Errorf("Adopt: %v", err)
	}
	_ = d.Serve(func(l poller.Loop) poller.Handler {
		if _, _, err := l.(poller.Detacher).Detach(1); !errors.Is(err, poller.ErrUnsupported) {
			t.Errorf("Detach: %v", err)
		}
		return &silent{}
	})
}
