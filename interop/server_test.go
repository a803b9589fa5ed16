package interop

import (
	"context"
	"crypto/tls"
	"errors"
	"testing"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
	"github.com/wsloop/wsloop/interop/authority"
)

// server is an echo server of the engine in this process.
type server struct {
	engine   *engine.Server
	host     string              // host:port
	secure   string              // "s" if it is for wss and https
	closures chan engine.Closure // how its connections ended, in order
	sendErrs chan error          // what Send returned, when it failed
	served   chan error
}

// start runs the server of the matrix with this name until the test ends, with TLS if there is an authority.
func start(t *testing.T, m *matrix, name string, a *authority.Authority) *server {
	t.Helper()
	config, ok := m.Servers[name]
	if !ok {
		t.Fatalf("the matrix has no server %q", name)
	}
	s := &server{
		closures: make(chan engine.Closure, 64), // more than any case has connections
		sendErrs: make(chan error, 64),
		served:   make(chan error, 1),
	}
	s.engine = &engine.Server{
		MaxMessageBytes:  config.MaxMessage,
		MaxBufferedBytes: config.MaxBuffered,
		Subprotocols:     config.Subprotocols,
		Events: engine.Events{
			Message: func(c engine.Conn, op codec.Opcode, payload []byte) {
				if _, err := c.Send(op, payload); err != nil {
					s.sendErrs <- err
				}
			},
			Close: func(_ engine.Conn, how engine.Closure) { s.closures <- how },
		},
	}
	listeners, err := s.engine.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.host = listeners[0].Addr().String()
	if a == nil {
		go func() { s.served <- s.engine.Serve(listeners...) }()
	} else {
		s.secure, s.engine.TLSConfig = "s", &tls.Config{Certificates: []tls.Certificate{a.Server}}
		go func() { s.served <- s.engine.ServeTLS("", "", listeners...) }()
	}
	t.Cleanup(func() { s.end(t) })
	return s
}

// end stops the server and looks for what nobody else saw.
func (s *server) end(t *testing.T) {
	if err := s.engine.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := <-s.served; !errors.Is(err, engine.ErrServerClosed) {
		t.Errorf("Serve: %v", err)
	}
	select {
	case err := <-s.sendErrs:
		t.Errorf("Send: %v", err)
	default:
	}
}

func (s *server) url() string    { return "ws" + s.secure + "://" + s.host + "/" }
func (s *server) origin() string { return "http" + s.secure + "://" + s.host }

// shutdown closes all connections, as SIGTERM does in wsloop serve. It returns once
// their peers have answered.
func (s *server) shutdown(ctx context.Context) error { return s.engine.Shutdown(ctx) }

// closure waits for the end of one connection as the server saw it.
func (s *server) closure(ctx context.Context, t *testing.T) engine.Closure {
	t.Helper()
	select {
	case how := <-s.closures:
		return how
	case <-ctx.Done():
		t.Fatal("the server has not closed the connection")
		return engine.Closure{}
	}
}
