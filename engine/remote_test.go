package engine

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/proxydriver"
	"github.com/wsloop/wsloop/poller/tlsdriver"
)

func trusting(t testing.TB, proxies ...string) handshake.TrustedProxies {
	t.Helper()
	set, err := handshake.ParseTrustedProxies(proxies...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// forwarding believes 127.0.0.1, from where tests connect unless they say otherwise.
func forwarding(t testing.TB) handshake.Forwarding {
	t.Helper()
	return handshake.Forwarding{Trusted: trusting(t, "127.0.0.1", "10.0.0.0/8")}
}

// remoteText is what Remote tells; what tests cannot know, the port of the socket's peer, is a P.
func remoteText(c Conn) string {
	addr, source := c.Remote()
	if addr != c.RemoteAddr() {
		return fmt.Sprintf("%v, but RemoteAddr is %v", addr, c.RemoteAddr())
	}
	if addr.Addr().IsLoopback() {
		return fmt.Sprintf("%v %v:P", source, addr.Addr())
	}
	return fmt.Sprintf("%v %v", source, addr)
}

// watchRemote sends what Remote tells in each callback of a connection.
func watchRemote(e *Events) <-chan string {
	told := make(chan string, 100)
	e.Upgrade = func(c Conn, _ *handshake.Request, _ *handshake.Response) { told <- "upgrade " + remoteText(c) }
	e.Open = func(c Conn) { told <- "open " + remoteText(c) }
	e.Message = func(c Conn, _ codec.Opcode, _ []byte) { told <- "message " + remoteText(c) }
	e.Close = func(c Conn, _ Closure) { told <- "close " + remoteText(c) }
	return told
}

// The client that a trusted proxy names is the connection's in every callback; anybody else's word is not taken.
func TestRemoteForwarded(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{0, 2} {
		for _, test := range []struct{ from, fields, want string }{
			{"127.0.0.1", "X-Forwarded-For: 192.0.2.7\r\n", "forwarded 192.0.2.7:0"},
			{"127.0.0.1", "X-Forwarded-For: 198.51.100.1, 192.0.2.7:4711\r\n", "forwarded 192.0.2.7:4711"},
			{"127.0.0.1", "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 192.0.2.7, 10.0.0.1\r\n", "forwarded 192.0.2.7:0"},
			{"127.0.0.1", "X-Forwarded-For: [2001:db8::7]:65535\r\n", "forwarded [2001:db8::7]:65535"},
			{"127.0.0.1", "X-Forwarded-For: unknown, 10.0.0.1\r\n", "hidden 10.0.0.1:0"},
			{"127.0.0.1", "X-Forwarded-For: unknown\r\n", "hidden 127.0.0.1:P"},
			{"127.0.0.1", "", "peer 127.0.0.1:P"},
			{"127.0.0.1", "Forwarded: for=192.0.2.7\r\n", "peer 127.0.0.1:P"},
			{"127.0.9.1", "X-Forwarded-For: 192.0.2.7\r\n", "peer 127.0.9.1:P"},
		} {
			s := &Server{Forwarding: forwarding(t), Workers: workers}
			told := watchRemote(&s.Events)
			r := serve(t, s)
			c := r.dialFrom(test.from)
			c.write(head("/", test.fields+"X: y"))
			if status, _, _ := c.responseHead(); status != 101 {
				t.Fatalf("status %d", status)
			}
			c.send(codec.OpcodeText, "x")
			for _, callback := range []string{"upgrade", "open", "message"} {
				if got := await(t, told, callback); got != callback+" "+test.want {
					t.Errorf("from %s with %q: %s, want %s", test.from, test.fields, got, test.want)
				}
			}
			c.send(codec.OpcodeClose, "\x03\xe8")
			c.expectClose(codec.StatusNormalClosure)
			want := "close " + test.want
			if got := await(t, told, "close"); got != want && (test.want[:4] != "peer" || got != "close peer invalid AddrPort") {
				t.Errorf("from %s with %q: %s, want %s", test.from, test.fields, got, want)
			}
		}
	}
}

// The field and its grammar are the server's choice.
func TestRemoteForwardedField(t *testing.T) {
	t.Parallel()
	s := &Server{Forwarding: forwarding(t)}
	s.Forwarding.Field = "Forwarded"
	told := watchRemote(&s.Events)
	c := serve(t, s).dial()
	// In pieces, since a head that is kept is another one.
	c.write(head("/", `X-Forwarded-For: 192.0.2.1`, `Forwarded: for="[2001:db8::7]:4711"`)[:150])
	c.write(head("/", `X-Forwarded-For: 192.0.2.1`, `Forwarded: for="[2001:db8::7]:4711"`)[150:])
	if got := await(t, told, "Upgrade"); got != "upgrade forwarded [2001:db8::7]:4711" {
		t.Error(got)
	}
}

// A connection that is gone has no address, and neither has its proxy's; its slot's next connection has its own.
func TestRemoteOfOneThatIsGone(t *testing.T) {
	t.Parallel()
	conns := make(chan Conn, 10)
	s := &Server{Loops: 1, Forwarding: forwarding(t), Events: Events{Open: func(c Conn) { conns <- c }}}
	r := serve(t, s)
	open := func(fields ...string) (*client, Conn) {
		c := r.dial()
		c.write(head("/", fields...))
		c.responseHead()
		return c, await(t, conns, "Open")
	}
	var old []Conn
	for i, want := range []string{"forwarded 192.0.2.1:0", "peer 127.0.0.1:P", "hidden 127.0.0.1:P", "forwarded 192.0.2.3:9"} {
		field := []string{"X-Forwarded-For: 192.0.2.1", "X: y", "X-Forwarded-For: _secret", "X-Forwarded-For: 192.0.2.3:9"}[i]
		c, conn := open(field)
		if got := remoteText(conn); got != want {
			t.Errorf("%s: %s, want %s", field, got, want)
		}
		c.reset()
		poll(t, "Close to have returned", func() bool { return r.Stats().Connections == 0 }) // until then the address is known
		for _, gone := range append(old, conn) {
			if addr, source := gone.Remote(); addr.IsValid() || source != RemotePeer {
				t.Errorf("gone: %v %v", source, addr)
			}
		}
		old = append(old, conn)
	}
	if (Conn{}).RemoteAddr().IsValid() {
		t.Error("no connection has an address")
	}
}

// Whoever asks, on any goroutine, gets the address of that connection or none, while slots change hands.
func TestRemoteFromManyGoroutines(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{0, 2} {
		type told struct {
			conn Conn
			addr netip.AddrPort
		}
		var newest atomic.Pointer[told]
		var asked atomic.Int64
		opened, closed := make(chan Conn, 1), make(chan struct{}, 1)
		s := &Server{Loops: 1, Workers: workers, Forwarding: forwarding(t)}
		s.Events.Open = func(c Conn) { opened <- c }
		s.Events.Close = func(c Conn, _ Closure) {
			if addr := c.RemoteAddr(); addr != newest.Load().addr {
				t.Errorf("%v in Close, want %v", addr, newest.Load().addr)
			}
			closed <- struct{}{}
		}
		r := serve(t, s)
		over := make(chan struct{})
		var readers sync.WaitGroup
		for range 2 {
			readers.Go(func() {
				for {
					select {
					case <-over:
						return
					default:
					}
					if x := newest.Load(); x != nil {
						addr, source := x.conn.Remote()
						if right := addr == x.addr && source == RemoteForwarded; !right && (addr.IsValid() || source != RemotePeer) {
							t.Errorf("%v %v, want %v", source, addr, x.addr)
						}
						asked.Add(1)
					}
					runtime.Gosched()
				}
			})
		}
		for i := range 200 {
			addr := netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 1, 14: byte(i), 15: byte(i)}), uint16(i))
			c := r.dial()
			c.write(head("/", "X-Forwarded-For: "+addr.String()))
			newest.Store(&told{await(t, opened, "Open"), addr})
			before := asked.Load()
			poll(t, "a reader", func() bool { return asked.Load() > before })
			c.reset()
			await(t, closed, "Close")
		}
		close(over)
		readers.Wait()
	}
}

