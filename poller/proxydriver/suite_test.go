package proxydriver_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/pollertest"
	"github.com/wsloop/wsloop/poller/proxydriver"
)

// deadline bounds every wait. A working driver is far from it on a slow machine.
const deadline = 60 * time.Second

// local are the addresses from which tests connect.
var local = []string{"127.0.0.0/8", "::1"}

// What the headers of tests tell.
var (
	client      = netip.MustParseAddrPort("203.0.113.7:4711")
	destination = netip.MustParseAddrPort("198.51.100.1:443")
)

func policy(t testing.TB, mode handshake.ProxyMode, trusted ...string) handshake.ProxyPolicy {
	t.Helper()
	set, err := handshake.ParseTrustedProxies(trusted...)
	if err != nil {
		t.Fatal(err)
	}
	return handshake.ProxyPolicy{Mode: mode, Trusted: set}
}

// wrapNative makes a driver over the native one, and checks at the end that nothing is left of its connections.
func wrapNative(t testing.TB, loops int, o proxydriver.Options) *proxydriver.Driver {
	t.Helper()
	native, err := poller.NewNative(poller.Options{Loops: loops})
	if err != nil {
		t.Fatal(err)
	}
	d, err := proxydriver.Wrap(native, o)
	if err != nil {
		t.Fatal(err)
	}
	meter := new(atomic.Int64)
	d.SetMeter(meter, 0)
	t.Cleanup(func() {
		if n := meter.Load(); n != 0 {
			t.Errorf("the meter says %d at the end, want 0", n)
		}
		if n := d.Stats().Waiting.Load(); n != 0 {
			t.Errorf("%d connections wait at the end", n)
		}
	})
	return d
}

// TestPromises holds the driver to the suite over the native driver: without headers, and with those of both versions. The headers tell
// the addresses of the sockets, which is what the suite expects.
func TestPromises(t *testing.T) {
	for _, test := range []struct {
		name   string
		policy handshake.ProxyPolicy
		header func(source, destination netip.AddrPort) []byte
	}{
		{"Off", handshake.ProxyPolicy{}, nil},
		{"Untrusted", policy(t, handshake.ProxyFromTrusted, "192.0.2.0/24"), nil},
		{"Version1", policy(t, handshake.ProxyFromTrusted, local...), version1},
		{"Version2", policy(t, handshake.ProxyFromTrusted, local...), version2},
	} {
		t.Run(test.name, func(t *testing.T) {
			var transport pollertest.Transport
			if test.header != nil {
				transport.Client = (&opener{header: test.header, opened: map[poller.ListenerDriver]uint64{}}).open
			}
			pollertest.RunOver(t, transport, func(t testing.TB, loops int) poller.ListenerDriver {
				return wrapNative(t, loops, proxydriver.Options{Policy: test.policy})
			})
		})
	}
}

// opener sends headers and waits until the driver has opened their connections.
type opener struct {
	header func(source, destination netip.AddrPort) []byte
	mu     sync.Mutex
	opened map[poller.ListenerDriver]uint64
}

func (o *opener) open(t testing.TB, d poller.ListenerDriver, socket net.Conn) net.Conn {
	t.Helper()
	if socket.LocalAddr().Network() == "unix" {
		return socket // no policy trusts it
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, err := socket.Write(o.header(addrOf(socket.LocalAddr()), addrOf(socket.RemoteAddr()))); err != nil {
		t.Fatal(err)
	}
	o.opened[d]++
	stats := d.(*proxydriver.Driver).Stats()
	await(t, "the driver to read a header", func() bool { return stats.Headers.Load() >= o.opened[d] })
	return socket
}

func addrOf(a net.Addr) netip.AddrPort {
	addr := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
}

// version1 is a header for addresses of one family.
func version1(source, destination netip.AddrPort) []byte {
	family := "TCP6"
	if source.Addr().Is4() {
		family = "TCP4"
	}
	return fmt.Appendf(nil, "PROXY %s %v %v %d %d\r\n", family, source.Addr(), destination.Addr(), source.Port(), destination.Port())
}

func version2(source, destination netip.AddrPort) []byte {
	return version2With(source, destination, nil)
}

// version2With is one with TLVs.
func version2With(source, destination netip.AddrPort, tlvs []byte) []byte {
	family := byte(0x21)
	if source.Addr().Is4() {
		family = 0x11
	}
	block := append(source.Addr().AsSlice(), destination.Addr().AsSlice()...)
	block = binary.BigEndian.AppendUint16(block, source.Port())
	block = binary.BigEndian.AppendUint16(block, destination.Port())
	return version2Of(0x21, family, append(block, tlvs...))
}

// version2Of is one of any kind.
func version2Of(command, family byte, block []byte) []byte {
	b := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), command, family)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(block))), block...)
}

// await polls for something that another goroutine or the kernel brings about.
func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for start := time.Now(); !done(); runtime.Gosched() {
		if time.Since(start) > deadline {
			t.Fatalf("gave up waiting for %s", what)
		}
	}
}

// counts are the counters that are not 0.
func counts(s *proxydriver.Stats) string {
	text := ""
	for _, c := range []struct {
		name string
		n    uint64
	}{
		{"headers", s.Headers.Load()},
		{"not-admitted", s.NotAdmitted.Load()},
		{"timed-out", s.TimedOut.Load()},
		{"gone", s.Gone.Load()},
		{"missing", s.Missing.Load()},
		{"malformed", s.Malformed.Load()},
		{"unsupported", s.Unsupported.Load()},
		{"too-large", s.TooLarge.Load()},
		{"waiting", uint64(s.Waiting.Load())},
	} {
		if c.n != 0 {
			text += fmt.Sprintf(" %s=%d", c.name, c.n)
		}
	}
	if text == "" {
		return text
	}
	return text[1:]
}
