package engine

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"strings"

	"github.com/wsloop/wsloop/codec"
)

// Content types and messages (RFC 8446 sections 5.1 and 4).
const (
	typeAlert       = 21
	typeHandshake   = 22
	typeApplication = 23

	alertUnexpectedMessage tls.AlertError = 10
	alertRecordOverflow    tls.AlertError = 22
	alertDecodeError       tls.AlertError = 50
	alertInternalError     tls.AlertError = 80
	alertUnsupported       tls.AlertError = 110
	alertNoProtocol        tls.AlertError = 120
)

// keyUpdate is the message, with update_requested.
var keyUpdate = []byte{24, 0, 0, 1, 1}

// A forger is a client whose handshakes are done, and which sends records of any shape: it knows the keys. What the
// server sends is read as from any client.
type forger struct {
	*client
	wire     *tap
	version  uint16
	secret   []byte // TLS 1.3: the traffic secret
	aead     cipher.AEAD
	iv       []byte
	sequence uint64
}

// forge connects and opens a WebSocket.
func (r *secureServer) forge(version uint16) *forger {
	r.t.Helper()
	f := r.forgeSilent(version)
	f.write(head("/"))
	f.sequence++
	if status, _, _ := f.response(); status != 101 {
		r.t.Fatalf("status %d", status)
	}
	return f
}

// forgeSilent connects, with the one cipher of each version that the forger knows. With TLS 1.3 this skips the test if another is agreed on.
func (r *secureServer) forgeSilent(version uint16) *forger {
	r.t.Helper()
	var keys bytes.Buffer
	config := r.config()
	config.KeyLogWriter = &keys
	config.MinVersion, config.MaxVersion = version, version
	config.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
	f := &forger{wire: &tap{Conn: r.dial(), through: 1 << 30}, version: version}
	f.client = r.shake(f.wire, config)
	if suite := f.state().CipherSuite; version == tls.VersionTLS13 && suite != tls.TLS_AES_128_GCM_SHA256 {
		r.t.Skipf("the forger does not know %s", tls.CipherSuiteName(suite))
	}
	for line := range strings.Lines(keys.String()) {
		switch fields := strings.Fields(line); fields[0] {
		case "CLIENT_TRAFFIC_SECRET_0":
			f.secret, _ = hex.DecodeString(fields[2])
			f.setKeys()
		case "CLIENT_RANDOM":
			clientRandom, _ := hex.DecodeString(fields[1])
			master, _ := hex.DecodeString(fields[2])
			f.deriveKeys(master, clientRandom)
		}
	}
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

// setKeys takes those of the traffic secret.
func (f *forger) setKeys() {
	f.t.Helper()
	f.use(f.expand("key", 16), f.expand("iv", 12))
	f.sequence = 0
}

// nextKeys follows a key update that was sent.
func (f *forger) nextKeys() {
	f.t.Helper()
	f.secret = f.expand("traffic upd", sha256.Size)
	f.setKeys()
}

// deriveKeys takes those of TLS 1.2 (RFC 5246 sections 5 and 6.3). The server's random is at a fixed place of its first record.
func (f *forger) deriveKeys(master, clientRandom []byte) {
	seed := append([]byte("key expansion"), f.wire.read[5+4+2:][:32]...)
	seed = append(seed, clientRandom...)
	sum := func(b []byte) []byte {
		h := hmac.New(sha256.New, master)
		h.Write(b)
		return h.Sum(nil)
	}
	var block []byte
	for a := sum(seed); len(block) < 40; a = sum(a) {
		block = append(block, sum(append(bytes.Clone(a), seed...))...)
	}
	f.use(block[:16], block[32:36])
	f.sequence = 1 // behind Finished
}

func (f *forger) use(key, iv []byte) {
	f.t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		f.t.Fatal(err)
	}
	if f.aead, err = cipher.NewGCM(block); err != nil {
		f.t.Fatal(err)
	}
	f.iv = iv
}

// seal makes a record.
func (f *forger) seal(contentType byte, payload []byte) []byte {
	sequence := binary.BigEndian.AppendUint64(nil, f.sequence)
	f.sequence++
	if f.version == tls.VersionTLS12 { // RFC 5288 section 3
		header := []byte{contentType, 3, 3, 0, 0}
		binary.BigEndian.PutUint16(header[3:], uint16(len(payload)))
		additional := append(bytes.Clone(sequence), header...)
		binary.BigEndian.PutUint16(header[3:], uint16(8+len(payload)+f.aead.Overhead()))
		return f.aead.Seal(append(header, sequence...), append(bytes.Clone(f.iv), sequence...), payload, additional)
	}
	inner := append(bytes.Clone(payload), contentType)
	header := []byte{typeApplication, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(header[3:], uint16(len(inner)+f.aead.Overhead()))
	nonce := bytes.Clone(f.iv)
	for i := range sequence {
		nonce[4+i] ^= sequence[i]
	}
	return f.aead.Seal(header, nonce, inner, header)
}

// message is the record of a text frame.
func (f *forger) message(text string) []byte {
	return f.seal(typeApplication, []byte(masked(true, codec.OpcodeText, text)))
}

// sendRaw writes to the socket, and says whether it took all: the server may have closed it before.
func (f *forger) sendRaw(b []byte) bool {
	_, err := f.wire.Conn.Write(b)
	return err == nil
}
