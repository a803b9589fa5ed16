package tlsdriver_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net"
	"strings"
	"testing"
)

// Content types and messages (RFC 8446 sections 5.1 and 4).
const (
	typeAlert       = 21
	typeHandshake   = 22
	typeApplication = 23
)

// keyUpdate is the message, with update_requested.
var keyUpdate = []byte{24, 0, 0, 1, 1}

// forger sends records of any shape on a TLS 1.3 connection whose handshake crypto/tls did. What the server
// sends is read through the tls.Conn.
type forger struct {
	*tls.Conn
	t        testing.TB
	socket   net.Conn
	secret   []byte
	aead     cipher.AEAD
	iv       []byte
	sequence uint64
}

// forge connects. It skips the test where another cipher was agreed on than the one it knows.
func forge(t testing.TB, r *rig, config *tls.Config) *forger {
	t.Helper()
	var keys bytes.Buffer
	config = config.Clone()
	config.KeyLogWriter = &keys
	config.MinVersion = tls.VersionTLS13
	f := &forger{t: t, socket: r.dial()}
	f.Conn = tls.Client(f.socket, config)
	if err := f.Handshake(); err != nil {
		t.Fatal(err)
	}
	if suite := f.ConnectionState().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
		t.Skipf("the forger does not know %s", tls.CipherSuiteName(suite))
	}
	for line := range strings.Lines(keys.String()) {
		if fields := strings.Fields(line); fields[0] == "CLIENT_TRAFFIC_SECRET_0" {
			f.secret, _ = hex.DecodeString(fields[2])
		}
	}
	f.setKeys()
	return f
}

// expand is HKDF-Expand-Label with no context (RFC 8446 section 7.1).
func (f *forger) expand(label string, length int) []byte {
	f.t.Helper()
	info := binary.BigEndian.AppendUint16(nil, uint16(length))
	info = append(info, byte(len("tls13 ")+len(label)))
	info = append(info, "tls13 "+label+"\x00"...)
	key, err := hkdf.Expand(sha256.New, f.secret, string(info), length)
	if err != nil {
		f.t.Fatal(err)
	}
	return key
}

func (f *forger) setKeys() {
	f.t.Helper()
	block, err := aes.NewCipher(f.expand("key", 16))
	if err != nil {
		f.t.Fatal(err)
	}
	if f.aead, err = cipher.NewGCM(block); err != nil {
		f.t.Fatal(err)
	}
	f.iv = f.expand("iv", 12)
	f.sequence = 0
}

// nextKeys follows a key update that was sent.
func (f *forger) nextKeys() {
	f.t.Helper()
	f.secret = f.expand("traffic upd", sha256.Size)
	f.setKeys()
}

// seal makes a record.
func (f *forger) seal(contentType byte, payload []byte) []byte {
	inner := append(bytes.Clone(payload), contentType)
	header := []byte{typeApplication, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(header[3:], uint16(len(inner)+f.aead.Overhead()))
	nonce := bytes.Clone(f.iv)
	for i := range 8 {
		nonce[4+i] ^= byte(f.sequence >> (56 - 8*i))
	}
	f.sequence++
	return f.aead.Seal(header, nonce, inner, header)
}

// sendRaw writes to the socket. A server may have closed it before it has all.
func (f *forger) sendRaw(b []byte) error {
	_, err := f.socket.Write(b)
	return err
}

// expectBroken expects the end of the connection, with an alert if there is one to expect.
func (f *forger) expectBroken(want tls.AlertError) {
	f.t.Helper()
	_, err := f.Read(make([]byte, 1))
	var alert tls.AlertError
	if want != 0 && (!errors.As(err, &alert) || alert != want) && !isAlert(err, want) {
		f.t.Errorf("the connection ends with %v, want alert %v", err, want)
	}
	if err == nil {
		f.t.Error("bytes came")
	}
}

// isAlert compares texts: the type of an alert that came over TCP is not exported.
func isAlert(err error, want tls.AlertError) bool {
	return err != nil && strings.HasSuffix(err.Error(), want.Error())
}

// hello is the first flight of a client, which is one record.
func hello(t testing.TB, config *tls.Config) []byte {
	t.Helper()
	near, far := net.Pipe()
	far.Close()
	defer near.Close()
	c := &tap{Conn: near}
	if err := tls.Client(c, config).Handshake(); err == nil {
		t.Fatal("a handshake succeeded with nobody")
	}
	return c.kept
}

// relength sets the lengths of a record that holds one handshake message.
func relength(b []byte) []byte {
	binary.BigEndian.PutUint16(b[3:], uint16(len(b)-5))
	b[6] = 0
	binary.BigEndian.PutUint16(b[7:], uint16(len(b)-9))
	return b
}

// extensionsAt is where the length of the extensions of a ClientHello record lies.
func extensionsAt(b []byte) int {
	at := 5 + 4 + 2 + 32
	at += 1 + int(b[at])
	at += 2 + int(binary.BigEndian.Uint16(b[at:]))
	return at + 1 + int(b[at])
}
