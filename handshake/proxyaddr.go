package handshake

import "net/netip"

// parseIPv4 reads four decimal numbers without leading zeros. netip.ParseAddr would need
// a string that escapes.
func parseIPv4(b []byte) (netip.Addr, bool) {
	if !validIPv4(b) {
		return netip.Addr{}, false
	}
	var bytes [4]byte
	part := 0
	for _, c := range b {
		if c == '.' {
			part++
		} else {
			bytes[part] = bytes[part]*10 + c - '0'
		}
	}
	return netip.AddrFrom4(bytes), true
}

// parseIPv6 reads an IPv6 address without a zone. Which text is one, validIPv6 decides.
func parseIPv6(b []byte) (netip.Addr, bool) {
	if !validIPv6(b) {
		return netip.Addr{}, false
	}
	var bytes [16]byte
	filled, elided := 0, -1 // elided: where "::" stands
	for len(b) > 0 {
		if b[0] == ':' {
			if b = b[1:]; b[0] == ':' {
				b, elided = b[1:], filled
			}
			continue
		}
		end := skip(b, 0, classHexDig)
		if end < len(b) && b[end] == '.' {
			v4, _ := parseIPv4(b)
			tail := v4.As4()
			filled += copy(bytes[filled:], tail[:])
			break
		}
		group := 0
		for _, c := range b[:end] {
			group = group<<4 | hexValue(c)
		}
		bytes[filled], bytes[filled+1] = byte(group>>8), byte(group)
		filled, b = filled+2, b[end:]
	}
	if elided >= 0 {
		n := filled - elided
		copy(bytes[len(bytes)-n:], bytes[elided:filled])
		clear(bytes[elided : len(bytes)-n])
	}
	return netip.AddrFrom16(bytes), true
}

// hexValue reads one hexadecimal digit.
func hexValue(c byte) int {
	if c <= '9' {
		return int(c - '0')
	}
	return int(lower(c)-'a') + 10
}
