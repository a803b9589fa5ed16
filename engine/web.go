package engine

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/wsloop/wsloop/poller"
)

// web serves what is no opening handshake: an http.Server whose listener is fed by the loops.
type web struct {
	owner  *Server
	server http.Server
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

// httpIdleTimeout is how long a connection of HTTP waits for its next request. Proxies keep theirs for a minute or so, and it is better
// that they give them up first.
const httpIdleTimeout = 2 * time.Minute

// maxWaitingRequests is how many connections may wait for net/http to begin with them.
const maxWaitingRequests = 1024

func newWeb(s *Server) *web {
	v := &web{owner: s, conns: make(chan net.Conn, maxWaitingRequests), closed: make(chan struct{})}
	v.server = http.Server{
		Handler:           http.HandlerFunc(v.serve),
		ReadHeaderTimeout: orDefault(s.HandshakeTimeout, DefaultHandshakeTimeout),
		IdleTimeout:       s.settings.httpIdle,
		MaxHeaderBytes:    min(s.MaxHeadBytes, 1<<28), // 0: net/http's own, 1 MiB
		ErrorLog:          slog.NewLogLogger(s.logger().Handler(), slog.LevelError),
		ConnContext:       withConn,
	}
	return v
}

// webKey is that of the webConn in the context of its requests.
type webKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, webKey{}, c)
}

// serve gives opening handshakes that came over a connection of HTTP back to the loops.
func (v *web) serve(w http.ResponseWriter, r *http.Request) {
	r.TLS = r.Context().Value(webKey{}).(*webConn).tls
	if isHandshake(r.Header) {
		_ = v.owner.upgrade(w, r, &UpgradeOptions{}, false) // which has answered
		return
	}
	v.owner.counters.plain.Add(1)
	v.identify(r)
	defer v.recoverPanic()
	v.owner.HTTP.ServeHTTP(w, r)
}

// recoverPanic, deferred around the handler, reports a panic as one of ours and has net/http end the connection without a word of its own.
func (v *web) recoverPanic() {
	p := recover()
	if p == nil {
		return
	}
	if p != http.ErrAbortHandler {
		v.owner.reportPanic(p)
	}
	panic(http.ErrAbortHandler)
}

// isHandshake says whether a request asks for a WebSocket.
func isHandshake(h http.Header) bool {
	for _, value := range h.Values("Upgrade") {
		if hasToken(value, "websocket") {
			return true
		}
	}
	return false
}

// hasToken looks for a token, however it is spelled, in a list.
func hasToken(list, token string) bool {
	for one := range bytes.SplitSeq([]byte(list), []byte(",")) {
		if bytes.EqualFold(bytes.TrimSpace(one), []byte(token)) {
			return true
		}
	}
	return false
}

// Accept implements net.Listener.
func (v *web) Accept() (net.Conn, error) {
	select {
	case c := <-v.conns:
		return c, nil
	case <-v.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (v *web) Close() error {
	v.once.Do(func() { close(v.closed) })
	return nil
}

// Addr implements net.Listener. There is no one address.
func (v *web) Addr() net.Addr { return &net.TCPAddr{} }

// take has net/http serve a connection of which input was read, and that counts for source. It never waits; what finds no room is closed.
func (v *web) take(conn net.Conn, input []byte, source uint32) {
	c := &webConn{Conn: conn, input: input, owner: v.owner, source: source}
	if secured, ok := conn.(*tls.Conn); ok {
		state := secured.ConnectionState()
		c.tls = &state
	}
	v.owner.live.Add(1)
	select {
	case <-v.closed:
	default:
		select {
		case v.conns <- c:
			select {
			case <-v.closed:
				v.drop() // for nobody else might
			default:
			}
			return
		default:
		}
	}
	c.Close()
}

// shutdown lets requests end, and close cuts them off.
func (v *web) shutdown(ctx context.Context) {
	_ = v.server.Shutdown(ctx) // Server.Shutdown has its own eye on ctx
	v.drop()
}

func (v *web) close() {
	v.Close()
	_ = v.server.Close() // nothing to be done about it
	v.drop()
}

// drop closes what net/http will not take any more.
func (v *web) drop() {
	for {
		select {
		case c := <-v.conns:
			c.Close()
		default:
			return
		}
	}
}

// A webConn is a connection that a loop gave to net/http. It counts as one of the server's, and of its source, until it is closed or
// a loop has it again.
type webConn struct {
	net.Conn
	owner  *Server
	input  []byte               // read before
	tls    *tls.ConnectionState // nil for a plain one
	source uint32               // index in Server.sources; 0 for none
	once   sync.Once
}

// Read implements net.Conn.
func (c *webConn) Read(b []byte) (int, error) {
	if len(c.input) > 0 {
		n := copy(b, c.input)
		if c.input = c.input[n:]; len(c.input) == 0 {
			c.input = nil
		}
		return n, nil
	}
	return c.Conn.Read(b)
}

// Close implements net.Conn.
func (c *webConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.owner.sources.release(c.source)
		c.owner.connectionGone()
	})
	return err
}

// CloseWrite ends the output, by which net/http sees that its answer arrives where the rest of a request is not read.
func (c *webConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// moved leaves the counting to the loop that has the connection now.
func (c *webConn) moved() { c.once.Do(func() {}) }

// handOver gives a connection to net/http, with all that was read of it.
func (l *loop) handOver(t poller.Token, s *session, head []byte) {
	var conn net.Conn
	var more []byte
	err := poller.ErrUnsupported
	if d, ok := l.driver.(poller.Detacher); ok {
		conn, more, err = d.Detach(t)
	}
	if err != nil {
		l.refuseBusy(t, s, 503, "503 Service Unavailable: the connection cannot be served as HTTP.\n")
		return
	}
	s.phase = phaseDiscarding
	l.server.web.take(conn, slices.Concat(head, more), l.takeSource(t))
}

// takeSource takes what a connection counts for away from it. That of a proxy which tells of clients in its requests counts for none from here on:
// it brings requests of many.
func (l *loop) takeSource(t poller.Token) (source uint32) {
	if l.server.sources == nil {
		return 0
	}
	if _, from, _ := l.noted(t); from == RemoteForwarded {
		return 0 // forget releases it
	}
	own := l.termsOf(t)
	source, own.source = own.source, 0
	return source
}
