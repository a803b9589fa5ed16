package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
)

var errSealed = errors.New("redis: the link has its connections")

// sockets are those of a link. They can be closed whatever the client library is waiting for, and say at once when one has ended.
type sockets struct {
	ctx  context.Context // of dialing
	gone chan struct{}   // closed when one has ended

	mu     sync.Mutex
	all    []net.Conn
	sealed bool
	first  error // why the first one ended
}

func (s *sockets) init(ctx context.Context) {
	s.ctx, s.gone = ctx, make(chan struct{})
}

// dialFunc is how the client library has connections made.
type dialFunc = func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error)

// dialer makes sockets, as long as the link is not sealed. under is that of the user, or nil.
func (s *sockets) dialer(under dialFunc) dialFunc {
	if under == nil {
		under = dial
	}
	return func(_ context.Context, address string, d *net.Dialer, config *tls.Config) (net.Conn, error) {
		s.mu.Lock()
		sealed := s.sealed
		s.mu.Unlock()
		if sealed {
			return nil, errSealed
		}
		ctx, cancel := context.WithTimeout(s.ctx, d.Timeout)
		defer cancel()
		c, err := under(ctx, address, d, config)
		if err != nil {
			return nil, err
		}
		return s.keep(c)
	}
}

func dial(ctx context.Context, address string, d *net.Dialer, config *tls.Config) (net.Conn, error) {
	if config != nil {
		return (&tls.Dialer{NetDialer: d, Config: config}).DialContext(ctx, "tcp", address)
	}
	return d.DialContext(ctx, "tcp", address)
}

// keep remembers a socket, unless no more are wanted.
func (s *sockets) keep(c net.Conn) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sealed {
		c.Close()
		return nil, errSealed
	}
	s.all = append(s.all, c)
	return &socket{c, s}, nil
}

// seal keeps the client library from making other connections in place of those that end: they would go unnoticed.
func (s *sockets) seal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealed = true
}

// close ends what there is, and any that is being made.
func (s *sockets) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealed = true
	for _, c := range s.all {
		if t, is := c.(*tls.Conn); is {
			c = t.NetConn() // that of TLS waits until its last words are sent
		}
		c.Close()
	}
}

// end notes that a socket has ended.
func (s *sockets) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first == nil {
		s.first = err
		close(s.gone)
	}
}

// reason is why the first socket has ended, nil if none has.
func (s *sockets) reason() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first
}

// socket is read as long as there is a link, so that its end is noticed.
type socket struct {
	net.Conn
	of *sockets
}

func (s *socket) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if err != nil {
		s.of.end(err)
	}
	return n, err
}
