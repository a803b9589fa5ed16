package pollertest

import (
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"

	"github.com/wsloop/wsloop/poller"
)

func testRemoteAddr(t *testing.T, newDriver maker) {
	for _, test := range []struct{ name, network, address string }{
		{"IPv4", "tcp4", "127.0.0.1:0"},
		{"IPv6", "tcp6", "[::1]:0"},
		{"IPv4OnIPv6", "tcp", "[::]:0"},
		{"Unix", "unix", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			address := test.address
			if test.network == "unix" {
				address = filepath.Join(t.TempDir(), "s")
			} else if ln, err := net.Listen(test.network, address); err != nil {
				t.Skipf("this machine cannot listen on %s: %v", address, err)
			} else {
				ln.Close()
			}
			s := serveOn(t, newDriver, 1, behaviour{}, listen(t, test.network, address))
			client, c := s.open()
			var want netip.AddrPort
			if local, ok := client.LocalAddr().(*net.TCPAddr); ok {
				want = local.AddrPort()
				want = netip.AddrPortFrom(want.Addr().Unmap(), want.Port())
			}
			// This is not the loop's goroutine.
			if got, err := c.h.loop.RemoteAddr(c.token); err != nil || got != want {
				t.Errorf("RemoteAddr: %v, %v, want %v", got, err, want)
			}
			c.h.do(func() {
				if got, err := c.h.loop.RemoteAddr(c.token); err != nil || got != want {
					t.Errorf("RemoteAddr on the loop: %v, %v, want %v", got, err, want)
				}
				c.close(nil)
			})
			s.nextClosed()
			c.h.turns(1)
			if _, err := c.h.loop.RemoteAddr(c.token); !errors.Is(err, poller.ErrClosed) {
				t.Errorf("RemoteAddr after close: %v, want ErrClosed", err)
			}
		})
	}
}

// testRemoteAddrWhileClosing asks for addresses while descriptors change hands: an
// answer is the right one or an error.
func testRemoteAddrWhileClosing(t *testing.T, newDriver maker) {
	s := serve(t, newDriver, 2, behaviour{})
	var wg sync.WaitGroup
	for range 150 {
		client, c := s.open()
		want := client.LocalAddr().(*net.TCPAddr).AddrPort()
		wg.Go(func() {
			for {
				if _, err := c.h.loop.Socket(c.token); err != nil && !errors.Is(err, poller.ErrClosed) {
					t.Errorf("Socket: %v", err)
				}
				got, err := c.h.loop.RemoteAddr(c.token)
				if errors.Is(err, poller.ErrClosed) {
					return
				}
				if err == nil && got != want {
					t.Errorf("RemoteAddr: %v, want %v", got, want)
					return
				}
			}
		})
		c.h.do(func() { c.close(nil) })
	}
	wg.Wait()
}
