//go:build unix

package proxydriver_test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/proxydriver"
)

// TestHAProxy has connections relayed by HAProxy itself: each is opened with its client's address.
func TestHAProxy(t *testing.T) {
	path := findHAProxy(t)
	for _, test := range []struct {
		name, options string
		version       int
	}{
		{"Version1", "send-proxy", 1},
		{"Version2", "send-proxy-v2", 2},
		{"Version2WithTLVs", "send-proxy-v2 proxy-v2-options crc32c,unique-id", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			var mu sync.Mutex
			versions := map[int]bool{}
			r := newRig(t, 2, proxydriver.Options{
				Policy: policy(t, handshake.ProxyRequired, local...),
				Header: func(_ int, _ poller.Token, h *handshake.ProxyHeader) {
					mu.Lock()
					defer mu.Unlock()
					versions[h.Version()] = true
				},
			})
			for _, front := range startHAProxy(t, path, r.addr, test.options) {
				for i := range 20 {
					c := dial(t, front)
					message := bytes.Repeat([]byte{byte(i)}, 10_000)
					send(t, c, message)
					expect(t, c, message)
					o := receive(t, r.opened, "Open")
					if want := addrOf(c.LocalAddr()); o.addr != want {
						t.Errorf("opened with %v, want %v", o.addr, want)
					}
					kind, _ := r.driver.Kind(o.loop.Index(), o.token)
					if want := kindOf(o.addr); kind != want {
						t.Errorf("the header is %v, want %v", kind, want)
					}
					c.Close()
					receive(t, r.closed, "Closed")
				}
			}
			if !versions[test.version] || len(versions) != 1 {
				t.Errorf("headers of versions %v", versions)
			}
		})
	}
}

// TestHAProxyHealthChecks has HAProxy look whether the server lives: a connection of its own, with its own address.
func TestHAProxyHealthChecks(t *testing.T) {
	path := findHAProxy(t)
	checks := make(chan handshake.ProxyKind, 1000)
	r := newRig(t, 1, proxydriver.Options{
		Policy: policy(t, handshake.ProxyRequired, local...),
		Header: func(_ int, _ poller.Token, h *handshake.ProxyHeader) { checks <- h.Kind() },
	})
	startHAProxy(t, path, r.addr, "send-proxy-v2 check check-send-proxy inter 100")
	for range 2 {
		if kind := receive(t, checks, "a health check"); kind != handshake.ProxyLocal {
			t.Errorf("the header is %v, want local", kind)
		}
		// A check ends with RST, and a socket that was reset has no address any more.
		if o := receive(t, r.opened, "Open"); o.addr.IsValid() && !o.addr.Addr().IsLoopback() {
			t.Errorf("opened with %v", o.addr)
		}
		receive(t, r.closed, "Closed")
	}
}

func kindOf(addr netip.AddrPort) handshake.ProxyKind {
	if addr.Addr().Is4() {
		return handshake.ProxyTCP4
	}
	return handshake.ProxyTCP6
}

func findHAProxy(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"haproxy", "/usr/sbin/haproxy", "/usr/local/sbin/haproxy"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("haproxy is not installed; on Debian: apt-get install haproxy")
	panic("unreachable")
}

// startHAProxy relays to a server from listeners that it inherits, so that their ports are anybody's choice. It returns their addresses, of IPv4 and,
// where there is one, IPv6.
func startHAProxy(t *testing.T, path, server, options string) (fronts []string) {
	t.Helper()
	config := "global\n\tmaxconn 100\ndefaults\n\tmode tcp\n\ttimeout connect 60s\n\ttimeout client 60s\n\ttimeout server 60s\n" +
		"\tunique-id-format %pid-%rt\nlisten all\n"
	var inherited []*os.File
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		defer ln.Close()
		f, err := ln.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		config += fmt.Sprintf("\tbind fd@%d\n", 3+len(inherited))
		inherited = append(inherited, f)
		fronts = append(fronts, ln.Addr().String())
	}
	config += "\tserver one " + server + " " + options + "\n"
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var output bytes.Buffer
	cmd := exec.Command(path, "-db", "-f", file)
	cmd.ExtraFiles, cmd.Stdout, cmd.Stderr = inherited, &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("haproxy with\n%ssaid\n%s", config, output.String())
		}
	})
	return fronts
}
