package engine

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/tlsdriver"
)

// UpgradeOptions say more about a connection that Server.Upgrade takes over.
type UpgradeOptions struct {
	// Data is attached to the connection before Events.Upgrade sees it, as by Conn.SetData.
	Data any
	// Events are the callbacks instead of the server's; nil means those. The server's Upgrade comes before theirs.
	Events *Events
}

// errNoAdopter refuses an upgrade on a driver that takes over no connections.
var errNoAdopter = fmt.Errorf("engine: %w: the driver adopts no connections", poller.ErrUnsupported)

// Upgrade takes the connection of an opening handshake that came to a net/http server over, answers it and moves it to a
// loop, with what the client has sent behind the handshake. Fields that were set in w.Header(), such as cookies, are
// in the answer. Afterwards neither w nor the body of r may be used: the handler should return, which ends the goroutine and frees its
// buffers. o may be nil.
//
// The answer is sent by the loop, and Events.Upgrade may refuse there yet; Events.Open follows if it
// does not. A request that is no valid handshake is answered here, and the error is a *handshake.Error. Other errors are
// ErrServerClosed, an *http.ProtocolError or such if w cannot be hijacked, and what the system reports; these were answered, too, if that was
// possible. Any goroutine may call it once the server serves.
//
// A request that came over TLS takes Server.AdoptTLS, or a server that has TLS anyway, and an http.Server whose listener is
// an UpgradeListener: crypto/tls stays where it is, and its connection below is led to the loop.
func (s *Server) Upgrade(w http.ResponseWriter, r *http.Request, o *UpgradeOptions) error {
	if o == nil {
		o = &UpgradeOptions{}
	}
	return s.upgrade(w, r, o, true)
}

// upgrade is Upgrade for a request that a handler of net/http was chosen for, or if it is not routed, one that Server.Routes are asked about.
func (s *Server) upgrade(w http.ResponseWriter, r *http.Request, o *UpgradeOptions, routed bool) error {
	adopter, err := s.adopter(r.TLS != nil)
	if err != nil {
		status := 503
		if !errors.Is(err, ErrServerClosed) {
			status = 500
		}
		return refuseOver(w, status, err)
	}
	head, err := requestHead(r)
	if err == nil {
		err = s.judge(head, r.TLS != nil)
	}
	if err != nil {
		return refuseHandshake(w, r, err)
	}
	a := &adoption{data: o.Data, secure: r.TLS != nil, routed: routed}
	if err := a.addHeader(w.Header()); err != nil {
		return refuseOver(w, 500, err)
	}
	number, ok := s.internEvents(o.Events)
	if !ok {
		return refuseOver(w, 500, errEvents)
	}
	a.events = number
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return refuseOver(w, 500, err)
	}
	early, _ := buffered.Reader.Peek(buffered.Reader.Buffered()) // it is there
	if err := adopt(adopter, conn, append(head, early...), a); err != nil {
		_, _ = io.WriteString(conn, "HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		conn.Close()
		if errors.Is(err, poller.ErrStopped) {
			return ErrServerClosed
		}
		return err
	}
	return nil
}

// adopt moves a connection to a loop.
func adopt(to poller.Adopter, conn net.Conn, input []byte, a *adoption) error {
	c, ours := conn.(*webConn)
	if ours {
		conn, input = c.Conn, append(input, c.input...)
		a.counted, a.source = true, c.source
	}
	err := to.Adopt(&poller.Adoption{Conn: conn, Input: input, Tag: a})
	if err == nil && ours {
		c.moved()
	}
	return err
}

var errAdoptTLS = errors.New("engine: the connection is TLS, and Server.AdoptTLS is not set")

// UpgradeListener wraps the listener of an http.Server with TLS whose connections Server.Upgrade is to take over.
//
//	err := httpServer.ServeTLS(engine.UpgradeListener(ln), "server.crt", "server.key")
func UpgradeListener(ln net.Listener) net.Listener { return tlsdriver.Listener(ln) }

// adopter is the driver of a server that serves, if it can take connections over, with TLS or without.
func (s *Server) adopter(secured bool) (poller.Adopter, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.driver == nil {
		return nil, ErrServerClosed
	}
	if secured && s.stack != nil && s.stack.tls == nil {
		return nil, errAdoptTLS
	}
	adopter, ok := s.driver.(poller.Adopter)
	if !ok {
		return nil, errNoAdopter
	}
	return adopter, nil
}

// judge says whether a request would be refused, while it still can be answered through package http.
func (s *Server) judge(head []byte, secure bool) error {
	var r handshake.Request
	n, err := r.Parse(head, &s.settings.head)
	if err == nil && n != len(head) {
		err = handshake.ErrBadRequest
	}
	if err == nil {
		policy := s.settings.policy
		policy.Secure = secure
		_, err = handshake.Accept(&r, &policy)
	}
	return err
}

// requestHead writes the head of a request as it came, so that one parser judges all handshakes.
func requestHead(r *http.Request) ([]byte, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s\r\nHost: %s\r\n", r.Method, r.RequestURI, r.Proto, r.Host)
	for name, values := range r.Header {
		for _, value := range values {
			b.WriteString(name + ": " + value + "\r\n")
		}
	}
	b.WriteString("\r\n")
	head := b.String()
	if r.ContentLength != 0 || strings.Count(head, "\n") != 3+countValues(r.Header) {
		return nil, handshake.ErrBadRequest // a handshake has no body, and no field has lines within
	}
	return []byte(head), nil
}

func countValues(h http.Header) (n int) {
	for _, values := range h {
		n += len(values)
	}
	return n
}

// addHeader takes over what the handler and those around it want in the answer.
func (a *adoption) addHeader(h http.Header) error {
	for name, values := range h {
		for _, value := range values {
			if err := a.header.Add(name, value); err != nil {
				return fmt.Errorf("field %q: %w", name, err)
			}
		}
	}
	return nil
}

// refuseHandshake answers a request that is no opening handshake as the loops would.
func refuseHandshake(w http.ResponseWriter, r *http.Request, err error) error {
	refusal, ok := errors.AsType[*handshake.Error](err)
	if !ok {
		return refuseOver(w, 500, err)
	}
	switch refusal.Status {
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodGet)
	case http.StatusUpgradeRequired:
		w.Header().Set("Sec-WebSocket-Version", "13")
		if r.ProtoMajor == 1 {
			w.Header().Set("Upgrade", "websocket")
			w.Header().Set("Connection", "Upgrade")
		}
	}
	http.Error(w, fmt.Sprintf("%d %s: %s.", refusal.Status, handshake.StatusText(refusal.Status), refusal.Reason), refusal.Status)
	return err
}

// refuseOver answers with a status and nothing of the reason, which is none of the client's business.
func refuseOver(w http.ResponseWriter, status int, err error) error {
	w.WriteHeader(status)
	_, _ = io.WriteString(w, handshake.StatusText(status)+"\n")
	return err
}
