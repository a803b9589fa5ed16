package engine

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"
)

// A transport carries the bytes of a conformance case to a server that listens.
type transport struct {
	name    string
	version uint16 // of TLS, 0 without
	inTwo   int    // length of the longest case of frames that is also cut in two at every offset
}

// transports are those that the cases of codec/testdata and handshake/testdata run over.
var transports = []transport{
	{"plain", 0, 40},
	{"TLS 1.2", tls.VersionTLS12, 0},
	{"TLS 1.3", tls.VersionTLS13, 0},
}

// halfCloser is a connection that can be closed for writing alone: by FIN, or with TLS by close_notify.
type halfCloser interface {
	net.Conn
	CloseWrite() error
}

// serve is the function serve over the transport. dial may be called on any goroutine. With TLS each Write of at most 16 KiB
// is one record, and what is read ends with an error unless close_notify came before FIN.
func (tr *transport) serve(t testing.TB, s *Server) (r *running, dial func() (halfCloser, error)) {
	t.Helper()
	dialer := &net.Dialer{Timeout: patience}
	if tr.version == 0 {
		r = serve(t, s)
		return r, func() (halfCloser, error) {
			conn, err := dialer.Dial(r.network, r.addr)
			if err != nil {
				return nil, err
			}
			return conn.(*net.TCPConn), nil
		}
	}
	s.Logger = slog.New(slog.DiscardHandler)
	r, pool, _ := serveTLS(t, s)
	config := &tls.Config{
		RootCAs: pool, ServerName: "localhost", MinVersion: tr.version, MaxVersion: tr.version,
		DynamicRecordSizingDisabled: true,
		CurvePreferences:            []tls.CurveID{tls.X25519}, // the cheapest: there are thousands of handshakes
	}
	return r, func() (halfCloser, error) { return dialTLS(dialer, r, config) }
}

// dialTLS is tls.DialWithDialer, but it does not forgive FIN without close_notify as crypto/tls does between records.
func dialTLS(dialer *net.Dialer, r *running, config *tls.Config) (*tls.Conn, error) {
	conn, err := dialer.Dial(r.network, r.addr)
	if err != nil {
		return nil, err
	}
	secured := tls.Client(strictConn{conn}, config)
	conn.SetDeadline(time.Now().Add(patience))
	if err := secured.Handshake(); err != nil {
		conn.Close()
		return nil, err
	}
	return secured, nil
}

// strictConn has an error in the place of EOF. What is behind close_notify crypto/tls does not read.
type strictConn struct{ net.Conn }

var errTruncated = errors.New("FIN without close_notify")

func (c strictConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if errors.Is(err, io.EOF) {
		err = errTruncated
	}
	return n, err
}
