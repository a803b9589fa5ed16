package tlsdriver_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/tlsdriver"
)

// TestConnectionState asks for what a handshake agreed on.
func TestConnectionState(t *testing.T) {
	a := newAuthority(t)
	server := a.server(t)
	server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, a.pool
	r := newRig(t, tlsdriver.Options{Config: server}, 1, nil)
	client := a.client()
	client.Certificates = []tls.Certificate{a.pair(t, "somebody")}
	client.NextProtos = []string{"h2", "http/1.1"}
	c := r.secure(client)
	echo(t, c, []byte("hello"))
	token := receive(t, r.opened, "Open")
	state, ok := r.driver.ConnectionState(0, token)
	if !ok || state.Version != tls.VersionTLS13 || state.NegotiatedProtocol != "http/1.1" || state.ServerName != "localhost" ||
		len(state.PeerCertificates) != 1 || state.PeerCertificates[0].Subject.CommonName != "somebody" {
		t.Errorf("the state is %+v, %v", state, ok)
	}
	for _, other := range []struct {
		loop  int
		token poller.Token
	}{{1, token}, {-1, token}, {0, 0}, {0, poller.MakeToken(1<<20, 1)}} {
		if _, ok := r.driver.ConnectionState(other.loop, other.token); ok {
			t.Errorf("loop %d has a connection %#x", other.loop, uint64(other.token))
		}
	}
	// One whose handshake is not over has no state.
	r.dial()
	await(t, "the connection to come", func() bool { return r.driver.Stats().Pending.Load() == 1 })
	if _, ok := r.driver.ConnectionState(0, poller.MakeToken(token.Slot()+1, 1)); ok {
		t.Error("a connection in its handshake has a state")
	}
}

// TestFailureClasses fails handshakes in every way.
func TestFailureClasses(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	server := a.server(t)
	server.ClientAuth, server.ClientCAs = tls.VerifyClientCertIfGiven, a.pool
	server.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		if h.ServerName == "panic" {
			panic("in a callback")
		}
		if h.Conn.RemoteAddr().(*net.TCPAddr).Port == 0 || h.Conn.LocalAddr() == nil {
			t.Error("a callback cannot see where the client is")
		}
		if h.Conn.SetDeadline(time.Now()) != nil || h.Conn.SetReadDeadline(time.Now()) != nil {
			t.Error("a callback cannot set deadlines")
		}
		return nil, nil
	}
	strange := other.client()
	foreign := a.client()
	foreign.Certificates = []tls.Certificate{other.pair(t, "foreign")}
	h2 := a.client()
	h2.NextProtos = []string{"h2"}
	panics := a.client()
	panics.ServerName = "panic"
	for _, test := range []struct {
		name string
		want tlsdriver.Class
		act  func(c *net.TCPConn)
	}{
		{"ClientDistrusts", tlsdriver.Alert, func(c *net.TCPConn) { _ = tls.Client(c, strange).Handshake() }},
		{"ForeignCertificate", tlsdriver.Certificate, func(c *net.TCPConn) {
			_ = tls.Client(c, foreign).Handshake()
			expectEnd(t, c)
		}},
		{"NoCommonProtocol", tlsdriver.Protocol, func(c *net.TCPConn) {
			if err := tls.Client(c, h2).Handshake(); err == nil || !strings.Contains(err.Error(), "no application protocol") {
				t.Errorf("%v", err)
			}
		}},
		{"Panic", tlsdriver.Protocol, func(c *net.TCPConn) { _ = tls.Client(c, panics).Handshake() }},
		{"Garbage", tlsdriver.NotTLS, func(c *net.TCPConn) { _, _ = c.Write([]byte{0, 1, 2}); expectEnd(t, c) }},
		{"GarbageInARecord", tlsdriver.NotTLS, func(c *net.TCPConn) {
			_, _ = c.Write([]byte{typeHandshake, 0x33, 0, 0, 1, 0})
			expectEnd(t, c)
		}},
		{"Nothing", tlsdriver.Gone, func(c *net.TCPConn) { _ = c.CloseWrite(); expectEnd(t, c) }},
		{"HalfAHello", tlsdriver.Gone, func(c *net.TCPConn) { _, _ = c.Write(hello(t, strange)[:100]); c.Close() }},
		{"GoneAfterHello", tlsdriver.Gone, func(c *net.TCPConn) {
			_, _ = c.Write(hello(t, strange))
			_ = c.CloseWrite()
			expectEnd(t, c)
		}},
		{"HalfARecordAfterHello", tlsdriver.Gone, func(c *net.TCPConn) {
			_, _ = c.Write(append(hello(t, strange), typeHandshake))
			_ = c.CloseWrite()
			expectEnd(t, c)
		}},
		{"Reset", tlsdriver.Gone, func(c *net.TCPConn) {
			_, _ = c.Write([]byte{typeHandshake})
			await(t, "the driver to have the connection", func() bool { return true })
			_ = c.SetLinger(0)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, tlsdriver.Options{Config: server}, 1, nil)
			c := r.dial()
			test.act(c)
			c.Close()
			await(t, "the failure", func() bool { return failures(r.driver) == 1 && r.driver.Stats().Pending.Load() == 0 })
			n, err := r.driver.Stats().Failed(test.want)
			if n != 1 || err == nil {
				for _, class := range tlsdriver.Classes() {
					n, err := r.driver.Stats().Failed(class)
					t.Logf("%v: %d, %v", class, n, err)
				}
				t.Errorf("the failure is not of class %v", test.want)
			}
			if r.driver.Stats().LastBroken() != nil || test.want.String() == "" {
				t.Error("a handshake counts as a connection")
			}
			if len(r.opened) != 0 {
				t.Error("Open came")
			}
			echo(t, r.secure(a.client()), []byte("still alive"))
		})
	}
}

