package routers

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

const patience = 60 * time.Second

// A transport is how a client reaches net/http.
type transport struct {
	name  string
	begin func(*httptest.Server)
	dial  func(*httptest.Server) (net.Conn, error)
}

var transports = []transport{
	{"plain", (*httptest.Server).Start, func(s *httptest.Server) (net.Conn, error) {
		return net.Dial("tcp", s.Listener.Addr().String())
	}},
	{"tls", func(s *httptest.Server) {
		s.Listener = engine.UpgradeListener(s.Listener)
		s.StartTLS()
	}, func(s *httptest.Server) (net.Conn, error) {
		pool := x509.NewCertPool()
		pool.AddCert(s.Certificate())
		return tls.Dial("tcp", s.Listener.Addr().String(), &tls.Config{RootCAs: pool, ServerName: "example.com"})
	}},
}

// A rig is a front with the engine behind it.
type rig struct {
	t         *testing.T
	transport transport
	server    *httptest.Server
	engine    *engine.Server
	upgraded  chan error
	log       noise
}

// each runs a test for every front over every transport.
func each(t *testing.T, test func(t *testing.T, r *rig)) {
	for _, over := range transports {
		for _, f := range fronts {
			t.Run(over.name+"/"+f.name, func(t *testing.T) {
				r := newRig(t, f, over)
				test(t, r)
				r.end()
			})
		}
	}
}

func newRig(t *testing.T, f front, over transport) *rig {
	r := &rig{t: t, transport: over, upgraded: make(chan error, 10)}
	r.engine = &engine.Server{AdoptTLS: true, Events: engine.Events{
		Open:    func(c engine.Conn) { _, _ = c.SendText(c.Data().(string)) },
		Message: func(c engine.Conn, op codec.Opcode, payload []byte) { _, _ = c.Send(op, payload) },
	}}
	if err := r.engine.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.engine.Close() })
	r.server = httptest.NewUnstartedServer(f.handler(func(w http.ResponseWriter, request *http.Request, user, room string) error {
		err := r.engine.Upgrade(w, request, &engine.UpgradeOptions{Data: user + " in " + room})
		r.upgraded <- err
		return err
	}))
	r.server.Config.ErrorLog = log.New(&r.log, "", 0)
	over.begin(r.server)
	t.Cleanup(r.server.Close)
	return r
}

// end sees that net/http had nothing to complain about, such as a status set on a connection that it has given away.
func (r *rig) end() {
	r.t.Helper()
	r.server.Close() // waits for the handlers
	if text := r.log.String(); text != "" {
		r.t.Errorf("net/http says: %s", text)
	}
}

// await is what the next call of Upgrade returned.
func (r *rig) await() error {
	r.t.Helper()
	select {
	case err := <-r.upgraded:
		return err
	case <-time.After(patience):
		r.t.Fatal("Upgrade did not return")
		return nil
	}
}

// noise is what a logger wrote.
type noise struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (n *noise) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(b)
}

func (n *noise) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

// A client writes what it is told, byte for byte.
type client struct {
	net.Conn
	t  *testing.T
	in *bufio.Reader
}

func (r *rig) dial() *client {
	r.t.Helper()
	conn, err := r.transport.dial(r.server)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return &client{conn, r.t, bufio.NewReader(conn)}
}

// head is an opening handshake with these fields besides.
func head(path string, fields ...string) string {
	fields = append([]string{
		"GET " + path + " HTTP/1.1", "Host: example.com", "Connection: keep-alive, Upgrade", "Upgrade: websocket", "Accept-Encoding: gzip",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	}, fields...)
	return strings.Join(fields, "\r\n") + "\r\n\r\n"
}

const cookie = "Cookie: theme=dark; " + cookieName + "=s3cret"

func (c *client) write(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

// answer reads an answer with its body.
func (c *client) answer(status int) *http.Response {
	c.t.Helper()
	answer, err := http.ReadResponse(c.in, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	if answer.StatusCode != status {
		c.t.Fatalf("%s, expected %d", answer.Status, status)
	}
	if status != http.StatusSwitchingProtocols {
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			c.t.Fatal(err)
		}
	}
	return answer
}

// expect reads a frame, which must be whole and not masked.
func (c *client) expect(op codec.Opcode, payload string) {
	c.t.Helper()
	var h [2]byte
	_, err := io.ReadFull(c.in, h[:])
	n := uint16(h[1])
	if err == nil && n == 126 {
		err = binary.Read(c.in, binary.BigEndian, &n)
	}
	got := make([]byte, n)
	if err == nil {
		_, err = io.ReadFull(c.in, got)
	}
	if err != nil || h[0] != 0x80|byte(op) || string(got) != payload {
		c.t.Fatalf("%x %.100q, %v, expected %v %.100q", h, got, err, op, payload)
	}
}

// frame is one as a client sends it.
func frame(op codec.Opcode, payload string) string {
	return string(codec.AppendMaskedFrame(nil, true, op, payload, 0x4d3c2b1a))
}
