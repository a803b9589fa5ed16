package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
	"github.com/wsloop/wsloop/poller/tlsdriver"
)

const patience = 60 * time.Second

// start runs the program with a certificate of its own. It must end well.
func start(t *testing.T) (address, dir string, reload chan<- os.Signal) {
	t.Helper()
	dir = t.TempDir()
	files, err := selfSigned(dir)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	signals, ended := make(chan os.Signal), make(chan error, 1)
	go func() { ended <- run(ctx, ln, files, signals) }()
	t.Cleanup(func() {
		stop()
		if err := await(t, ended); err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String(), dir, signals
}

func await[T any](t *testing.T, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(patience):
		t.Fatal("nothing came")
	}
	return v
}

// trusting is the config of a client that trusts the certificate as it is in the file now.
func trusting(t *testing.T, dir string) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(dir + "/certificate.pem")
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate")
	}
	return &tls.Config{RootCAs: pool, ServerName: "localhost"}
}

// dial opens a WebSocket, and returns what comes.
func dial(t *testing.T, address string, config *tls.Config) (c engine.Conn, heard <-chan string, err error) {
	t.Helper()
	messages := make(chan string, 10)
	client := &engine.Server{Loops: 1, ClientTLS: config, Events: engine.Events{
		Message: func(_ engine.Conn, _ codec.Opcode, payload []byte) { messages <- string(payload) },
	}}
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	c, err = client.Dial(t.Context(), "wss://"+address+"/", nil)
	return c, messages, err
}

// serial is that of the certificate which a new connection gets.
func serial(t *testing.T, address string, config *tls.Config) *big.Int {
	t.Helper()
	conn, err := tls.Dial("tcp", address, config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber
}

func TestReload(t *testing.T) {
	address, dir, reload := start(t)
	before := trusting(t, dir)
	c, heard, err := dial(t, address, before)
	if err != nil {
		t.Fatal(err)
	}
	if text := await(t, heard); !strings.Contains(text, "TLS 1.3") {
		t.Errorf("%q", text)
	}
	old := serial(t, address, before)

	// A key that is not the certificate's changes nothing.
	whole, err := os.ReadFile(dir + "/key.pem")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/key.pem", []byte("half a f"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // when it is taken again, the first is done
		reload <- syscall.SIGHUP
	}
	if n := serial(t, address, before); n.Cmp(old) != 0 {
		t.Errorf("serial %x, was %x", n, old)
	}
	if err := os.WriteFile(dir+"/key.pem", whole, 0o600); err != nil {
		t.Fatal(err)
	}

	// A new pair is what new connections get. The old one goes on.
	if _, err := selfSigned(dir); err != nil {
		t.Fatal(err)
	}
	reload <- syscall.SIGHUP
	if text := await(t, heard); !strings.HasPrefix(text, "there is a new certificate") {
		t.Errorf("%q", text)
	}
	after := trusting(t, dir)
	if n := serial(t, address, after); n.Cmp(old) == 0 {
		t.Errorf("serial %x, as before", n)
	}
	if _, err := c.SendText("still here"); err != nil {
		t.Fatal(err)
	}
	if text := await(t, heard); text != "still here" {
		t.Errorf("%q", text)
	}
	if _, _, err := dial(t, address, before); err == nil {
		t.Error("who trusts the old certificate alone is connected")
	}
	if _, _, err := dial(t, address, after); err != nil {
		t.Error(err)
	}
}

func TestPage(t *testing.T) {
	address, dir, _ := start(t)
	transport := &http.Transport{TLSClientConfig: trusting(t, dir)}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: patience}
	for path, expected := range map[string]struct {
		status int
		body   string
	}{"/": {200, string(page)}, "/x": {404, "not here\n"}} {
		answer, err := client.Get("https://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != expected.status || string(body) != expected.body {
			t.Errorf("%s: %s, %d bytes, %v", path, answer.Status, len(body), err)
		}
	}
}

func TestNoCertificate(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), ln, tlsdriver.KeyPair{Certificate: t.TempDir() + "/none", Key: "none"}, nil); err == nil {
		t.Error("it serves without a certificate")
	}
}
