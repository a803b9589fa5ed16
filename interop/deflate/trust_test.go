package deflate

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/interop/authority"
)

// credentials are what a peer needs for wss: other processes get the names of files.
type credentials struct {
	authority.Files
	authority *authority.Authority
}

// newCredentials makes an authority and writes its files.
func newCredentials(t *testing.T) *credentials {
	t.Helper()
	a, err := authority.New()
	if err != nil {
		t.Fatal(err)
	}
	files, err := a.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &credentials{*files, a}
}

// client is the config of who trusts the authority, nil without TLS.
func (c *credentials) client() *tls.Config {
	if c == nil {
		return nil
	}
	return &tls.Config{RootCAs: c.authority.Pool()}
}

// server is that of the server for which it vouches.
func (c *credentials) server() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c.authority.Server}}
}

// taken is a certificate that a browser takes at some addresses although it knows nobody who vouches for it.
type taken struct {
	*credentials
	hosts []string
}

// by tells a browser, by arguments or in its profile.
func (k *taken) by(t *testing.T, browser, profile string) (arguments []string) {
	t.Helper()
	if browser == "chromium" {
		return []string{"--ignore-certificate-errors-spki-list=" + k.authority.SPKI()}
	}
	// One line per address: the algorithm of the fingerprint as its OID, and the fingerprint.
	hash := k.authority.Fingerprint()
	digits := strings.ReplaceAll(fmt.Sprintf("% X", hash[:]), " ", ":")
	var overrides bytes.Buffer
	for _, host := range k.hosts {
		fmt.Fprintf(&overrides, "%s:\tOID.2.16.840.1.101.3.4.2.1\t%s\t\n", host, digits)
	}
	if err := os.WriteFile(filepath.Join(profile, "cert_override.txt"), overrides.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return nil
}
