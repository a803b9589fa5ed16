package engine

import (
	"crypto/tls"
	"errors"
	"net"
	"slices"

	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/proxydriver"
	"github.com/wsloop/wsloop/poller/tlsdriver"
)

// A stack is the drivers of a server, each over the one below: sockets, PROXY headers, TLS.
type stack struct {
	sockets poller.ListenerDriver // counts what was accepted
	proxy   *proxydriver.Driver   // nil without Server.Proxy
	tls     *tlsdriver.Driver     // nil without TLS in either direction
	top     poller.ListenerDriver
}

// newStack makes the drivers. config makes TLS servers of accepted connections, if it is not nil.
func (s *Server) newStack(o poller.Options, config *tls.Config) (*stack, error) {
	sockets, err := newSockets(o, s.logger())
	if err != nil {
		return nil, err
	}
	d := &stack{sockets: sockets, top: sockets}
	if s.Proxy.Mode != handshake.ProxyOff {
		d.proxy, err = proxydriver.Wrap(d.top, proxydriver.Options{
			Policy: s.Proxy, Timeout: orDefault(s.HandshakeTimeout, DefaultHandshakeTimeout),
		})
		if err != nil {
			sockets.Stop()
			return nil, err
		}
		d.top = d.proxy
	}
	if config != nil || s.ClientTLS != nil || s.AdoptTLS {
		d.tls, err = tlsdriver.Wrap(d.top, tlsdriver.Options{
			Config: config, Client: s.clientTLS, MaxHandshakes: s.MaxTLSHandshakes,
			HandshakeTimeout: orDefault(s.HandshakeTimeout, DefaultHandshakeTimeout), Meter: o.Meter, Keep: o.Keep,
		})
		if err != nil {
			sockets.Stop()
			return nil, err
		}
		d.top = d.tls
	}
	return d, nil
}

// clientTLS is the config of a connection that is dialed, nil for one without TLS.
func (s *Server) clientTLS(tag any) *tls.Config {
	if d, ok := tag.(*dialing); ok {
		return d.target.tls
	}
	return nil
}

// ListenAndServeTLS is ListenAndServe with TLS; Addr is ":https" if empty. certFile and keyFile are as for ServeTLS.
func (s *Server) ListenAndServeTLS(certFile, keyFile string) error {
	address := s.Addr
	if address == "" {
		address = ":https"
	}
	listeners, err := s.Listen("tcp", address)
	if err != nil {
		return err
	}
	return s.ServeTLS(certFile, keyFile, listeners...)
}

// ServeTLS is Serve with TLS, for wss. The certificate and its key are in PEM files; both names are empty if
// TLSConfig has certificates, or a function that finds them.
func (s *Server) ServeTLS(certFile, keyFile string, listeners ...net.Listener) error {
	config, err := s.serverTLS(certFile, keyFile)
	if err != nil {
		closeAll(listeners)
		return err
	}
	driver, err := s.start(listeners, config)
	if err != nil {
		closeAll(listeners)
		return err
	}
	return s.run(driver)
}

var errNoCertificate = errors.New("engine: TLS without a certificate")

// serverTLS completes Server.TLSConfig.
func (s *Server) serverTLS(certFile, keyFile string) (*tls.Config, error) {
	config := &tls.Config{}
	if s.TLSConfig != nil {
		config = s.TLSConfig.Clone()
	}
	config.NextProtos = slices.DeleteFunc(slices.Clone(config.NextProtos), isHTTP2)
	if certFile != "" || keyFile != "" {
		certificate, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	if len(config.Certificates) == 0 && config.GetCertificate == nil && config.GetConfigForClient == nil {
		return nil, errNoCertificate
	}
	return config, nil
}

// isHTTP2 finds what must not be agreed to: the loops speak HTTP/1.1. Package autocert, for one, offers it.
func isHTTP2(protocol string) bool { return protocol == "h2" }

func closeAll(listeners []net.Listener) {
	for _, ln := range listeners {
		ln.Close()
	}
}

// TLS tells of the connection's TLS: version, application protocol, server name, the certificates of the peer. It is false without
// TLS, and once the connection is gone.
func (c Conn) TLS() (state tls.ConnectionState, ok bool) {
	if c.loop == nil || c.loop.server.stack == nil || c.loop.server.stack.tls == nil {
		return state, false
	}
	return c.loop.server.stack.tls.ConnectionState(c.loop.driver.Index(), c.token)
}
