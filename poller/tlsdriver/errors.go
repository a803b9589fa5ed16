package tlsdriver

import "errors"

var (
	// ErrHandshakeTimeout ends a handshake that took longer than Options.HandshakeTimeout.
	ErrHandshakeTimeout = errors.New("tlsdriver: handshake took too long")
	// ErrEvicted ends a handshake that waited while there were Options.MaxHandshakes others.
	ErrEvicted = errors.New("tlsdriver: too many handshakes")
	// ErrNotTLS ends a connection that begins with something else than a TLS record.
	ErrNotTLS = errors.New("tlsdriver: the peer does not speak TLS")
	// ErrKeyUpdates ends a connection whose peer asks for new keys all the time (RFC 8446 section 4.6.3).
	ErrKeyUpdates = errors.New("tlsdriver: too many key updates")

	errEnded = errors.New("tlsdriver: connection ended during its handshake")
)

// errEmpty is what crypto/tls reads when it was given all there is. It does not keep an error that is
// Temporary, so that it can be asked again.
var errEmpty emptyError

type emptyError struct{}

func (emptyError) Error() string   { return "tlsdriver: no more input" }
func (emptyError) Timeout() bool   { return false }
func (emptyError) Temporary() bool { return true }