// A server that trusts nobody, and connections that were not forwarded, take no memory for it.
func TestRemoteTakesNoMemory(t *testing.T) {
	t.Parallel()
	for _, forwarding := range []handshake.Forwarding{{}, {Trusted: trusting(t, "127.0.0.1")}} {
		opened := make(chan Conn, 1)
		r := serve(t, &Server{Loops: 1, Forwarding: forwarding, Events: Events{Open: func(c Conn) { opened <- c }}})
		for range 2 {
			r.open().Close()
			if n := await(t, opened, "Open").loop.remotes.Len(); n != 0 {
				t.Errorf("room for %d addresses", n)
			}
		}
	}
}

// relayedServer serves what a PROXY header precedes.
func relayedServer(t *testing.T, s *Server) *running {
	t.Helper()
	s.Proxy = handshake.ProxyPolicy{Mode: handshake.ProxyRequired, Trusted: trusting(t, "127.0.0.1")}
	return serve(t, s)
}

// proxyLocal is a header of version 2 that a proxy sends on its own behalf.
const proxyLocal = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"

// The source of an address is the header's kind. A proxy that speaks HTTP may stand behind one that relays TCP.
func TestRemoteProxy(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{0, 2} {
		for _, test := range []struct{ header, field, want string }{
			{"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n", "X: y", "proxy 192.0.2.7:4711"},
			{"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n", "X-Forwarded-For: 192.0.2.9", "proxy [2001:db8::7]:4711"},
			{"PROXY UNKNOWN\r\n", "X: y", "hidden 127.0.0.1:P"},
			{proxyLocal, "X: y", "peer 127.0.0.1:P"},
			{"PROXY TCP4 10.0.0.7 198.51.100.1 4711 443\r\n", "X-Forwarded-For: 192.0.2.9", "forwarded 192.0.2.9:0"},
			{"PROXY TCP4 10.0.0.7 198.51.100.1 4711 443\r\n", "X-Forwarded-For: _x", "hidden 10.0.0.7:4711"},
			{"PROXY UNKNOWN\r\n", "X-Forwarded-For: 192.0.2.9", "forwarded 192.0.2.9:0"},
		} {
			s := &Server{Forwarding: forwarding(t), Workers: workers}
			told := watchRemote(&s.Events)
			c := relayedServer(t, s).dial()
			c.write(test.header + head("/", test.field))
			c.responseHead()
			c.send(codec.OpcodeClose, "\x03\xe8")
			for _, callback := range []string{"upgrade", "open", "close"} {
				got := await(t, told, callback)
				if want := callback + " " + test.want; got != want && (callback != "close" || strings.Contains(want, "192.0.2") || strings.Contains(want, "db8")) {
					t.Errorf("%q with %q: %s, want %s", test.header, test.field, got, want)
				}
			}
		}
	}
}

