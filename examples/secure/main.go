// Secure serves wss and a page over TLS on one port, and takes a new certificate without a restart.
//
//	go run ./examples/secure                                # makes a certificate for localhost, of which the browser will warn
//	go run ./examples/secure -cert chain.pem -key key.pem   # yours
//
// Then open https://localhost:8443/. The files are read again every minute and on SIGHUP. Connections that are open keep
// going and are told; new ones get the new certificate:
//
//	openssl s_client -connect localhost:8443 </dev/null 2>/dev/null | openssl x509 -noout -serial
//
// Things to look at: tlsdriver.Certificates, whose Get is the GetCertificate of Server.TLSConfig, and whose Reload keeps what it
// had if the files do not fit each other; and Conn.TLS, which tells what was agreed.
package main

import (
	"context"
	"crypto/tls"
	_ "embed"
	"errors"
	"flag"
	"log"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller/tlsdriver"
)

//go:embed page.html
var page []byte

func main() {
	addr := flag.String("addr", "localhost:8443", "where to listen")
	var files tlsdriver.KeyPair
	flag.StringVar(&files.Certificate, "cert", "", "PEM file of the certificate and its chain")
	flag.StringVar(&files.Key, "key", "", "PEM file of its key")
	flag.Parse()
	if err := serve(*addr, files); err != nil {
		log.Fatal(err)
	}
}

func serve(addr string, files tlsdriver.KeyPair) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	if files == (tlsdriver.KeyPair{}) {
		dir, err := os.MkdirTemp("", "secure")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if files, err = selfSigned(dir); err != nil {
			return err
		}
		log.Printf("made a certificate: %s", files.Certificate)
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	log.Printf("open https://%s/", ln.Addr())
	return run(ctx, ln, files, reload)
}

// run serves until ctx is done.
func run(ctx context.Context, ln net.Listener, files tlsdriver.KeyPair, reload <-chan os.Signal) error {
	certificates, err := tlsdriver.LoadCertificates(files)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	srv := &engine.Server{TLSConfig: &tls.Config{GetCertificate: certificates.Get, MinVersion: tls.VersionTLS12}}
	clients := &clients{open: make(map[engine.Conn]struct{})}
	srv.Events = engine.Events{Plain: servePage, Open: clients.add, Message: echo, Close: clients.remove}
	go func() {
		minute := time.NewTicker(time.Minute)
		defer minute.Stop()
		for {
			select {
			case <-reload:
			case <-minute.C:
			case <-ctx.Done():
				goodbye, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
				defer cancel()
				_ = srv.Shutdown(goodbye) // who has not left by then is cut off
				return
			}
			switch changed, err := certificates.Reload(); {
			case err != nil:
				slog.Error("the certificate stays as it was", "error", err)
			case changed:
				clients.tell("there is a new certificate; this connection goes on")
			}
		}
	}()
	if err := srv.ServeTLS("", "", ln); !errors.Is(err, engine.ErrServerClosed) {
		return err
	}
	return nil
}

// servePage answers requests that ask for no WebSocket.
func servePage(r *handshake.Request, p *engine.Page) {
	if string(r.Path()) != "/" {
		p.Status, p.Body = 404, []byte("not here\n")
		return
	}
	p.Body = page
	_ = p.Header.Add("Content-Type", "text/html; charset=utf-8")
	_ = p.Header.Add("Strict-Transport-Security", "max-age=60") // longer, once you are sure
}

func echo(c engine.Conn, op codec.Opcode, payload []byte) { _, _ = c.Send(op, payload) }

// clients are those who are to be told.
type clients struct {
	mu   sync.Mutex
	open map[engine.Conn]struct{}
}

func (l *clients) add(c engine.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[c] = struct{}{}
	if state, ok := c.TLS(); ok {
		_, _ = c.SendText("this is " + tls.VersionName(state.Version) + " with " + tls.CipherSuiteName(state.CipherSuite))
	}
}

func (l *clients) remove(c engine.Conn, _ engine.Closure) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
}

func (l *clients) tell(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		_, _ = c.SendText(text) // who cannot be told any more is about to be removed
	}
}
