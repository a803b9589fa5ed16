package tlsdriver

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
)

// KeyPair names the PEM files of a certificate chain and its key.
type KeyPair struct {
	Certificate, Key string
}

// Certificates are certificates of files, which can be read anew while they are in use. Get is meant for
// tls.Config.GetCertificate; handshakes that begin after Reload use what it read, and connections that are open stay as they are.
type Certificates struct {
	pairs   []KeyPair
	current atomic.Pointer[[]tls.Certificate]

	mu    sync.Mutex // guards what follows
	files [][]byte   // as they were read last
}

// LoadCertificates reads the files.
func LoadCertificates(pairs ...KeyPair) (*Certificates, error) {
	if len(pairs) == 0 {
		return nil, errors.New("tlsdriver: no certificates named")
	}
	c := &Certificates{pairs: pairs}
	if _, err := c.Reload(); err != nil {
		return nil, err
	}
	return c, nil
}

// Reload reads the files again, and says whether they changed. If one cannot be read or does not fit its key, all stays as it was:
// who replaces two files one after the other calls it again. Any goroutine, on a signal or every now and then.
func (c *Certificates) Reload() (changed bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var files [][]byte
	var all []tls.Certificate
	for _, pair := range c.pairs {
		certificate, err := os.ReadFile(pair.Certificate)
		if err != nil {
			return false, fmt.Errorf("tlsdriver: certificate: %w", err)
		}
		key, err := os.ReadFile(pair.Key)
		if err != nil {
			return false, fmt.Errorf("tlsdriver: key: %w", err)
		}
		parsed, err := tls.X509KeyPair(certificate, key)
		if err != nil {
			return false, fmt.Errorf("tlsdriver: %s and %s: %w", pair.Certificate, pair.Key, err)
		}
		files, all = append(files, certificate, key), append(all, parsed)
	}
	for i := range files {
		changed = changed || c.files == nil || !bytes.Equal(files[i], c.files[i])
	}
	if changed {
		c.files = files
		c.current.Store(&all)
	}
	return changed, nil
}

// Get returns the first certificate that the client can use, or the first of all.
func (c *Certificates) Get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	all := *c.current.Load()
	for i := range all {
		if len(all) == 1 || hello.SupportsCertificate(&all[i]) == nil {
			return &all[i], nil
		}
	}
	return &all[0], nil
}
