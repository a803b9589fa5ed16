package certificate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"os"
	"testing"
)

// The certificate fits its key, is on P-256, and is trusted by who trusts only it.
func TestMake(t *testing.T) {
	dir := t.TempDir()
	if err := Make(dir); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(Files(dir))
	if err != nil {
		t.Fatal(err)
	}
	if key, ok := pair.PrivateKey.(*ecdsa.PrivateKey); !ok || key.Curve != elliptic.P256() {
		t.Errorf("%T", pair.PrivateKey)
	}
	roots := x509.NewCertPool()
	file, _ := Files(dir)
	text, err := os.ReadFile(file)
	if err != nil || !roots.AppendCertsFromPEM(text) {
		t.Fatal(err)
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "127.0.0.1"}); err != nil {
		t.Error(err)
	}
}

func TestMakeFails(t *testing.T) {
	if err := Make(t.TempDir() + "/none"); err == nil {
		t.Error("no error without a directory")
	}
}
