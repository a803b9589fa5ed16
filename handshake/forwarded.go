package handshake

import "net/netip"

// DefaultForwardedField is the field that [Forwarding] reads unless told otherwise.
const DefaultForwardedField = "X-Forwarded-For"

// Forwarding says whose word about the address of a client is taken, and in which field
// it stands. The zero value takes nobody's.
type Forwarding struct {
	// Trusted are the proxies. Each of them has to append the address of its own peer
	// to the field, or to replace what the field held.
	Trusted TrustedProxies
	// Field is the one field that is read: "Forwarded" by the grammar of RFC 7239,
	// every other name as a list of addresses. Empty is DefaultForwardedField. It has
	// to be one that the proxies write: what they let pass, the client wrote.
	Field string
}

// ClientSource says where the address of a client was found.
type ClientSource uint8

const (
	// ClientIsPeer: it is the peer of the connection, or no proxy said anything.
	ClientIsPeer ClientSource = iota
	// ClientForwarded: trusted proxies name it.
	ClientForwarded
	// ClientHidden: the last trusted proxy names something that is no address, such as
	// "unknown" or a pseudonym. The address is that of this proxy.
	ClientHidden
)

// String names the source.
func (s ClientSource) String() string {
	names := [...]string{"peer", "forwarded", "hidden"}
	if int(s) < len(names) {
		return names[s]
	}
	return "invalid"
}

// Check finds what cannot be meant. The error is a [*ConfigError].
func (f *Forwarding) Check() error {
	if f.Field != "" && !all(f.Field, classToken) {
		return &ConfigError{"forwarding field", f.Field, "it is not the name of a header field"}
	}
	return nil
}

// Client gives the address of the client of r, whose connection comes from peer: that of
// the socket, or the one in a header of the PROXY protocol. IPv4 addresses have IPv4
// form. The port is 0 where a proxy does not tell it.
//
// Proxies append, so the list is read from its end, and each address is believed as long
// as the one that reported it is trusted. The first that is not trusted is the client;
// what stands before it may be anything and is not looked at. If all are trusted, the
// first of the list is the client. Several fields are one list, and empty elements do not
// count. Nothing is allocated.
func (f *Forwarding) Client(r *Request, peer netip.AddrPort) (client netip.AddrPort, source ClientSource) {
	client = netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
	name := f.Field
	if name == "" {
		name = DefaultForwardedField
	}
	cut, read := cutLastPlain, parseNode
	if equalFold(name, "Forwarded") {
		cut, read = cutLastQuoted, parseForwarded
	}
	for i := r.previous(name, len(r.fields)); i >= 0; i = r.previous(name, i) {
		element, list := cut(r.valueAt(i))
		for ; element != nil; element, list = cut(list) {
			if !f.Trusted.Contains(client.Addr()) {
				return client, source
			}
			hop, ok := read(element)
			if !ok {
				return client, ClientHidden
			}
			client, source = hop, ClientForwarded
		}
	}
	return client, source
}

// previous gives the index of the last field called name before index i, or -1.
func (m *message) previous(name string, i int) int {
	fields := m.complete()
	for i = min(i, len(fields)) - 1; i >= 0; i-- {
		if equalFold(fields[i].name.of(m.head), name) {
			return i
		}
	}
	return -1
}
