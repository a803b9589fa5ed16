package handshake

import (
	"bytes"
	"net/netip"
)

// cutLastPlain takes the last element that is not empty off a comma-separated list
// without quoting; element is nil when there is none.
func cutLastPlain(list []byte) (element, rest []byte) {
	for len(list) > 0 {
		comma := bytes.LastIndexByte(list, ',')
		element, list = trimBlanks(list[comma+1:]), list[:max(comma, 0)]
		if len(element) > 0 {
			return element, list
		}
	}
	return nil, nil
}

// cutLastQuoted does the same where commas may stand in quoted strings.
func cutLastQuoted(list []byte) (element, rest []byte) {
	for len(list) > 0 {
		comma := lastComma(list)
		element, list = trimBlanks(list[comma+1:]), list[:max(comma, 0)]
		if len(element) > 0 {
			return element, list
		}
	}
	return nil, nil
}

// lastComma finds the last comma outside quoted strings, or gives -1. It reads from the
// end on purpose: what a proxy appended is found whole, even where a client left a quote
// open before it. A quote within a quoted string follows a backslash; the one that opens
// the string does not, for it follows an equals sign.
func lastComma(list []byte) int {
	quoted := false
	for i := len(list) - 1; i >= 0; i-- {
		switch list[i] {
		case '"':
			if !quoted || i == 0 || list[i-1] != '\\' {
				quoted = !quoted
			}
		case ',':
			if !quoted {
				return i
			}
		}
	}
	return -1
}

// parseForwarded reads the address in one forwarded-element (RFC 7239 section 4): pairs
// between semicolons, of which "for" names the node. ok is false if the element is
// malformed or names no address.
func parseForwarded(element []byte) (node netip.AddrPort, ok bool) {
	var name, value, found []byte
	for rest := element; len(rest) > 0; {
		if name, value, rest, ok = cutPair(rest); !ok {
			return node, false
		}
		if equalFold(name, "for") {
			if found != nil {
				return node, false
			}
			found = value
		}
	}
	return parseNode(found)
}

// cutPair takes a forwarded-pair off b, with the semicolon behind it. The pair may be
// empty. Blanks around semicolons, which the grammar lacks, are taken. The value of a
// quoted string keeps its backslashes.
func cutPair(b []byte) (name, value, rest []byte, ok bool) {
	b = trimBlanks(b)
	end := skip(b, 0, classToken)
	if name, b = b[:end], b[end:]; end > 0 {
		if len(b) == 0 || b[0] != '=' {
			return nil, nil, nil, false
		}
		if value, b, ok = cutValue(b[1:]); !ok {
			return nil, nil, nil, false
		}
		b = trimBlanks(b)
	}
	if len(b) == 0 {
		return name, value, nil, true
	}
	return name, value, b[1:], b[0] == ';'
}

// cutValue takes a token or a quoted string off b.
func cutValue(b []byte) (value, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '"' {
		end := skip(b, 0, classToken)
		return b[:end], b[end:], end > 0
	}
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return b[1:i], b[i+1:], true
		}
	}
	return nil, nil, false
}

// parseNode reads an address with or without a port (RFC 7239 section 6): 192.0.2.1,
// 192.0.2.1:80, [2001:db8::1], [2001:db8::1]:80, and 2001:db8::1 as it stands in lists
// of addresses. A port may be a pseudonym. Everything else is no address: "unknown", a
// pseudonym, a name, a zone.
func parseNode(b []byte) (node netip.AddrPort, ok bool) {
	var address netip.Addr
	host, port := splitPort(b)
	switch {
	case bytes.Count(b, []byte(":")) > 1 && b[0] != '[':
		address, ok = parseIPv6(b)
		port = nil
	case len(host) > 1 && host[0] == '[' && host[len(host)-1] == ']':
		address, ok = parseIPv6(host[1 : len(host)-1])
	default:
		address, ok = parseIPv4(host)
	}
	number, numeric := portNumber(port)
	if !ok || len(port) > 0 && !numeric && !isPseudonym(port[1:]) {
		return netip.AddrPort{}, false
	}
	if !numeric {
		number = 0
	}
	return netip.AddrPortFrom(address.Unmap(), uint16(number)), true
}

// isPseudonym reports whether b is an obfuscated identifier (RFC 7239 section 6.3).
func isPseudonym(b []byte) bool {
	return len(b) > 1 && b[0] == '_' && all(b[1:], classHost)
}