// TestPlainHTTP asks the TLS port for a page in plaintext, and for one with a long body that is not read.
func TestPlainHTTP(t *testing.T) {
	a := newAuthority(t)
	r := newRig(t, tlsdriver.Options{Config: a.server(t)}, 1, nil)
	transport := &http.Transport{DisableKeepAlives: true}
	for i, body := range []io.Reader{nil, bytes.NewReader(make([]byte, 1<<20))} {
		request, err := http.NewRequest(http.MethodPost, "http://"+r.addr+"/chat", body)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), "wss://") {
			t.Errorf("%v: %q, %v", answer.Status, text, err)
		}
		if n := r.driver.Stats().PlainHTTP.Load(); n != uint64(i)+1 {
			t.Errorf("%d plain requests were counted", n)
		}
	}
	await(t, "the connections to end", func() bool { return r.driver.Stats().Pending.Load() == 0 })
	if n, err := r.driver.Stats().Failed(tlsdriver.NotTLS); n != 2 || !errors.Is(err, tlsdriver.ErrNotTLS) {
		t.Errorf("%d failures, the last with %v", n, err)
	}
}

// TestStalledHandshakes (W14) stalls handshakes before, inside and after the ClientHello. They take no turn from others, and end at their deadline.
func TestStalledHandshakes(t *testing.T) {
	const each, timeout = 100, 30 * time.Second
	a := newAuthority(t)
	r, clock := newLeapingRig(t, tlsdriver.Options{Config: a.server(t), Handshakes: 1, HandshakeTimeout: timeout}, 2)
	established := r.secure(a.client())
	first := hello(t, a.client())
	var stalled []*net.TCPConn
	for _, n := range []int{0, 1, 9, len(first) - 1, len(first)} {
		for range each {
			c := r.dial()
			if _, err := c.Write(first[:n]); err != nil {
				t.Fatal(err)
			}
			stalled = append(stalled, c)
		}
	}
	for range 50 {
		echo(t, established, pattern(100))
	}
	echo(t, r.secure(a.client()), pattern(20_000))
	stats := r.driver.Stats()
	await(t, "all to come", func() bool { return stats.Pending.Load()+int64(stats.TimedOut.Load()) == 5*each })
	clock.leap.Store(int64(timeout))
	for _, c := range stalled {
		expectEnd(t, c)
	}
	if n := stats.TimedOut.Load(); n != 5*each {
		t.Errorf("%d handshakes timed out, want %d", n, 5*each)
	}
	echo(t, established, pattern(1000))
}

// TestEviction opens more handshakes than there may be. The oldest give way, and whoever speaks gets in.
func TestEviction(t *testing.T) {
	const most, half = 20, 300
	a := newAuthority(t)
	r := newRig(t, tlsdriver.Options{Config: a.server(t), MaxHandshakes: most}, 1, nil)
	first := hello(t, a.client())
	for i := range half {
		c := r.dial()
		if _, err := c.Write(first[:i%2*len(first)]); err != nil {
			t.Fatal(err)
		}
		if i%50 == 0 {
			echo(t, r.secure(a.client()), pattern(10))
		}
	}
	stats := r.driver.Stats()
	await(t, "all to come", func() bool { return stats.Evicted.Load() >= half-most })
	await(t, "the last one too many to end", func() bool { return stats.Pending.Load() <= most })
	echo(t, r.secure(a.client()), pattern(10))
}

