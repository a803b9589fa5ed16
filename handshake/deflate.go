package handshake

import "strconv"

// DeflateOptions says what this side is willing to agree on for permessage-deflate (RFC 7692
// section 7). The zero value keeps nothing from message to message, in either direction: a
// connection then owns no window. Both roles use it; "server" and "client" are meant as in the
// RFC, whoever reads it. It is only read, so goroutines may share it.
type DeflateOptions struct {
	// ServerContextTakeover lets the server refer to its messages before, and
	// ClientContextTakeover the client to its. The peer may still refuse.
	ServerContextTakeover bool
	ClientContextTakeover bool
	// ServerMaxWindowBits is the binary logarithm of the largest window, in bytes, with which
	// the server may compress, and ClientMaxWindowBits of the client's: 8 to 15, and 0 means
	// 15. A peer that cannot be held to less than 15 has to go without context takeover, so
	// that what its messages cost here stays within what was asked for.
	ServerMaxWindowBits int
	ClientMaxWindowBits int
}

// DeflateParams is what was agreed, or rather what holds: a side that was not obliged to do
// without context takeover, or to keep to a window, but will, is put down as well.
type DeflateParams struct {
	ServerNoContextTakeover bool
	ClientNoContextTakeover bool
	ServerMaxWindowBits     uint8 // 8 to 15
	ClientMaxWindowBits     uint8 // 8 to 15
}

const (
	deflateName   = "permessage-deflate"
	serverNoTake  = "server_no_context_takeover"
	clientNoTake  = "client_no_context_takeover"
	serverBits    = "server_max_window_bits"
	clientBits    = "client_max_window_bits"
	minWindowBits = 8
	maxWindowBits = 15
)

// Check returns a [*ConfigError] for a window that RFC 7692 does not know. Options that it
// refuses are taken as if the window were 15.
func (o *DeflateOptions) Check() error {
	for _, bits := range []int{o.ServerMaxWindowBits, o.ClientMaxWindowBits} {
		if bits != 0 && windowBits(bits) != bits {
			return &ConfigError{"window bits", strconv.Itoa(bits), "must lie between 8 and 15 (RFC 7692 section 7.1.2)"}
		}
	}
	return nil
}

// windowBits gives the window in force for one of the options.
func windowBits(option int) int {
	if option < minWindowBits || option > maxWindowBits {
		return maxWindowBits
	}
	return option
}

// deflateElement is one permessage-deflate element of Sec-WebSocket-Extensions, of an offer or
// of an answer. Windows are 0 where there is no parameter.
type deflateElement struct {
	serverNoTakeover bool
	clientNoTakeover bool
	serverBits       int
	clientBits       int
	clientBitsAny    bool // client_max_window_bits without a value
}

// parseDeflate reads the parameters of an element. It is not ok if one is unknown, occurs
// twice, or has a value that it must not have (RFC 7692 section 7.1).
func parseDeflate(params []Param) (e deflateElement, ok bool) {
	for _, p := range params {
		switch string(p.Name) {
		case serverNoTake:
			ok = p.Value == nil && !e.serverNoTakeover
			e.serverNoTakeover = true
		case clientNoTake:
			ok = p.Value == nil && !e.clientNoTakeover
			e.clientNoTakeover = true
		case serverBits:
			ok = e.serverBits == 0
			e.serverBits = parseWindowBits(p.Value)
			ok = ok && e.serverBits != 0
		case clientBits:
			ok = e.clientBits == 0 && !e.clientBitsAny
			e.clientBits, e.clientBitsAny = parseWindowBits(p.Value), p.Value == nil
			ok = ok && (e.clientBits != 0 || e.clientBitsAny)
		default:
			ok = false
		}
		if !ok {
			return e, false
		}
	}
	return e, true
}

// parseWindowBits reads 8 to 15 without leading zeros (RFC 7692 section 7.1.2); 0 is a fault.
func parseWindowBits(value []byte) int {
	switch {
	case len(value) == 1 && '8' <= value[0] && value[0] <= '9':
		return int(value[0] - '0')
	case len(value) == 2 && value[0] == '1' && '0' <= value[1] && value[1] <= '5':
		return 10 + int(value[1]-'0')
	}
	return 0
}

// append writes the element. A window of 0 is left out.
func (e *deflateElement) append(dst []byte) []byte {
	dst = append(dst, deflateName...)
	if e.serverNoTakeover {
		dst = append(dst, "; "+serverNoTake...)
	}
	if e.clientNoTakeover {
		dst = append(dst, "; "+clientNoTake...)
	}
	if e.serverBits != 0 {
		dst = strconv.AppendInt(append(dst, "; "+serverBits+"="...), int64(e.serverBits), 10)
	}
	switch {
	case e.clientBits != 0:
		dst = strconv.AppendInt(append(dst, "; "+clientBits+"="...), int64(e.clientBits), 10)
	case e.clientBitsAny:
		dst = append(dst, "; "+clientBits...)
	}
	return dst
}
