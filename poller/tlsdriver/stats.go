package tlsdriver

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"
)

// Stats count what a driver did.
type Stats struct {
	// Pending is the number of handshakes in progress, and of connections that linger after one failed.
	Pending atomic.Int64
	// Handshakes succeeded; of these, Resumed used a session of before.
	Handshakes atomic.Uint64
	Resumed    atomic.Uint64
	// Adopted connections had their handshake elsewhere.
	Adopted atomic.Uint64
	// TimedOut and Evicted handshakes were ended here.
	TimedOut atomic.Uint64
	Evicted  atomic.Uint64
	// PlainHTTP connections began with a request in plaintext, which was answered. They are among the failures as well.
	PlainHTTP atomic.Uint64
	// Truncated connections ended with FIN and without close_notify.
	Truncated atomic.Uint64
	// KeyUpdates were answered.
	KeyUpdates atomic.Uint64
	// Broken connections were ended after their handshake for what the peer sent. LastBroken tells of the last one.
	Broken     atomic.Uint64
	lastBroken atomic.Pointer[error]

	failures [classes]failure
}

// Class is why a handshake failed.
type Class int

const (
	// Gone: the peer ended the connection.
	Gone Class = iota
	// NotTLS: what the peer sent is not TLS.
	NotTLS
	// Alert: the peer refused, with an alert.
	Alert
	// Certificate: the peer's certificate was not accepted.
	Certificate
	// Protocol: everything else that was refused here: versions, ciphers, application protocols, malformed messages.
	Protocol

	classes
)

// String is the name of the class in small letters, for labels.
func (c Class) String() string {
	return [classes]string{"gone", "not-tls", "alert", "certificate", "protocol"}[c]
}

// Classes are all of them.
func Classes() []Class { return []Class{Gone, NotTLS, Alert, Certificate, Protocol} }

type failure struct {
	count atomic.Uint64
	last  atomic.Pointer[error]
}

// Failed is how many handshakes failed for a reason, and the last error. It may hold text of the peer's making: print it with %q.
func (s *Stats) Failed(c Class) (count uint64, last error) {
	f := &s.failures[c]
	if p := f.last.Load(); p != nil {
		last = *p
	}
	return f.count.Load(), last
}

// LastBroken is the error that ended the last of Broken.
func (s *Stats) LastBroken() error {
	if p := s.lastBroken.Load(); p != nil {
		return *p
	}
	return nil
}

// fail counts a handshake.
func (s *Stats) fail(err error) {
	f := &s.failures[classOf(err)]
	f.count.Add(1)
	f.last.Store(&err)
}

// breaks counts a connection that is ended for what its peer sent.
func (s *Stats) breaks(err error) {
	s.Broken.Add(1)
	s.lastBroken.Store(&err)
}

// count notes a handshake that succeeded.
func (s *Stats) count(c *tls.Conn) {
	if c.ConnectionState().DidResume {
		s.Resumed.Add(1)
	}
	s.Handshakes.Add(1)
}

func classOf(err error) Class {
	var (
		header      tls.RecordHeaderError
		operation   *net.OpError
		certificate *tls.CertificateVerificationError
		invalid     x509.CertificateInvalidError
		unknown     x509.UnknownAuthorityError
		errno       syscall.Errno
	)
	switch {
	case errors.Is(err, ErrNotTLS) || errors.As(err, &header):
		return NotTLS
	case errors.As(err, &operation) && operation.Op == "remote error":
		return Alert
	case errors.As(err, &certificate) || errors.As(err, &invalid) || errors.As(err, &unknown):
		return Certificate
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errEnded) || errors.As(err, &errno):
		return Gone
	}
	return Protocol
}
