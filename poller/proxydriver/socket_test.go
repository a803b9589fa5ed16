package proxydriver_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsloop/wsloop/engine"
	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/proxydriver"
)

// numbered is an address all of whose parts tell the number.
func numbered(n uint32) netip.AddrPort {
	var b [16]byte
	for i := 0; i < len(b); i += 4 {
		binary.BigEndian.PutUint32(b[i:], n)
	}
	b[0] = 0x20
	return netip.AddrPortFrom(netip.AddrFrom16(b), uint16(n))
}

// Any goroutine may ask for the address of any token while slots change hands: it is the right one, or an error once the
// connection is gone, and never that of the proxy.
func TestRemoteAddrFromManyGoroutines(t *testing.T) {
	const connections = 300
	r := newRig(t, 1, proxydriver.Options{Policy: policy(t, handshake.ProxyRequired, local...)})
	type told struct {
		opening
		over atomic.Bool // Closed was called
	}
	var mu sync.Mutex
	var all []*told
	var next, right atomic.Uint64
	stop := readers(2, func() {
		n := next.Add(1)
		mu.Lock()
		if len(all) == 0 {
			mu.Unlock()
			return
		}
		// The last few are those whose slots are about to change hands.
		o := all[len(all)-1-int(n%uint64(min(len(all), 4)))]
		mu.Unlock()
		got, err := o.loop.RemoteAddr(o.token)
		switch {
		case err == nil && got == o.addr:
			right.Add(1)
		case err == nil:
			t.Errorf("the address is %v, want %v", got, o.addr)
		case !errors.Is(err, poller.ErrClosed) || !o.over.Load():
			// over is set below by whoever asks the connection to end, before it does.
			t.Errorf("the address of %v: %v", o.addr, err)
		}
	})
	defer stop()
	for i := range uint32(connections) {
		want := numbered(i)
		c := dial(t, r.addr)
		send(t, c, version2(want, numbered(0)))
		o := &told{opening: receive(t, r.opened, "Open")}
		if o.addr != want {
			t.Fatalf("opened with %v, want %v", o.addr, want)
		}
		mu.Lock()
		all = append(all, o)
		mu.Unlock()
		o.over.Store(true)
		c.Close()
		receive(t, r.closed, "Closed")
		await(t, "the token to be stale", func() bool {
			_, err := o.loop.RemoteAddr(o.token)
			return errors.Is(err, poller.ErrClosed)
		})
	}
	await(t, "the others to see some addresses", func() bool { return right.Load() > 0 || next.Load() > 1e6 })
}

// Many connections at once send headers in pieces, and speak.
func TestManyAtOnce(t *testing.T) {
	const clients, each = 8, 60
	r := newRig(t, 2, proxydriver.Options{Policy: policy(t, handshake.ProxyRequired, local...)})
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			for j := range each {
				n := uint32(i*each + j)
				c, err := net.Dial("tcp", r.addr)
				if err != nil {
					t.Error(err)
					return
				}
				_ = c.SetDeadline(time.Now().Add(deadline))
				message := bytes.Repeat([]byte{byte(n)}, 1000)
				stream := append(version2(numbered(n), numbered(0)), message...)
				for len(stream) > 0 {
					k := min(len(stream), 1+(j*13)%70)
					if _, err := c.Write(stream[:k]); err != nil {
						t.Error(err)
					}
					stream = stream[k:]
				}
				expect(t, c, message)
				c.Close()
			}
		})
	}
	all.Wait()
	seen := map[netip.AddrPort]bool{}
	for range clients * each {
		seen[receive(t, r.opened, "Open").addr] = true
		receive(t, r.closed, "Closed")
	}
	for n := range uint32(clients * each) {
		if !seen[numbered(n)] {
			t.Errorf("nothing was opened for %v", numbered(n))
		}
	}
	if got, want := counts(r.driver.Stats()), fmt.Sprintf("headers=%d", clients*each); got != want {
		t.Errorf("counted %q, want %q", got, want)
	}
}

