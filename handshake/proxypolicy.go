package handshake

import "net/netip"

// ProxyMode says which connections begin with a header of the PROXY protocol. No mode
// looks whether a header is there: the protocol forbids it, because then a client could
// send one and be whoever he likes.
type ProxyMode uint8

const (
	// ProxyOff: none. A header is a malformed request and answered with 400.
	ProxyOff ProxyMode = iota
	// ProxyFromTrusted: those of trusted sources, all of them. The others are served
	// too, without a header: from them it is a malformed request.
	ProxyFromTrusted
	// ProxyRequired: all. Only trusted sources may connect.
	ProxyRequired
)

// String names the mode.
func (m ProxyMode) String() string {
	names := [...]string{"off", "trusted", "required"}
	if int(m) < len(names) {
		return names[m]
	}
	return "invalid"
}

// ProxyPolicy says who sends headers of the PROXY protocol. The zero value: nobody.
type ProxyPolicy struct {
	Mode    ProxyMode
	Trusted TrustedProxies // who sends them, by the address of the socket's peer
	// HeaderBytes is the longest header taken, see [ProxyHeader.Parse]; 0 is
	// DefaultProxyBytes.
	HeaderBytes int
}

// Check finds what cannot be meant. The error is a [*ConfigError].
func (p *ProxyPolicy) Check() error {
	fault := ""
	switch {
	case p.Mode > ProxyRequired:
		fault = "there is no such mode"
	case p.Mode != ProxyOff && p.Trusted.IsEmpty():
		fault = "no proxy is trusted, so nobody could send a header; * stands for everyone"
	case p.HeaderBytes < 0:
		fault = "the limit of a header is negative"
	default:
		return nil
	}
	return &ConfigError{"PROXY mode", p.Mode.String(), fault}
}

// Expects reports whether a connection from remote has to begin with a header. If so,
// nothing else is read from it before that, and nothing is answered without it.
func (p *ProxyPolicy) Expects(remote netip.Addr) bool {
	return p.Mode != ProxyOff && p.Trusted.Contains(remote)
}

// Admits reports whether remote may connect at all. If not, the connection is to be
// closed before anything is read.
func (p *ProxyPolicy) Admits(remote netip.Addr) bool {
	return p.Mode != ProxyRequired || p.Trusted.Contains(remote)
}
