package tlsdriver_test

import (
	"crypto/tls"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/pollertest"
	"github.com/wsloop/wsloop/poller/tlsdriver"
)

// deadline bounds every wait. A working driver is far from it on a slow machine.
const deadline = 60 * time.Second

// wrapNative makes a driver over the native one, and checks at the end that its buffers are gone.
func wrapNative(t testing.TB, loops int, o tlsdriver.Options) *tlsdriver.Driver {
	t.Helper()
	return wrapInner(t, loops, o, func(native *poller.Native) poller.Driver { return native })
}

func wrapInner(t testing.TB, loops int, o tlsdriver.Options, over func(*poller.Native) poller.Driver) *tlsdriver.Driver {
	t.Helper()
	meter := new(atomic.Int64)
	native, err := poller.NewNative(poller.Options{Loops: loops, Meter: meter})
	if err != nil {
		t.Fatal(err)
	}
	o.Meter = meter
	d, err := tlsdriver.Wrap(over(native), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n := meter.Load(); n != 0 {
			t.Errorf("the meter says %d at the end, want 0", n)
		}
		if n := d.Stats().Pending.Load(); n != 0 {
			t.Errorf("%d handshakes are in progress at the end", n)
		}
	})
	return d
}

// TestPromises holds the driver to the suite over the native driver: plain, and with both versions of TLS in
// both directions.
func TestPromises(t *testing.T) {
	t.Run("Plain", func(t *testing.T) {
		pollertest.Run(t, func(t testing.TB, loops int) poller.ListenerDriver {
			return wrapNative(t, loops, tlsdriver.Options{})
		})
	})
	a := newAuthority(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			server, client := a.server(t), a.client()
			server.MaxVersion, client.MaxVersion = version, version
			pollertest.RunOver(t, pollertest.Transport{
				Client:   newOpener(client).open,
				Listener: func(ln net.Listener) net.Listener { return secureListener(ln, server) },
				Overhead: 100,
			}, func(t testing.TB, loops int) poller.ListenerDriver {
				return wrapNative(t, loops, tlsdriver.Options{
					Config: server,
					Client: func(any) *tls.Config { return client },
				})
			})
		})
	}
}

// opener connects clients and waits until the driver has opened them. TLS 1.3 is over for the client before
// it is for the server.
type opener struct {
	config *tls.Config
	mu     sync.Mutex
	opened map[poller.ListenerDriver]uint64
}

func newOpener(config *tls.Config) *opener {
	return &opener{config: config, opened: map[poller.ListenerDriver]uint64{}}
}

func (o *opener) open(t testing.TB, d poller.ListenerDriver, socket net.Conn) net.Conn {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	c := tls.Client(socket, o.config)
	if err := c.Handshake(); err != nil {
		t.Fatalf("handshake: %v", err)
	}
	o.opened[d]++
	stats := d.(*tlsdriver.Driver).Stats()
	await(t, "the driver to finish a handshake", func() bool { return stats.Handshakes.Load() >= o.opened[d] })
	return c
}

// await polls for something that another goroutine or the kernel brings about.
func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for start := time.Now(); !done(); {
		if time.Since(start) > deadline {
			t.Fatalf("gave up waiting for %s", what)
		}
		runtime.Gosched()
	}
}

// secured is a listener whose connections are TLS servers that do their handshakes by themselves.
type secured struct {
	net.Listener
	config *tls.Config
	conns  chan net.Conn
	all    sync.WaitGroup
}

func secureListener(ln net.Listener, config *tls.Config) net.Listener {
	s := &secured{Listener: ln, config: config, conns: make(chan net.Conn, 1000)}
	s.all.Go(s.run)
	return s
}

func (s *secured) run() {
	defer close(s.conns)
	for {
		socket, err := s.Listener.Accept()
		if err != nil {
			return
		}
		c := tls.Server(socket, s.config)
		s.all.Go(func() {
			_ = socket.SetDeadline(time.Now().Add(deadline))
			_ = c.Handshake()
		})
		s.conns <- c
	}
}

// Accept implements net.Listener.
func (s *secured) Accept() (net.Conn, error) {
	c, ok := <-s.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

// SetDeadline is for those who want to give up, which they do with the whole test.
func (*secured) SetDeadline(time.Time) error { return nil }

// Close implements net.Listener.
func (s *secured) Close() error {
	err := s.Listener.Close()
	for c := range s.conns {
		c.(*tls.Conn).NetConn().Close()
	}
	s.all.Wait()
	return err
}
