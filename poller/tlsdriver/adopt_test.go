package tlsdriver_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/tlsdriver"
)

// versions are what a test runs with.
func versions(t *testing.T, f func(t *testing.T, server, client *tls.Config)) {
	a := newAuthority(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			server, client := a.server(t), a.client()
			server.MaxVersion, client.MaxVersion = version, version
			f(t, server, client)
		})
	}
}

// nomad serves a connection that moves between the loops and a goroutine, which echo in turn.
type nomad struct {
	t     *testing.T
	d     *tlsdriver.Driver
	rand  *rand.Rand
	moves atomic.Int64
	over  atomic.Bool    // everything came back
	away  sync.WaitGroup // goroutines that have the connection
}

// fails reports an error, if it counts yet.
func (n *nomad) fails(doing string, err error) {
	if !n.over.Load() {
		n.t.Errorf("%s: %v", doing, err)
	}
}

// data gives the connection up every now and then.
func (n *nomad) data(h *handler, t poller.Token, b []byte) int {
	if n.rand.IntN(3) == 0 {
		conn, input, err := h.loop.(poller.Detacher).Detach(t)
		if err == nil {
			unanswered := slices.Concat(b, input)
			n.away.Go(func() { n.settle(conn, unanswered) })
			return len(b)
		}
		if !errors.Is(err, poller.ErrBusy) {
			n.fails("Detach", err)
		}
	}
	_ = h.loop.Write(t, b)
	return len(b)
}

// settle echoes for a while, is interrupted in the middle of records, and lets a loop take over, with bytes that it has read.
func (n *nomad) settle(conn net.Conn, unanswered []byte) {
	for range 1 + n.rand.IntN(4) {
		if _, err := conn.Write(unanswered); err != nil {
			n.fails("Write", err)
		}
		unanswered = make([]byte, 1+n.rand.IntN(20000))
		if err := conn.SetReadDeadline(time.Now().Add(time.Duration(n.rand.IntN(300)) * time.Microsecond)); err != nil {
			n.t.Error(err)
		}
		read, err := conn.Read(unanswered)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			n.fails("Read", err)
			break
		}
		unanswered = unanswered[:read]
	}
	_ = conn.SetReadDeadline(time.Time{})
	n.moves.Add(1)
	if err := n.d.Adopt(&poller.Adoption{Conn: conn, Input: unanswered}); err != nil {
		n.fails("Adopt", err)
		conn.Close()
	}
}

// chopped writes to the socket in short pieces, so that records come in parts.
type chopped struct {
	net.Conn
	rand *rand.Rand
}

func (c chopped) Write(b []byte) (written int, err error) {
	for written < len(b) && err == nil {
		var n int
		n, err = c.Conn.Write(b[written:min(len(b), written+1+c.rand.IntN(3000))])
		written += n
	}
	return written, err
}

// TestMovesLoseNothing moves a connection between loops and a goroutine at every stage of a record.
func TestMovesLoseNothing(t *testing.T) {
	versions(t, func(t *testing.T, server, client *tls.Config) {
		moves := int64(0)
		for seed := range uint64(5) {
			n := &nomad{t: t, rand: rand.New(rand.NewPCG(seed, 1))}
			n.d = wrapNative(t, 1, tlsdriver.Options{Config: server})
			r := serveRig(t, n.d, 1, func(h *handler) { h.data = n.data })
			random := rand.New(rand.NewPCG(seed, 2))
			c := tls.Client(chopped{r.dial(), random}, client)
			if err := c.Handshake(); err != nil {
				t.Fatal(err)
			}
			stream := make([]byte, 400<<10)
			for i := range stream {
				stream[i] = byte(random.Uint32())
			}
			go func() {
				for rest := stream; len(rest) > 0; {
					size := min(len(rest), 1+random.IntN(30000))
					if _, err := c.Write(rest[:size]); err != nil {
						t.Errorf("client: %v", err)
						return
					}
					rest = rest[size:]
				}
			}()
			got := make([]byte, len(stream))
			if k, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, stream) {
				t.Fatalf("seed %d: %d bytes came back, %v; they are the same: %v", seed, k, err, bytes.Equal(got[:k], stream[:k]))
			}
			n.over.Store(true)
			moves += n.moves.Load()
			r.stop()
			c.NetConn().Close()
			n.away.Wait()
		}
		if moves == 0 {
			t.Error("the connection never moved")
		}
	})
}

// foreign makes a TLS connection that this package has had nothing to do with but for wrap.
func foreign(t *testing.T, server, client *tls.Config, wrap func(net.Listener) net.Listener) (theirs *tls.Conn, ours *tls.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	socket, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	_ = socket.SetDeadline(time.Now().Add(deadline))
	accepted, err := wrap(ln).Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { accepted.Close() })
	theirs, ours = tls.Client(socket, client), tls.Server(accepted, server)
	done := make(chan error, 1)
	go func() { done <- ours.Handshake() }()
	if err := theirs.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return theirs, ours
}

