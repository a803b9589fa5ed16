package handshake

import (
	"bytes"
	"net/netip"
	"strings"
)

const (
	proxyWord = "PROXY " // what version 1 begins with
	// maxProxyLine is the longest line of version 1, its CRLF included.
	maxProxyLine = 107
)

// scanLine reads version 1: one line, whose addresses are looked at once it is complete,
// as section 2.1 asks.
func (p *ProxyHeader) scanLine(head []byte) *ProxyError {
	for ; p.pos < len(head) && p.kind == ProxyIncomplete; p.pos++ {
		if fault := p.scanLineByte(head[:p.pos+1]); fault != nil {
			return fault
		}
	}
	return nil
}

// scanLineByte looks at the last byte of line.
func (p *ProxyHeader) scanLineByte(line []byte) *ProxyError {
	c := line[p.pos]
	switch {
	case p.pos == maxProxyLine:
		return errProxyLineLong
	case p.pos < len(proxyWord):
		if c != proxyWord[p.pos] {
			return errProxyMissing
		}
	case p.announced == ProxyIncomplete:
		return p.scanFamily(line[len(proxyWord):])
	case p.cr:
		if c != '\n' {
			return errProxyCR
		}
		return p.finishLine(line)
	case c == '\r':
		p.cr = true
	case c == '\n':
		return errProxyLF
	case p.announced != ProxyUnknown && c != ' ' && c != '.' && c != ':' && classOf[c]&classHexDig == 0:
		return errProxyByte
	}
	return nil
}

// scanFamily reads the word that says what is relayed. UNKNOWN may end the line.
func (p *ProxyHeader) scanFamily(word []byte) *ProxyError {
	last := word[len(word)-1]
	if last != ' ' && last != '\r' {
		for _, family := range [...]string{"TCP4", "TCP6", "UNKNOWN"} {
			if strings.HasPrefix(family, string(word)) {
				return nil
			}
		}
		return errProxyFamilyWord
	}
	switch string(word[:len(word)-1]) {
	case "TCP4":
		p.announced = ProxyTCP4
	case "TCP6":
		p.announced = ProxyTCP6
	case "UNKNOWN":
		p.announced = ProxyUnknown
	default:
		return errProxyFamilyWord
	}
	if p.cr = last == '\r'; p.cr && p.announced != ProxyUnknown {
		return errProxyFields
	}
	return nil
}

// finishLine reads the four fields of a complete line. What follows UNKNOWN means
// nothing, whatever it is.
func (p *ProxyHeader) finishLine(line []byte) *ProxyError {
	if p.announced != ProxyUnknown {
		fields := line[len("PROXY TCP4 ") : len(line)-len("\r\n")]
		from, fields, _ := bytes.Cut(fields, []byte(" "))
		to, fields, _ := bytes.Cut(fields, []byte(" "))
		fromPort, toPort, whole := bytes.Cut(fields, []byte(" "))
		if !whole {
			return errProxyFields
		}
		parse := parseIPv4
		if p.announced == ProxyTCP6 {
			parse = parseIPv6
		}
		source, ok := parse(from)
		destination, ok2 := parse(to)
		if !ok || !ok2 {
			return errProxyAddress
		}
		sourcePort, ok := proxyPort(fromPort)
		destinationPort, ok2 := proxyPort(toPort)
		if !ok || !ok2 {
			return errProxyPort
		}
		p.source = netip.AddrPortFrom(source.Unmap(), sourcePort)
		p.destination = netip.AddrPortFrom(destination.Unmap(), destinationPort)
	}
	p.kind, p.length, p.tlvs = p.announced, len(line), len(line)
	return nil
}

// proxyPort reads a decimal number up to 65535 without leading zeros.
func proxyPort(b []byte) (port uint16, ok bool) {
	if len(b) == 0 || len(b) > 5 || len(b) > 1 && b[0] == '0' || !all(b, classDigit) {
		return 0, false
	}
	n := 0
	for _, c := range b {
		n = n*10 + int(c-'0')
	}
	return uint16(n), n <= 65535
}
