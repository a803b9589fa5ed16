package proxies

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
	"github.com/wsloop/wsloop/handshake"
)

// patience ends a case that waits for ever; nothing is measured with it.
const patience = time.Minute

// proxy starts one that relays to a server until the test ends. It returns its address.
type proxy func(t *testing.T, server string) (front string)

// chain is a proxy in front of another.
func chain(outer, inner proxy) proxy {
	return func(t *testing.T, server string) (front string) { return outer(t, inner(t, server)) }
}

const (
	appended = "X-Forwarded-For $proxy_add_x_forwarded_for"
	standard = `Forwarded 'for="$remote_addr:$remote_port"'`
)

var setups = []struct {
	name     string
	start    proxy
	headers  bool   // of the PROXY protocol
	forwards string // the field in which it names its client
	secure   bool
	source   engine.RemoteSource
	port     bool // the client's is told
}{
	{"haproxy/tcp/send-proxy", haproxy("tcp", "send-proxy"), true, "", false, engine.RemoteProxy, true},
	{"haproxy/tcp/send-proxy-v2", haproxy("tcp", "send-proxy-v2"), true, "", false, engine.RemoteProxy, true},
	{"haproxy/tcp/send-proxy/wss", haproxy("tcp", "send-proxy"), true, "", true, engine.RemoteProxy, true},
	{"haproxy/tcp/send-proxy-v2/wss", haproxy("tcp", "send-proxy-v2"), true, "", true, engine.RemoteProxy, true},
	{"haproxy/http/forwardfor", haproxy("http", ""), false, "X-Forwarded-For", false, engine.RemoteForwarded, false},
	{"haproxy/http/forwardfor/send-proxy-v2", haproxy("http", "send-proxy-v2"), true, "", false, engine.RemoteProxy, true},
	{"nginx/http/X-Forwarded-For", nginxHTTP(appended), false, "X-Forwarded-For", false, engine.RemoteForwarded, false},
	{"nginx/http/Forwarded", nginxHTTP(standard), false, "Forwarded", false, engine.RemoteForwarded, true},
	{"nginx/stream/proxy_protocol", nginxStream, true, "", false, engine.RemoteProxy, true},
	{"nginx/stream/proxy_protocol/wss", nginxStream, true, "", true, engine.RemoteProxy, true},
	{
		"nginx/http behind haproxy/tcp/send-proxy-v2", chain(nginxHTTP(appended), haproxy("tcp", "send-proxy-v2")),
		true, "X-Forwarded-For", false, engine.RemoteForwarded, false,
	},
	{
		"haproxy/http/forwardfor behind nginx/http", chain(haproxy("http", ""), nginxHTTP(appended)),
		false, "X-Forwarded-For", false, engine.RemoteForwarded, false,
	},
}

// idle waits until the connection of a page is gone, and only so many are left.
func idle(t *testing.T, server *engine.Server, left int) {
	t.Helper()
	for deadline := time.Now().Add(patience); server.Stats().Connections > int64(left); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are left", server.Stats().Connections)
		}
	}
}

// remote is what the server knows of a client.
type remote struct {
	addr   netip.AddrPort
	source engine.RemoteSource
}

// Behind each proxy, messages come back, the address is that of the client in all callbacks, requests for pages have it, and the limits hold for
// each client alone.
func TestProxies(t *testing.T) {
	for _, s := range setups {
		t.Run(s.name, func(t *testing.T) {
			opened, closed := make(chan remote, 10), make(chan remote, 10)
			server := &engine.Server{
				HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Connection", "close") // or the proxy would keep it, and it would count for its client
					_, _ = io.WriteString(w, r.RemoteAddr)
				}),
				PerAddress: engine.SourceLimits{Connections: 1},
				Events: engine.Events{
					Open:    func(c engine.Conn) { opened <- remoteOf(c) },
					Message: func(c engine.Conn, op codec.Opcode, payload []byte) { _, _ = c.Send(op, payload) },
					Close:   func(c engine.Conn, _ engine.Closure) { closed <- remoteOf(c) },
				},
			}
			trusted, err := handshake.ParseTrustedProxies("127.0.0.1")
			if err != nil {
				t.Fatal(err)
			}
			if s.headers {
				server.Proxy = handshake.ProxyPolicy{Mode: handshake.ProxyRequired, Trusted: trusted}
			}
			if s.forwards != "" {
				server.Forwarding = handshake.Forwarding{Trusted: trusted, Field: s.forwards}
			}
			addr, roots := serve(t, server, s.secure)
			front := s.start(t, addr)

			first, second := client{t, front, "127.0.0.2", roots}, client{t, front, "127.0.0.3", roots}
			for i, c := range []client{first, second} {
				if !c.possible() {
					t.Skip("the system has one loopback address only")
				}
				page, local := c.page()
				c.judge("the page", parse(t, page, s.source), local, s.source, s.port)
				idle(t, server, i)
				conn := c.open()
				c.judge("Open", receive(t, opened), conn.LocalAddr(), s.source, s.port)
				c.echo(conn)
				defer func() {
					local := conn.LocalAddr()
					c.close(conn)
					c.judge("Close", receive(t, closed), local, s.source, s.port)
				}()
			}
			first.refused()
		})
	}
}