// TestEvictionOfTheNewest fills the driver with handshakes that compute: then it is the new one that goes.
func TestEvictionOfTheNewest(t *testing.T) {
	a := newAuthority(t)
	release, computing := make(chan struct{}), make(chan struct{}, 10)
	server := a.server(t)
	server.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		computing <- struct{}{}
		<-release
		return nil, nil
	}
	r := newRig(t, tlsdriver.Options{Config: server, MaxHandshakes: 2, Handshakes: 2}, 1, nil)
	var clients sync.WaitGroup
	for range 2 {
		clients.Go(func() { echo(t, r.secure(a.client()), pattern(10)) })
	}
	for range 2 {
		receive(t, computing, "a handshake to compute")
	}
	expectEnd(t, r.dial())
	close(release)
	clients.Wait()
	if n := r.driver.Stats().Evicted.Load(); n != 1 {
		t.Errorf("%d were evicted, want 1", n)
	}
}

// TestStopDuringHandshakes stops while handshakes stand in every stage.
func TestStopDuringHandshakes(t *testing.T) {
	a := newAuthority(t)
	var computing sync.WaitGroup
	computing.Add(2)
	var once [2]sync.Once
	n := 0
	var mu sync.Mutex
	server := a.server(t)
	server.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		if h.ServerName != "waits" {
			return nil, nil
		}
		mu.Lock()
		once[n%2].Do(computing.Done)
		n++
		mu.Unlock()
		<-h.Context().Done()
		return nil, h.Context().Err()
	}
	r := newRig(t, tlsdriver.Options{Config: server, Handshakes: 2}, 1, nil)
	r.dial()
	first := hello(t, a.client())
	_, _ = r.dial().Write(first)
	waits := a.client()
	waits.ServerName = "waits"
	r.secure(a.client())
	receive(t, r.opened, "the connection to open") // TLS 1.3 is over for the client before it is for the server
	for range 4 {                                  // two of them wait for their turn
		_, _ = r.dial().Write(hello(t, waits))
	}
	computing.Wait()
	await(t, "all to come", func() bool { return r.driver.Stats().Pending.Load() == 6 })
	r.stop()
	if n := len(r.closed); n != 1 {
		t.Errorf("Closed came %d times, want 1", n)
	}
}

// TestDataBehindHandshake (W16) sends all that follows the ClientHello in one segment, with more behind it than a handshake holds, and never
// speaks again. TLS 1.3 and 1.2 end the handshake in different ways.
func TestDataBehindHandshake(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, size := range []int{1, 1000, 300_000} {
			a := newAuthority(t)
			r := newRig(t, tlsdriver.Options{Config: a.server(t)}, 1, nil)
			config := a.client()
			config.MaxVersion = version
			socket := r.dial()
			through := 1
			if version == tls.VersionTLS12 {
				through = 100 // there the server speaks last
			}
			over := &tap{Conn: socket, through: through}
			c := tls.Client(over, config)
			if err := c.Handshake(); err != nil {
				t.Fatal(err)
			}
			over.through = 0
			message := pattern(size)
			if _, err := c.Write(message); err != nil {
				t.Fatal(err)
			}
			go socket.Write(over.kept)
			got := make([]byte, size)
			if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, message) {
				t.Errorf("%s, %d bytes: %v", tls.VersionName(version), size, err)
			}
		}
	}
}

// TestDataWhileComputing has bytes come while the handshake cannot take them, more than it holds; then FIN.
func TestDataWhileComputing(t *testing.T) {
	a := newAuthority(t)
	release := make(chan struct{})
	server := a.server(t)
	server.VerifyConnection = func(tls.ConnectionState) error { <-release; return nil }
	r := newRig(t, tlsdriver.Options{Config: server}, 1, nil)
	socket := r.dial()
	over := &tap{Conn: socket, through: 1}
	c := tls.Client(over, a.client())
	result := make(chan error, 1)
	go func() { result <- c.Handshake() }()
	message := pattern(200_000)
	select {
	case err := <-result: // the server computes after the client is done
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(deadline):
		t.Fatal("the client's handshake does not end")
	}
	if _, err := c.Write(message); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = socket.Write(over.kept)
		_ = socket.CloseWrite()
	}()
	for range 50 {
		r.loops[0].do(func() {})
	}
	close(release)
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, message) {
		t.Errorf("%d of %d bytes, %v", len(got), len(message), err)
	}
	receive(t, done, "the client to send")
	if n := r.driver.Stats().Truncated.Load(); n != 0 {
		t.Errorf("%d connections count as truncated", n)
	}
}

