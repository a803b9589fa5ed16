package handshake

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
)

// Opening is what a client asks for in its opening handshake (RFC 6455 section 4.1).
type Opening struct {
	// Target is the path and the query: it begins with a slash and holds visible ASCII
	// without "#". Percent-encoding is the caller's business.
	Target string
	// Host is the host with its port, if that is not the default one: a name, an IPv4
	// address, or an IPv6 address in brackets.
	Host string
	// Origin is that of the page for which the client acts: "null", or a scheme, a host
	// and perhaps a port. Who is no browser leaves it empty, and none is sent.
	Origin string
	// Subprotocols are offered in this order, the preferred one first: distinct tokens.
	Subprotocols []string
	// Deflate, if not nil, offers permessage-deflate (RFC 7692).
	Deflate *DeflateOptions
	// Header holds further fields, such as Cookie or Authorization. Besides what
	// [Header.Add] refuses, it must not have Host or Origin.
	Header Header
}

// Prepared is an [Opening] written once, for any number of connections: each adds its own
// key. It is only read, so goroutines may share it.
type Prepared struct {
	request      []byte // complete but for the key
	keyAt        int    // where the key belongs
	subprotocols []string
	deflate      *DeflateOptions
}

// Prepare writes the request. Its error is a [*ConfigError] that names the part of the
// opening that cannot be sent. Nothing of o is kept.
func Prepare(o Opening) (*Prepared, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	p := &Prepared{subprotocols: slices.Clone(o.Subprotocols)}
	if o.Deflate != nil {
		options := *o.Deflate
		p.deflate = &options
	}
	b := append([]byte("GET "), o.Target...)
	b = append(b, " HTTP/1.1\r\n"...)
	b = appendField(b, "Host", o.Host)
	b = append(b, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "...)
	p.keyAt = len(b)
	b = append(b, make([]byte, keyBytes)...)
	b = append(b, "\r\n"...)
	if o.Origin != "" {
		b = appendField(b, "Origin", o.Origin)
	}
	if len(o.Subprotocols) > 0 {
		b = appendField(b, protocolField, strings.Join(o.Subprotocols, ", "))
	}
	if p.deflate != nil {
		b = appendField(b, extensionField, string(p.deflate.AppendOffer(nil)))
	}
	b = append(b, o.Header.lines...)
	p.request = append(b, "\r\n"...)
	return p, nil
}

func (o *Opening) check() error {
	if !strings.HasPrefix(o.Target, "/") {
		return &ConfigError{"target", o.Target, "it does not begin with a slash"}
	}
	for i := range len(o.Target) {
		if c := o.Target[i]; classOf[c]&classPath == 0 && c != '?' {
			return &ConfigError{"target", o.Target, "it holds a fragment or a byte that is not visible ASCII"}
		}
	}
	if !validAuthority([]byte(o.Host)) || strings.HasSuffix(o.Host, ":") {
		return &ConfigError{"host", o.Host, "not a host with an optional port"}
	}
	if o.Origin != "" && o.Origin != "null" {
		if origin, ok := parseOrigin([]byte(o.Origin)); !ok || !validScheme(string(origin.scheme)) {
			return &ConfigError{"origin", o.Origin, "not a scheme, a host and an optional port"}
		}
	}
	if err := CheckSubprotocols(o.Subprotocols); err != nil {
		return err
	}
	if o.Deflate != nil {
		if err := o.Deflate.Check(); err != nil {
			return err
		}
	}
	for line := range bytes.Lines(o.Header.lines) {
		name, _, _ := bytes.Cut(line, []byte(":"))
		if equalFold(name, "Host") || equalFold(name, "Origin") {
			return &ConfigError{"header", string(name), "it has a place of its own in the opening"}
		}
	}
	return nil
}

// Key is the value of Sec-WebSocket-Key: the base64 of a nonce of 16 bytes.
type Key = [keyBytes]byte

// NewKey encodes a nonce, which must be chosen at random for each connection (RFC 6455
// section 4.1).
func NewKey(nonce [16]byte) (key Key) {
	base64.StdEncoding.Encode(key[:], nonce[:])
	return key
}

// Append appends the request of a connection whose key is from [NewKey].
func (p *Prepared) Append(dst []byte, key *Key) []byte {
	at := len(dst) + p.keyAt
	dst = append(dst, p.request...)
	copy(dst[at:], key[:])
	return dst
}