// W80 where headers are expected: whatever else comes is closed without an answer.
func TestAttacksW80(t *testing.T) {
	large := version2With(client, destination, append([]byte{0xee, 0xff, 0xf0}, make([]byte, 0xfff0-12)...))
	for _, test := range []struct {
		name string
		in   []byte
		fin  bool
		want string
	}{
		{"TLVsOf64KiB", large, false, "too-large=1"},
		{"LengthOf64KiBAlone", large[:16], false, "too-large=1"},
		{"Truncated1", version1(client, destination)[:20], true, "gone=1"},
		{"Truncated2", version2(client, destination)[:20], true, "gone=1"},
		{"TruncatedSignature", version2(client, destination)[:5], true, "gone=1"},
		{"Nothing", nil, true, "gone=1"},
		{"EndlessLine", append([]byte("PROXY UNKNOWN "), bytes.Repeat([]byte("x"), 1<<16)...), false, "too-large=1"},
		{"Request", []byte("GET / HTTP/1.1\r\n\r\n"), false, "missing=1"},
		{"TLVBeyondTheHeader", version2With(client, destination, []byte{0xee, 0xff, 0xff, 0}), false, "malformed=1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, 1, proxydriver.Options{Policy: policy(t, handshake.ProxyFromTrusted, local...)})
			c := dial(t, r.addr)
			_, _ = c.Write(test.in) // it may be reset before it is all written
			if test.fin {
				if err := c.(*net.TCPConn).CloseWrite(); err != nil {
					t.Fatal(err)
				}
			}
			expectEnd(t, c)
			await(t, "the counter", func() bool { return counts(r.driver.Stats()) == test.want })
			// The next connection finds the driver as ever.
			c = dial(t, r.addr)
			send(t, c, append(version1(client, destination), "hello"...))
			expect(t, c, []byte("hello"))
			if o := receive(t, r.opened, "Open"); o.addr != client || len(r.opened) != 0 {
				t.Errorf("opened with %v, and %d more", o.addr, len(r.opened))
			}
		})
	}
}

// W80 where none is expected: a header is a malformed request, and the address stays that of the socket.
func TestHeaderNotExpectedW80(t *testing.T) {
	for name, o := range map[string]proxydriver.Options{
		"Off":       {},
		"Untrusted": {Policy: policy(t, handshake.ProxyFromTrusted, "192.0.2.0/24")},
	} {
		for version, head := range map[string][]byte{"1": version1(client, destination), "2": version2(client, destination)} {
			t.Run(name+version, func(t *testing.T) {
				response := request(t, o, append(bytes.Clone(head), upgrade...))
				if !strings.HasPrefix(response, "HTTP/1.1 400 ") {
					t.Errorf("answered with %q, want 400", response)
				}
			})
		}
	}
	t.Run("NotAdmitted", func(t *testing.T) {
		o := proxydriver.Options{Policy: policy(t, handshake.ProxyRequired, "192.0.2.0/24")}
		if response := request(t, o, append(version1(client, destination), upgrade...)); response != "" {
			t.Errorf("answered with %q", response)
		}
	})
	t.Run("Expected", func(t *testing.T) {
		o := proxydriver.Options{Policy: policy(t, handshake.ProxyRequired, local...)}
		if response := request(t, o, append(version1(client, destination), upgrade...)); !strings.HasPrefix(response, "HTTP/1.1 101 ") {
			t.Errorf("answered with %q, want 101", response)
		}
	})
}

const upgrade = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

// request sends bytes to a server of package engine over the driver. It returns what comes first.
func request(t *testing.T, o proxydriver.Options, b []byte) string {
	t.Helper()
	ln := listen(t)
	driver := wrapNative(t, 1, o)
	if err := driver.AddListener(ln); err != nil {
		t.Fatal(err)
	}
	server := &engine.Server{Events: engine.Events{Open: func(c engine.Conn) {
		if got := c.RemoteAddr(); got != client {
			t.Errorf("the connection is from %v, want %v", got, client)
		}
	}}}
	served := make(chan error, 1)
	go func() { served <- server.ServeDriver(driver) }()
	defer func() {
		server.Close()
		receive(t, served, "ServeDriver to return")
	}()
	c := dial(t, ln.Addr().String())
	_, _ = c.Write(b)
	response := make([]byte, 4096)
	n, _ := c.Read(response)
	return string(response[:n])
}
