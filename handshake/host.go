package handshake

import "bytes"

// validAuthority reports whether b is a host with an optional port (RFC 3986 section
// 3.2.2 and 3.2.3). Two things the grammar allows are refused: sub-delims, because
// a comma makes one name look like two, and percent-encoding, because peers differ on
// when to decode it. No name in DNS has either.
func validAuthority(b []byte) bool {
	host, port := splitPort(b)
	if len(host) == 0 {
		return false
	}
	if _, ok := portNumber(port); !ok && len(port) > 1 {
		return false
	}
	if host[0] == '[' {
		return host[len(host)-1] == ']' && validIPv6(host[1:len(host)-1])
	}
	return all(host, classHost)
}

// splitPort cuts before the colon of the port; port keeps its colon and is empty when
// there is none. Colons within brackets belong to the host.
func splitPort(b []byte) (host, port []byte) {
	from := bytes.IndexByte(b, ']') + 1
	if i := bytes.IndexByte(b[from:], ':'); i >= 0 {
		return b[:from+i], b[from+i:]
	}
	return b, nil
}

// portNumber reads ":" and one to five digits.
func portNumber(b []byte) (port int, ok bool) {
	if len(b) < 2 || len(b) > 6 || b[0] != ':' || !all(b[1:], classDigit) {
		return 0, false
	}
	for _, c := range b[1:] {
		port = port*10 + int(c-'0')
	}
	return port, port <= 65535
}

// validIPv6 checks an IPv6 address without a zone: eight groups of one to four
// hexadecimal digits, of which one "::" may stand for some and an IPv4 address for the
// last two (RFC 3986 section 3.2.2). netip.ParseAddr would need a string that escapes.
func validIPv6(b []byte) bool {
	groups, elided := 0, false
	if bytes.HasPrefix(b, []byte("::")) {
		b, elided = b[2:], true
	}
	for len(b) > 0 {
		end := skip(b, 0, classHexDig)
		if end < len(b) && b[end] == '.' {
			groups += 2
			return validIPv4(b) && fillsAddress(groups, elided)
		}
		if groups++; end == 0 || end > 4 || groups > 8 {
			return false
		}
		b = b[end:]
		switch {
		case len(b) == 0:
		case bytes.HasPrefix(b, []byte("::")):
			if elided {
				return false
			}
			b, elided = b[2:], true
		case b[0] == ':' && len(b) > 1:
			b = b[1:]
		default:
			return false
		}
	}
	return fillsAddress(groups, elided)
}

// fillsAddress: "::" stands for at least one group.
func fillsAddress(groups int, elided bool) bool {
	return groups < 8 && elided || groups == 8 && !elided
}

// validIPv4 checks four numbers up to 255 without leading zeros.
func validIPv4(b []byte) bool {
	for part := range 4 {
		end := skip(b, 0, classDigit)
		if end == 0 || end > 3 || end > 1 && b[0] == '0' {
			return false
		}
		value := 0
		for _, c := range b[:end] {
			value = value*10 + int(c-'0')
		}
		b = b[end:]
		if value > 255 || part < 3 && (len(b) == 0 || b[0] != '.') {
			return false
		}
		if part < 3 {
			b = b[1:]
		}
	}
	return len(b) == 0
}
