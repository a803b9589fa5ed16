package tlsdriver_test

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/wsloop/wsloop/poller/tlsdriver"
)

// writePair puts a certificate for a name into files.
func writePair(t testing.TB, a *authority, name string, pair tlsdriver.KeyPair) {
	t.Helper()
	certificate, key := a.issue(t, name)
	for path, b := range map[string][]byte{pair.Certificate: certificate, pair.Key: key} {
		// As those do who replace files that are in use.
		if err := os.WriteFile(path+".new", b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
}

func newPair(t testing.TB, name string) tlsdriver.KeyPair {
	dir := t.TempDir()
	return tlsdriver.KeyPair{Certificate: filepath.Join(dir, name+".crt"), Key: filepath.Join(dir, name+".key")}
}

// TestReloadUnderLoad (W15) changes the certificate under handshakes. None fails, those after it see the new one,
// and connections from before go on.
func TestReloadUnderLoad(t *testing.T) {
	const reloads, clients = 20, 4
	a := newAuthority(t)
	pair := newPair(t, "server")
	writePair(t, a, "localhost", pair)
	certificates, err := tlsdriver.LoadCertificates(pair)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, tlsdriver.Options{Config: &tls.Config{GetCertificate: certificates.Get}}, 2, nil)
	old := r.secure(a.client())
	serial := func() int64 {
		c := r.secure(a.client())
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	var load sync.WaitGroup
	over := make(chan struct{})
	for range clients {
		load.Go(func() {
			last := int64(0)
			for {
				select {
				case <-over:
					return
				default:
				}
				if n := serial(); n < last {
					t.Errorf("certificate %d came after %d", n, last)
				} else {
					last = n
				}
			}
		})
	}
	for range reloads {
		writePair(t, a, "localhost", pair)
		if changed, err := certificates.Reload(); !changed || err != nil {
			t.Fatalf("Reload: %v, %v", changed, err)
		}
		if n := serial(); n != a.serial {
			t.Errorf("certificate %d after the reload, want %d", n, a.serial)
		}
	}
	close(over)
	load.Wait()
	echo(t, old, pattern(1000))
	if n := failures(r.driver); n != 0 {
		t.Errorf("%d handshakes failed", n)
	}
}

// TestCertificates loads, keeps what it has when a reload fails, and picks by name.
func TestCertificates(t *testing.T) {
	a := newAuthority(t)
	one, two := newPair(t, "one"), newPair(t, "two")
	if _, err := tlsdriver.LoadCertificates(); err == nil {
		t.Error("no files were loaded")
	}
	if _, err := tlsdriver.LoadCertificates(one); err == nil {
		t.Error("files that are not there were loaded")
	}
	writePair(t, a, "one.test", one)
	writePair(t, a, "two.test", two)
	c, err := tlsdriver.LoadCertificates(one, two)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, tlsdriver.Options{Config: &tls.Config{GetCertificate: c.Get}}, 1, nil)
	name := func(server string) string {
		config := &tls.Config{RootCAs: a.pool, ServerName: server, InsecureSkipVerify: server == "three.test"}
		conn := r.secure(config)
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	for server, want := range map[string]string{"one.test": "one.test", "two.test": "two.test", "three.test": "one.test"} {
		if got := name(server); got != want {
			t.Errorf("%s is served %s", server, got)
		}
	}
	if changed, err := c.Reload(); changed || err != nil {
		t.Errorf("Reload of the same files: %v, %v", changed, err)
	}
	for _, spoil := range []func() error{
		func() error { return os.Rename(two.Key, one.Key) }, // of another certificate
		func() error { return os.Remove(one.Key) },
		func() error { return os.Remove(one.Certificate) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if changed, err := c.Reload(); changed || err == nil {
			t.Errorf("Reload of spoiled files: %v, %v", changed, err)
		}
		if got := name("one.test"); got != "one.test" {
			t.Errorf("one.test is served %s", got)
		}
	}
}