func remoteOf(c engine.Conn) remote {
	addr, source := c.Remote()
	return remote{addr, source}
}

func parse(t *testing.T, addr string, source engine.RemoteSource) remote {
	t.Helper()
	parsed, err := netip.ParseAddrPort(addr)
	if err != nil {
		t.Error(err)
	}
	return remote{parsed, source}
}

// serve runs a server until the test ends. It returns its address, and who vouches for it if it is to be secure.
func serve(t *testing.T, s *engine.Server, secure bool) (addr string, roots *x509.CertPool) {
	t.Helper()
	listeners, err := s.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = listeners[0].Addr().String()
	served := make(chan error, 1)
	if secure {
		s.TLSConfig, roots = certificate(t)
		go func() { served <- s.ServeTLS("", "", listeners...) }()
	} else {
		go func() { served <- s.Serve(listeners...) }()
	}
	t.Cleanup(func() {
		s.Close()
		if err := receive(t, served); !errors.Is(err, engine.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	return addr, roots
}

func certificate(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, roots
}

func receive[T any](t *testing.T, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(patience):
		t.Fatal("nothing came")
	}
	return v
}

// client is somebody with an address of its own, who would like to be somebody else.
type client struct {
	t     *testing.T
	front string
	from  string
	roots *x509.CertPool // nil without TLS
}

// spoofed are fields in which a client names another address than its own.
func spoofed() http.Header {
	return http.Header{"X-Forwarded-For": {"198.51.100.66"}, "Forwarded": {"for=198.51.100.66"}, "X-Real-Ip": {"198.51.100.66"}}
}

func (c client) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(c.from)}}
	return d.DialContext(ctx, network, addr)
}

func (c client) possible() bool {
	ln, err := net.Listen("tcp", c.from+":0")
	if err != nil {
		return false
	}
	ln.Close()
	return true
}

// page asks for a page. It returns what the server knows, and the address that the client had.
func (c client) page() (body string, local net.Addr) {
	c.t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: c.roots}, DisableKeepAlives: true}
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := c.dial(ctx, network, addr)
		if err == nil {
			local = conn.LocalAddr()
		}
		return conn, err
	}
	scheme := map[bool]string{true: "https", false: "http"}[c.roots != nil]
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, "GET", scheme+"://"+c.front+"/", nil)
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header = spoofed()
	response, err := transport.RoundTrip(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 200 {
		c.t.Fatalf("status %d, %v: %s", response.StatusCode, err, b)
	}
	return string(b), local
}

func (c client) try() (*websocket.Conn, *http.Response, error) {
	d := websocket.Dialer{NetDialContext: c.dial, HandshakeTimeout: patience, TLSClientConfig: &tls.Config{RootCAs: c.roots}}
	scheme := map[bool]string{true: "wss", false: "ws"}[c.roots != nil]
	return d.Dial(scheme+"://"+c.front+"/", spoofed())
}

func (c client) open() *websocket.Conn {
	c.t.Helper()
	conn, _, err := c.try()
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { conn.Close() })
	deadline := time.Now().Add(patience)
	_ = errors.Join(conn.SetReadDeadline(deadline), conn.SetWriteDeadline(deadline))
	return conn
}

// refused is told that it has too many connections.
func (c client) refused() {
	c.t.Helper()
	conn, response, err := c.try()
	if err == nil {
		conn.Close()
	}
	if response == nil || response.StatusCode != http.StatusServiceUnavailable {
		c.t.Errorf("one connection too many: %v, %v", response, err)
	}
}

func (c client) echo(conn *websocket.Conn) {
	c.t.Helper()
	for _, n := range []int{0, 1, 125, 126, 65_535, 65_536, 1 << 20} {
		message := bytes.Repeat([]byte{byte(n), 'x'}, n/2)
		if err := conn.WriteMessage(websocket.BinaryMessage, message); err != nil {
			c.t.Fatal(err)
		}
		if _, got, err := conn.ReadMessage(); err != nil || !bytes.Equal(got, message) {
			c.t.Fatalf("%d bytes for %d: %v", len(got), len(message), err)
		}
	}
}

func (c client) close(conn *websocket.Conn) {
	c.t.Helper()
	goodbye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	if err := conn.WriteMessage(websocket.CloseMessage, goodbye); err != nil {
		c.t.Error(err)
	}
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		c.t.Error(err)
	}
}

// judge compares what the server knows with the address of the client's end.
func (c client) judge(where string, got remote, local net.Addr, source engine.RemoteSource, port bool) {
	c.t.Helper()
	want := local.(*net.TCPAddr).AddrPort()
	if !port {
		want = netip.AddrPortFrom(want.Addr(), 0)
	}
	if got.addr != want || got.source != source {
		c.t.Errorf("%s: %v %v, want %v %v", where, got.source, got.addr, source, want)
	}
}
