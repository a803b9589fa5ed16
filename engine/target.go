package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/wsloop/wsloop/handshake"
)

// DialOptions say how connections are opened. The zero value is useful.
type DialOptions struct {
	// Events are the callbacks of the connections; Server.Events if nil. A server tells 255 sets apart, by
	// their addresses, and keeps them.
	Events *Events
	// Subprotocols are offered, in order of preference.
	Subprotocols []string
	// Origin, if set, is the origin of a page, as a browser would send it.
	Origin string
	// Header are further fields of the request.
	Header handshake.Header
	// Addr, if set, is where to connect, whatever the URL's host: "host:port", or "unix:" and the path of a socket.
	Addr string
	// Deflate offers permessage-deflate, as Server.Deflate says, which must be set.
	Deflate bool
	// Local, if valid, is the source address. Port 0 leaves the port to the system.
	Local netip.AddrPort
	// Connected, if set, is called when a TCP connection is made, before the handshake: on the connection's loop, with
	// the data that was given to Target.Dial.
	Connected func(data any)
}

// A Target is a URL that is ready to be dialed, as often as need be. It is only read, by any goroutine.
type Target struct {
	server  *Server
	request *handshake.Prepared
	frugal  *handshake.Prepared // the same without context takeover, if that is offered; nil if no compression is
	addrs   []netip.AddrPort    // tried in turn
	path    string              // of a Unix socket, instead
	tls     *tls.Config         // nil for ws
	local   netip.AddrPort
	events  uint8 // index in Server.events

	connected func(data any)
}

var (
	errScheme   = errors.New("scheme is neither ws nor wss")
	errTLS      = errors.New("wss without Server.ClientTLS")
	errUserinfo = errors.New("URL has user information: use a field of DialOptions.Header")
	errFragment = errors.New("URL has a fragment") // RFC 6455 section 3
	errHost     = errors.New("URL has no host")
	errDeflate  = errors.New("DialOptions.Deflate without Server.Deflate")
)

// Target reads a ws URL (RFC 6455 section 3) and looks up its host. The server must be serving. The error is
// a *DialError.
func (s *Server) Target(ctx context.Context, rawURL string, o *DialOptions) (*Target, error) {
	if _, err := s.dialer(); err != nil {
		return nil, &DialError{DialConnect, err}
	}
	if o == nil {
		o = &DialOptions{}
	}
	t := &Target{server: s, local: o.Local, connected: o.Connected}
	if err := t.resolve(ctx, rawURL, o); err != nil {
		return nil, &DialError{DialResolve, err}
	}
	number, ok := s.internEvents(o.Events)
	if !ok {
		return nil, &DialError{DialResolve, errEvents}
	}
	t.events = number
	return t, nil
}

func (t *Target) resolve(ctx context.Context, rawURL string, o *DialOptions) error {
	u, err := url.Parse(rawURL)
	if err != nil {
		return err
	}
	switch {
	case u.Scheme != "ws" && u.Scheme != "wss":
		return errScheme
	case u.Scheme == "wss" && t.server.ClientTLS == nil:
		return errTLS
	case u.Host == "":
		return errHost
	case u.User != nil:
		return errUserinfo
	case strings.Contains(rawURL, "#"):
		return errFragment
	}
	if u.Scheme == "wss" {
		t.tls = t.server.ClientTLS.Clone()
		if t.tls.ServerName == "" {
			t.tls.ServerName = u.Hostname()
		}
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	if u.RawQuery != "" || u.ForceQuery {
		path += "?" + u.RawQuery
	}
	opening := handshake.Opening{Target: path, Host: u.Host, Origin: o.Origin, Subprotocols: o.Subprotocols, Header: o.Header}
	if o.Deflate {
		if t.server.settings.deflate == nil {
			return errDeflate
		}
		opening.Deflate = &t.server.settings.deflate.frugal
		if t.frugal, err = handshake.Prepare(opening); err != nil {
			return err
		}
		opening.Deflate = &t.server.settings.deflate.options
	}
	t.request, err = handshake.Prepare(opening)
	if err != nil {
		return err
	}
	if socket, ok := strings.CutPrefix(o.Addr, "unix:"); ok {
		t.path = socket
		return nil
	}
	host, port := u.Hostname(), u.Port()
	if o.Addr != "" {
		if host, port, err = net.SplitHostPort(o.Addr); err != nil {
			return err
		}
	} else if port == "" && t.tls != nil {
		port = "443"
	} else if port == "" {
		port = "80"
	}
	t.addrs, err = lookUp(ctx, host, port)
	return err
}

// lookUp finds the addresses of a host. One that is an address needs nobody's help.
func lookUp(ctx context.Context, host, port string) (addrs []netip.AddrPort, err error) {
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 {
		return nil, &net.AddrError{Err: "invalid port", Addr: port}
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(ip, uint16(number))}, nil
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for _, ip := range ips {
		addrs = append(addrs, netip.AddrPortFrom(ip.Unmap(), uint16(number)))
	}
	return addrs, err
}
