// Package authority makes the certificates with which the tests of wss run, and writes them for clients in other processes.
package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Authority vouches for one server, which is at 127.0.0.1 and localhost. Nobody trusts it who is not told to.
type Authority struct {
	Server tls.Certificate
	root   *x509.Certificate
}

// New makes keys and certificates, good for a day.
func New() (*Authority, error) {
	root, err := certify(&x509.Certificate{
		Subject: pkix.Name{CommonName: "wsloop interop authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, nil)
	if err != nil {
		return nil, err
	}
	server, err := certify(&x509.Certificate{
		Subject: pkix.Name{CommonName: "wsloop interop server"}, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}, &root)
	return &Authority{Server: server, root: root.Leaf}, err
}

// certify makes a key and a certificate for it, which by signs, or the key itself if by is nil.
func certify(template *x509.Certificate, by *tls.Certificate) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(23*time.Hour)
	if by == nil {
		by = &tls.Certificate{Leaf: template, PrivateKey: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.Leaf, &key.PublicKey, by.PrivateKey)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

// Pool trusts the authority.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.root)
	return pool
}

// Fingerprint is the SHA-256 hash of the server's certificate.
func (a *Authority) Fingerprint() [sha256.Size]byte { return sha256.Sum256(a.Server.Certificate[0]) }

// SPKI is the hash of the server's public key in base64, as Chromium wants it of a key to trust.
func (a *Authority) SPKI() string {
	hash := sha256.Sum256(a.Server.Leaf.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(hash[:])
}

// Files are the names of PEM files.
type Files struct {
	Authority   string `json:"ca"`
	Certificate string `json:"cert"`
	Key         string `json:"key"`
}

// Write writes ca.pem, cert.pem, key.pem and spki, which is what SPKI returns, into a directory.
func (a *Authority) Write(dir string) (*Files, error) {
	key, err := x509.MarshalPKCS8PrivateKey(a.Server.PrivateKey)
	if err != nil {
		return nil, err
	}
	f := &Files{filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	return f, errors.Join(
		writePEM(f.Authority, "CERTIFICATE", a.root.Raw),
		writePEM(f.Certificate, "CERTIFICATE", a.Server.Certificate[0]),
		writePEM(f.Key, "PRIVATE KEY", key),
		os.WriteFile(filepath.Join(dir, "spki"), []byte(a.SPKI()), 0o600),
	)
}

func writePEM(name, kind string, der []byte) error {
	return os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