// The source is known below TLS, too, whoever put the drivers together.
func TestRemoteProxyBelowTLS(t *testing.T) {
	t.Parallel()
	native, err := poller.NewNative(poller.Options{})
	if err != nil {
		t.Fatal(err)
	}
	policy := handshake.ProxyPolicy{Mode: handshake.ProxyRequired, Trusted: trusting(t, "127.0.0.1")}
	relayed, err := proxydriver.Wrap(native, proxydriver.Options{Policy: policy})
	if err != nil {
		t.Fatal(err)
	}
	own, pool := certificate(t)
	secured, err := tlsdriver.Wrap(relayed, tlsdriver.Options{Config: &tls.Config{Certificates: []tls.Certificate{own}}})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := secured.AddListener(ln); err != nil {
		t.Fatal(err)
	}
	s := &Server{}
	told := watchRemote(&s.Events)
	served := make(chan error, 1)
	go func() { served <- s.ServeDriver(secured) }()
	defer func() {
		s.Close()
		await(t, served, "ServeDriver to return")
	}()
	r := &running{Server: s, t: t, network: "tcp", addr: ln.Addr().String()}
	raw := r.dial()
	raw.write("PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n")
	c := r.adopt(tls.Client(raw.Conn, &tls.Config{RootCAs: pool, ServerName: "localhost"}))
	c.write(head("/"))
	if got := await(t, told, "Upgrade"); got != "upgrade proxy 192.0.2.7:4711" {
		t.Error(got)
	}
}

func TestRemoteSourceString(t *testing.T) {
	for source, want := range []string{"peer", "proxy", "forwarded", "hidden", "unknown"} {
		if got := RemoteSource(source).String(); got != want {
			t.Errorf("%d: %q, want %q", source, got, want)
		}
	}
}

// A reader whose slot changes hands between its look at meta and its look at the address believes neither.
func TestRemoteOfASlotThatChanges(t *testing.T) {
	l := &loop{server: &Server{}}
	first, second := poller.MakeToken(0, 1), poller.MakeToken(0, 2)
	a, b := netip.MustParseAddrPort("[2001:db8::1]:65535"), netip.MustParseAddrPort("192.0.2.2:2")
	l.note(first, a, RemoteForwarded)
	r := l.remotes.At(0)
	meta := r.meta.Load()
	if got, ok := r.address(meta); got != a || !ok {
		t.Errorf("got %v, %v, want %v", got, ok, a)
	}
	for name, change := range map[string]func(){
		"gone":   func() { l.forgetRemote(first) },
		"told":   func() { l.note(second, b, RemoteForwarded) },
		"hidden": func() { l.note(first, a, RemoteHidden) },
	} {
		change()
		if got, ok := r.address(meta); ok {
			t.Errorf("%s: got %v", name, got)
		}
	}
	l.note(second, b, RemoteHidden)
	if got, source, known := l.noted(second); got != b || source != RemoteHidden || !known {
		t.Errorf("got %v, %v, %t, want %v", got, source, known, b)
	}
	if got, source, known := l.noted(first); known {
		t.Errorf("got %v, %v of the one before", got, source)
	}
}