// TestAdoptForeign takes over a connection of another's server, of which crypto/tls has decrypted more than was read.
func TestAdoptForeign(t *testing.T) {
	versions(t, func(t *testing.T, server, client *tls.Config) {
		d := wrapNative(t, 1, tlsdriver.Options{})
		r := serveRig(t, d, 1, nil)
		theirs, ours := foreign(t, server, client, tlsdriver.Listener)
		if _, err := theirs.Write([]byte("0123456789")); err != nil {
			t.Fatal(err)
		}
		first := make([]byte, 4)
		if _, err := io.ReadFull(ours, first); err != nil {
			t.Fatal(err)
		}
		if err := d.Adopt(&poller.Adoption{Conn: ours, Input: first}); err != nil {
			t.Fatal(err)
		}
		token := receive(t, r.opened, "the adopted connection")
		got := make([]byte, 10)
		if _, err := io.ReadFull(theirs, got); err != nil || string(got) != "0123456789" {
			t.Fatalf("read %q, %v", got, err)
		}
		echo(t, theirs, []byte("and on"))
		state, ok := d.ConnectionState(0, token)
		if want := ours.ConnectionState(); !ok || state.Version != want.Version || state.CipherSuite != want.CipherSuite {
			t.Errorf("ConnectionState: %v %v, want %v", ok, state.Version, want.Version)
		}
		if d.Stats().Adopted.Load() != 1 {
			t.Error("Stats.Adopted is not 1")
		}
		if err := d.Adopt(&poller.Adoption{Conn: ours}); !errors.Is(err, poller.ErrClosed) {
			t.Errorf("Adopt again: %v, want ErrClosed", err)
		}
		// close_notify goes both ways.
		if err := theirs.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if n, err := theirs.Read(got); n != 0 || err != io.EOF {
			t.Errorf("read %d bytes, %v; want EOF", n, err)
		}
		if err := receive(t, r.closed, "Closed"); err != nil {
			t.Errorf("Closed with %v", err)
		}
	})
}

// TestAdoptEnded takes over what has ended already, or is broken.
func TestAdoptEnded(t *testing.T) {
	versions(t, func(t *testing.T, server, client *tls.Config) {
		d := wrapNative(t, 1, tlsdriver.Options{})
		r := serveRig(t, d, 1, nil)

		theirs, ours := foreign(t, server, client, tlsdriver.Listener)
		if err := theirs.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, err := ours.Read(make([]byte, 1)); err != io.EOF {
			t.Fatal(err)
		}
		if err := d.Adopt(&poller.Adoption{Conn: ours, Input: []byte("answer me")}); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(theirs)
		if err != nil || string(answer) != "answer me" {
			t.Errorf("read %q, %v", answer, err)
		}
		if err := receive(t, r.closed, "Closed"); err != nil {
			t.Errorf("Closed with %v", err)
		}

		theirs, ours = foreign(t, server, client, tlsdriver.Listener)
		if _, err := theirs.NetConn().Write([]byte{23, 3, 3, 0, 30, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0}); err != nil {
			t.Fatal(err)
		}
		if _, err := ours.Read(make([]byte, 1)); err == nil {
			t.Fatal("a forged record was read")
		}
		if err := d.Adopt(&poller.Adoption{Conn: ours}); err != nil {
			t.Fatal(err)
		}
		if err := receive(t, r.closed, "Closed"); err == nil {
			t.Error("Closed without an error")
		}
	})
}

func TestAdoptRefused(t *testing.T) {
	a := newAuthority(t)
	d := wrapNative(t, 1, tlsdriver.Options{})
	r := serveRig(t, d, 1, nil)
	_, ours := foreign(t, a.server(t), a.client(), func(ln net.Listener) net.Listener { return ln })
	if err := d.Adopt(&poller.Adoption{Conn: ours}); !errors.Is(err, poller.ErrUnsupported) {
		t.Errorf("Adopt: %v, want ErrUnsupported", err)
	}
	if _, err := ours.Write([]byte("still mine")); err != nil {
		t.Error(err)
	}
	r.stop()
	_, ours = foreign(t, a.server(t), a.client(), tlsdriver.Listener)
	if err := d.Adopt(&poller.Adoption{Conn: ours}); !errors.Is(err, poller.ErrStopped) {
		t.Errorf("Adopt: %v, want ErrStopped", err)
	}
	if _, err := ours.Write([]byte("still mine")); err != nil {
		t.Error(err)
	}
}

// TestDetachWithInput gives a connection up whose handler left plaintext, and later one whose peer's side has ended.
func TestDetachWithInput(t *testing.T) {
	versions(t, func(t *testing.T, server, client *tls.Config) {
		inputs, conns := make(chan []byte, 1), make(chan net.Conn, 1)
		ended := make(chan net.Conn, 1)
		r := newRig(t, tlsdriver.Options{Config: server}, 1, func(h *handler) {
			h.data = func(h *handler, t poller.Token, b []byte) int {
				h.posted = append(h.posted, func() {
					conn, input, err := h.loop.(poller.Detacher).Detach(t)
					if err != nil {
						h.rig.t.Errorf("Detach: %v", err)
					}
					conns <- conn
					inputs <- input
				})
				h.loop.Wake()
				return 0
			}
			h.eof = func(h *handler, t poller.Token) {
				conn, _, err := h.loop.(poller.Detacher).Detach(t)
				if err != nil {
					h.rig.t.Errorf("Detach: %v", err)
				}
				ended <- conn
			}
		})
		c := r.secure(client)
		if _, err := c.Write([]byte("left")); err != nil {
			t.Fatal(err)
		}
		conn := receive(t, conns, "the connection")
		defer conn.Close()
		if input := receive(t, inputs, "its input"); string(input) != "left" {
			t.Errorf("the input is %q", input)
		}
		if _, err := c.Write([]byte("more")); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 4)
		if _, err := io.ReadFull(conn, b); err != nil || string(b) != "more" {
			t.Errorf("read %q, %v", b, err)
		}
		c = r.secure(client)
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		half := receive(t, ended, "the connection that has ended")
		defer half.Close()
		if n, err := half.Read(b); n != 0 || err != io.EOF {
			t.Errorf("read %d bytes, %v, want EOF", n, err)
		}
		if _, err := half.Write([]byte("late")); err != nil {
			t.Error(err)
		}
		if _, err := io.ReadFull(c, b); err != nil || string(b) != "late" {
			t.Errorf("read %q, %v", b, err)
		}
	})
}
