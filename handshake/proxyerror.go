package handshake

import "errors"

// ProxyError says why what a connection begins with is not taken for a header of the
// PROXY protocol. Every ProxyError is built once, so a refusal allocates nothing.
// errors.Is tells its kind: [ErrProxyMissing], [ErrProxyMalformed],
// [ErrProxyUnsupported] or [ErrProxyTooLarge].
type ProxyError struct {
	Reason string // a plain phrase; never bytes of the peer

	kind error
}

// Error gives the reason.
func (e *ProxyError) Error() string { return "handshake: PROXY header: " + e.Reason }

// Unwrap gives the kind.
func (e *ProxyError) Unwrap() error { return e.kind }

// Kinds of [ProxyError].
var (
	// ErrProxyMissing: the connection does not begin with a header.
	ErrProxyMissing = errors.New("handshake: the connection does not begin with a PROXY header")
	// ErrProxyMalformed: the header breaks the rules of its version.
	ErrProxyMalformed = errors.New("handshake: the PROXY header is malformed")
	// ErrProxyUnsupported: a version, command or family that is not defined.
	ErrProxyUnsupported = errors.New("handshake: the PROXY header is of an unknown kind")
	// ErrProxyTooLarge: the header exceeds its limit.
	ErrProxyTooLarge = errors.New("handshake: the PROXY header is too large")
)

// The sections are those of the specification that comes with HAProxy.
var (
	errProxyMissing    = &ProxyError{"the connection does not begin with one; does the proxy send it?", ErrProxyMissing}
	errProxyVersion    = &ProxyError{"the version is neither 1 nor 2 (section 2.2)", ErrProxyUnsupported}
	errProxyCommand    = &ProxyError{"the command is neither LOCAL nor PROXY (section 2.2)", ErrProxyUnsupported}
	errProxyFamily     = &ProxyError{"the address family or the transport is not defined (section 2.2)", ErrProxyUnsupported}
	errProxyFamilyWord = &ProxyError{"what is relayed is none of TCP4, TCP6 and UNKNOWN (section 2.1)", ErrProxyUnsupported}
	errProxyLineLong   = &ProxyError{"the line has more than 107 bytes (section 2.1)", ErrProxyTooLarge}
	errProxyLong       = &ProxyError{"it is longer than is taken here", ErrProxyTooLarge}
	errProxyCR         = &ProxyError{"a CR is not followed by LF (section 2.1)", ErrProxyMalformed}
	errProxyLF         = &ProxyError{"the line ends in LF without CR (section 2.1)", ErrProxyMalformed}
	errProxyByte       = &ProxyError{"a byte belongs neither to an address nor to a port (section 2.1)", ErrProxyMalformed}
	errProxyFields     = &ProxyError{"there are not two addresses and two ports between single spaces (section 2.1)", ErrProxyMalformed}
	errProxyAddress    = &ProxyError{"an address is not one of the family announced (section 2.1)", ErrProxyMalformed}
	errProxyPort       = &ProxyError{"a port is not a number up to 65535 without leading zeros (section 2.1)", ErrProxyMalformed}
	errProxyShort      = &ProxyError{"it ends within the addresses (section 2.2)", ErrProxyMalformed}
	errProxyTLV        = &ProxyError{"what follows the addresses is not whole TLVs (section 2.2)", ErrProxyMalformed}
	errProxyUniqueID   = &ProxyError{"the unique ID has more than 128 bytes (section 2.2.5)", ErrProxyMalformed}
	errProxyChecksum   = &ProxyError{"the checksum is wrong (section 2.2.3)", ErrProxyMalformed}
)
