//go:build linux

package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
)

// Sizes of TLS_AES_128_GCM_SHA256.
const (
	keyLen   = 16
	nonceLen = 12
	tagLen   = 16
)

// Labels of the secrets in a key log, as NSS writes them.
const (
	clientSecret = "CLIENT_TRAFFIC_SECRET_0 "
	serverSecret = "SERVER_TRAFFIC_SECRET_0 "
)

// half is one direction of a connection (RFC 8446 section 5.3).
type half struct {
	aead   cipher.AEAD
	iv     [nonceLen]byte
	number uint64 // of the next record
	nonce  [nonceLen]byte
}

// newHalf derives the keys of a direction from its secret (RFC 8446 section 7.3).
func newHalf(secret []byte) (*half, error) {
	key, err := expand(secret, "key", keyLen)
	if err != nil {
		return nil, err
	}
	iv, err := expand(secret, "iv", nonceLen)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return &half{aead: aead, iv: [nonceLen]byte(iv)}, err
}

// expand is HKDF-Expand-Label without a context (RFC 8446 section 7.1).
func expand(secret []byte, label string, n int) ([]byte, error) {
	const prefix = "tls13 "
	info := append([]byte{0, byte(n), byte(len(prefix) + len(label))}, prefix+label+"\x00"...)
	return hkdf.Expand(sha256.New, secret, string(info), n)
}

// next returns the nonce of the next record.
func (h *half) next() []byte {
	h.nonce = h.iv
	for i := range 8 {
		h.nonce[nonceLen-1-i] ^= byte(h.number >> (8 * i))
	}
	h.number++
	return h.nonce[:]
}

// secretOf finds a secret in what crypto/tls wrote to a key log.
func secretOf(log []byte, label string) ([]byte, error) {
	for line := range bytes.Lines(log) {
		if rest, found := bytes.CutPrefix(line, []byte(label)); found {
			if _, secret, found := bytes.Cut(bytes.TrimSpace(rest), []byte(" ")); found {
				return hex.AppendDecode(nil, secret)
			}
		}
	}
	return nil, errors.New("no secret in the key log: " + label)
}
