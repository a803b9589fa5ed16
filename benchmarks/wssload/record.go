//go:build linux

package main

import (
	"errors"
	"fmt"
)

// Content types (RFC 8446 section 5.1).
const (
	typeAlert       = 21
	typeHandshake   = 22
	typeApplication = 23
)

const (
	recordHeaderLen = 5
	maxPlaintext    = 1 << 14
	// maxRecord is with its header, padding and tag (RFC 8446 section 5.2).
	maxRecord = recordHeaderLen + maxPlaintext + 256
)

// seal appends a message as records.
func (h *half) seal(to, message []byte) []byte {
	for len(message) > 0 {
		piece := message[:min(len(message), maxPlaintext)]
		message = message[len(piece):]
		ciphertextLen := len(piece) + 1 + tagLen
		start := len(to)
		to = append(to, typeApplication, 3, 3, byte(ciphertextLen>>8), byte(ciphertextLen))
		to = append(append(to, piece...), typeApplication)
		inner := to[start+recordHeaderLen:]
		sealed := h.aead.Seal(inner[:0], h.next(), inner, to[start:start+recordHeaderLen])
		to = append(to[:start+recordHeaderLen], sealed...) // where it is already, if there was room
	}
	return to
}

// recordLen is the length of the record at the start of b with its header, or 0 if not all of it is there.
func recordLen(b []byte) (int, error) {
	if len(b) < recordHeaderLen {
		return 0, nil
	}
	n := recordHeaderLen + int(b[3])<<8 + int(b[4])
	if n > maxRecord {
		return 0, fmt.Errorf("a record of %d bytes", n)
	}
	if len(b) < n {
		return 0, nil
	}
	return n, nil
}

// open decrypts a record in place. What is not application data but may come is empty: session tickets.
func (h *half) open(record []byte) (plaintext []byte, err error) {
	if record[0] != typeApplication {
		return nil, fmt.Errorf("a record of type %d behind the handshake", record[0])
	}
	inner, err := h.aead.Open(record[recordHeaderLen:recordHeaderLen], h.next(), record[recordHeaderLen:], record[:recordHeaderLen])
	if err != nil {
		return nil, err
	}
	for len(inner) > 0 && inner[len(inner)-1] == 0 { // padding
		inner = inner[:len(inner)-1]
	}
	if len(inner) == 0 {
		return nil, errors.New("a record without a type")
	}
	const newSessionTicket = 4
	inner, kind := inner[:len(inner)-1], inner[len(inner)-1]
	switch {
	case kind == typeApplication:
		return inner, nil
	case kind == typeHandshake && len(inner) > 0 && inner[0] == newSessionTicket:
		return nil, nil
	case kind == typeAlert:
		return nil, fmt.Errorf("the server sent an alert: %d", inner)
	}
	return nil, fmt.Errorf("the server sent a message of type %d", kind)
}