// TestFINBehindHandshake ends the connection, with and without close_notify, in the segment that ends the handshake.
func TestFINBehindHandshake(t *testing.T) {
	for _, notify := range []bool{true, false} {
		a := newAuthority(t)
		release := make(chan struct{})
		server := a.server(t)
		server.VerifyConnection = func(tls.ConnectionState) error { <-release; return nil }
		r := newRig(t, tlsdriver.Options{Config: server}, 1, nil)
		socket := r.dial()
		over := &tap{Conn: socket, through: 1}
		c := tls.Client(over, a.client())
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write([]byte("last words"))
		if notify {
			_ = c.CloseWrite()
		}
		_, _ = socket.Write(over.kept)
		_ = socket.CloseWrite()
		for range 50 {
			r.loops[0].do(func() {})
		}
		close(release)
		if got, err := io.ReadAll(c); string(got) != "last words" || err != nil {
			t.Errorf("close_notify %v: %q, %v", notify, got, err)
		}
		receive(t, r.closed, "Closed")
		if n := r.driver.Stats().Truncated.Load(); (n == 0) != notify {
			t.Errorf("close_notify %v: %d connections count as truncated", notify, n)
		}
	}
}

// TestResumption resumes a session, but not after the config changed (W09).
func TestResumption(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		a := newAuthority(t)
		server := a.server(t)
		r := newRig(t, tlsdriver.Options{Config: server}, 1, nil)
		client := a.client()
		client.MaxVersion = version
		client.ClientSessionCache = tls.NewLRUClientSessionCache(10)
		client.Certificates = []tls.Certificate{a.pair(t, "somebody")}
		resumes := func() bool {
			c := r.secure(client)
			echo(t, c, []byte("brings the tickets"))
			return c.ConnectionState().DidResume
		}
		if resumes() || !resumes() {
			t.Errorf("%s: sessions are not resumed", tls.VersionName(version))
		}
		if n := r.driver.Stats().Resumed.Load(); n != 1 {
			t.Errorf("%d sessions were resumed, want 1", n)
		}
		other := newAuthority(t)
		strict := server.Clone()
		strict.ClientAuth, strict.ClientCAs = tls.RequestClientCert, other.pool
		r.driver.SetConfig(strict)
		if resumes() {
			t.Errorf("%s: a session outlived the client authorities", tls.VersionName(version))
		}
	}
}

// TestSetConfigNil takes TLS away: new connections are plain, and those that had not begun end.
func TestSetConfigNil(t *testing.T) {
	a := newAuthority(t)
	r := newRig(t, tlsdriver.Options{Config: a.server(t)}, 1, nil)
	secure, early := r.secure(a.client()), r.dial()
	stats := r.driver.Stats()
	await(t, "both to come", func() bool { return stats.Handshakes.Load() == 1 && stats.Pending.Load() == 1 })
	r.driver.SetConfig(nil)
	_, _ = early.Write(hello(t, a.client()))
	expectEnd(t, early)
	echo(t, r.dial(), []byte("plain"))
	echo(t, secure, []byte("secure"))
}

// TestResetBehindHandshake has a connection end in the turn in which the loop learns that its handshake succeeded.
func TestResetBehindHandshake(t *testing.T) {
	a := newAuthority(t)
	server := a.server(t)
	reached, release := make(chan struct{}), make(chan struct{})
	server.VerifyConnection = func(tls.ConnectionState) error {
		close(reached)
		<-release
		return nil
	}
	r := newRig(t, tlsdriver.Options{Config: server}, 1, nil)
	raw := r.dial()
	if err := tls.Client(raw, a.client()).Handshake(); err != nil {
		t.Fatal(err)
	}
	receive(t, reached, "the callback")
	for range 2 { // one turn may have begun before the client's last flight was there
		r.loops[0].do(func() {})
	}
	entered, leave := make(chan struct{}), make(chan struct{})
	go r.loops[0].do(func() { close(entered); <-leave })
	receive(t, entered, "the loop")
	close(release)
	await(t, "the handshake to end", func() bool {
		stacks := make([]byte, 1<<20)
		return !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("tlsdriver.(*handshake).run"))
	})
	if err := raw.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	raw.Close()
	close(leave)
	await(t, "the connection to end", func() bool { return r.driver.Stats().Pending.Load() == 0 })
	for range 2 {
		r.loops[0].do(func() {})
	}
	if n := len(r.opened) - len(r.closed); n != 0 {
		t.Errorf("%d calls of Open more than of Closed", n)
	}
	if n := r.driver.Stats().Handshakes.Load(); n != 0 {
		t.Errorf("%d handshakes counted, and %d failures", n, failures(r.driver))
	}
}
