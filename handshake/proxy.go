package handshake

import (
	"bytes"
	"net/netip"
)

// DefaultProxyBytes is the longest header of the PROXY protocol taken unless told
// otherwise. Addresses, a checksum and what proxies tell of TLS are well below it;
// a client's whole certificate may not be.
const DefaultProxyBytes = 4 << 10

// ProxyKind says what a header of the PROXY protocol tells about the connection.
type ProxyKind uint8

const (
	// ProxyIncomplete: there is no header yet, or it was refused.
	ProxyIncomplete ProxyKind = iota
	// ProxyLocal: the proxy opened the connection for itself, as health checks do.
	// The addresses are those of the socket.
	ProxyLocal
	// ProxyUnknown: the connection is relayed, but not from one of the families
	// below. The addresses are those of the socket.
	ProxyUnknown
	// ProxyTCP4: relayed from TCP over IPv4.
	ProxyTCP4
	// ProxyTCP6: relayed from TCP over IPv6.
	ProxyTCP6
	// ProxyUnix: relayed from a Unix stream socket, whose addresses are paths.
	ProxyUnix
)

// String names the kind.
func (k ProxyKind) String() string {
	names := [...]string{"incomplete", "local", "unknown", "TCP4", "TCP6", "unix"}
	if int(k) < len(names) {
		return names[k]
	}
	return "invalid"
}

// ProxyHeader is the header of the PROXY protocol, version 1 or 2, which a proxy sends
// ahead of the bytes that it relays. The zero value is ready for use; Reset makes it
// ready for the next connection. It belongs to one goroutine at a time.
//
// Whether a connection begins with a header has to be known beforehand, see
// [ProxyPolicy]: whoever may choose to send one may choose who he is.
type ProxyHeader struct {
	head []byte      // the complete header, lent by the caller; nil until then
	err  *ProxyError // sticky

	version   uint8 // 0 until the first byte
	kind      ProxyKind
	announced ProxyKind // what kind becomes once the header is complete
	cr        bool      // version 1: the last byte was the CR
	pos       int       // next byte to look at
	length    int       // of the whole header, 0 while that is not known
	tlvs      int       // where the TLVs begin; the end where there are none

	source, destination netip.AddrPort
}

// Reset forgets the header and every view of the caller's buffer.
func (p *ProxyHeader) Reset() { *p = ProxyHeader{} }

// Parse reads on in a header. head is all that has arrived on the connection; the bytes
// seen by an earlier call must be the same, though they may lie elsewhere in memory.
// A header of version 2 that is longer than limitBytes is refused; 0 stands for
// [DefaultProxyBytes]. One of version 1 has at most 107 bytes.
//
// When the header is complete, n is its length: what follows is what the client sent,
// and was not looked at. n == 0 without an error asks for more bytes. An error is a
// [*ProxyError] and final, and the connection is to be closed without an answer.
// Nothing is allocated.
func (p *ProxyHeader) Parse(head []byte, limitBytes int) (n int, err error) {
	if p.err != nil {
		return 0, p.err
	}
	if limitBytes <= 0 {
		limitBytes = DefaultProxyBytes
	}
	if p.err = p.scan(head, limitBytes); p.err != nil {
		return 0, p.err
	}
	if p.kind == ProxyIncomplete || len(head) < p.length {
		return 0, nil
	}
	p.head = head[:p.length:p.length]
	return p.length, nil
}

// scan tells the versions apart by the first byte, which no HTTP request shares with
// version 2, and few methods with version 1.
func (p *ProxyHeader) scan(head []byte, limitBytes int) *ProxyError {
	if len(head) == 0 || p.kind != ProxyIncomplete {
		return nil
	}
	switch head[0] {
	case proxyWord[0]:
		p.version = 1
		return p.scanLine(head)
	case proxySignature[0]:
		p.version = 2
		return p.scanBinary(head, limitBytes)
	default:
		return errProxyMissing
	}
}

// Scanned is the number of bytes that Parse has looked at. After an error it is the
// offset of the byte that caused it, or of the element that is wrong as a whole.
func (p *ProxyHeader) Scanned() int { return p.pos }

// Kind says what the header tells; ProxyIncomplete until Parse has returned its length.
func (p *ProxyHeader) Kind() ProxyKind { return p.kind }

// Version is 1 or 2, or 0 before the first byte.
func (p *ProxyHeader) Version() int { return int(p.version) }

// Source is the address of the client, in IPv4 form if it is an IPv4 address written as
// an IPv6 one. It is invalid unless the kind is ProxyTCP4 or ProxyTCP6.
func (p *ProxyHeader) Source() netip.AddrPort { return p.source }

// Destination is the address that the client connected to, valid when Source is.
func (p *ProxyHeader) Destination() netip.AddrPort { return p.destination }

// Paths gives the paths of both ends of a Unix socket, empty where an end has none and
// nil for any other kind. The path of an abstract socket begins with a NUL. Both are
// views of the header.
func (p *ProxyHeader) Paths() (source, destination []byte) {
	if p.head == nil || p.kind != ProxyUnix {
		return nil, nil
	}
	block := p.head[proxyFixedBytes:p.tlvs:p.tlvs] // the NULs that fill a path are no part of it
	return bytes.TrimRight(block[:unixPathBytes:unixPathBytes], "\x00"), bytes.TrimRight(block[unixPathBytes:], "\x00")
}
