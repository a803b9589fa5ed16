package engine

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/poller/tlsdriver"
)

// replace puts a certificate in the place of another, as those do who replace files that are in use.
func replace(t testing.TB, pair tlsdriver.KeyPair, c tls.Certificate) {
	t.Helper()
	certFile, keyFile := files(t, c)
	if err := errors.Join(os.Rename(certFile, pair.Certificate), os.Rename(keyFile, pair.Key)); err != nil {
		t.Fatal(err)
	}
}

// TestTLSReloadUnderLoadW15 changes the certificate while clients come and go without a pause. No handshake fails, who comes after a
// change sees the new certificate, and a connection from before them all goes on.
func TestTLSReloadUnderLoadW15(t *testing.T) {
	const reloads, clients = 20, 4
	first, _ := certificate(t)
	certFile, keyFile := files(t, first)
	pair := tlsdriver.KeyPair{Certificate: certFile, Key: keyFile}
	certificates, err := tlsdriver.LoadCertificates(pair)
	if err != nil {
		t.Fatal(err)
	}
	r := serveSecure(t, &Server{Loops: 2, TLSConfig: &tls.Config{GetCertificate: certificates.Get}, Events: Events{Message: echo}})
	config := &tls.Config{ServerName: "localhost", InsecureSkipVerify: true}
	old := r.upgraded(config)
	var visits atomic.Int64
	over := make(chan struct{})
	var load sync.WaitGroup
	for range clients {
		load.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				if err := visit(r.addr, config); err != nil {
					t.Errorf("a client: %v", err)
				}
				visits.Add(1)
			}
		})
	}
	for range reloads {
		next, _ := certificate(t)
		replace(t, pair, next)
		if changed, err := certificates.Reload(); !changed || err != nil {
			t.Fatalf("Reload: %v, %v", changed, err)
		}
		c := r.upgraded(config)
		if !c.state().PeerCertificates[0].Equal(next.Leaf) {
			t.Error("another certificate than the new one")
		}
		c.Close()
		old.echoes("goes on")
		seen := visits.Load()
		poll(t, "more clients", func() bool { return visits.Load() > seen+clients })
	}
	close(over)
	load.Wait()
	for _, class := range tlsdriver.Classes() {
		if n, err := r.stats().Failed(class); n != 0 {
			t.Errorf("%d handshakes failed: %v, the last with %v", n, class, err)
		}
	}
}

// visit connects, has a message echoed, and leaves.
func visit(addr string, config *tls.Config) error {
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", addr, config)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write([]byte(head("/") + masked(true, codec.OpcodeText, "visit"))); err != nil {
		return err
	}
	for got := ""; ; {
		b := make([]byte, 1000)
		n, err := c.Read(b)
		if got += string(b[:n]); len(got) > 7 && got[len(got)-7:] == "\x81\x05visit" {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
