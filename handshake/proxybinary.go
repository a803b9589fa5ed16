package handshake

import (
	"encoding/binary"
	"net/netip"
)

const (
	// proxySignature is what version 2 begins with.
	proxySignature = "\r\n\r\n\x00\r\nQUIT\n"
	// proxyFixedBytes is the part of version 2 that every header has.
	proxyFixedBytes = len(proxySignature) + 4
	// unixPathBytes is the size of a path in the addresses.
	unixPathBytes = 108
)

// proxyAddressBytes is the length of the addresses of each kind that has some.
var proxyAddressBytes = [...]int{ProxyTCP4: 2*4 + 2*2, ProxyTCP6: 2*16 + 2*2, ProxyUnix: 2 * unixPathBytes}

// scanBinary reads version 2. Its fixed part is judged byte by byte, the rest when it is
// all there.
func (p *ProxyHeader) scanBinary(head []byte, limitBytes int) *ProxyError {
	for ; p.pos < proxyFixedBytes; p.pos++ {
		if p.pos == len(head) {
			return nil
		}
		if fault := p.scanFixed(head[:p.pos+1], limitBytes); fault != nil {
			return fault
		}
	}
	if len(head) < p.length {
		return nil
	}
	return p.finishBinary(head[:p.length])
}

// scanFixed looks at the last byte of the fixed part.
func (p *ProxyHeader) scanFixed(fixed []byte, limitBytes int) *ProxyError {
	c := fixed[p.pos]
	switch p.pos {
	case 12:
		return p.scanCommand(c)
	case 13:
		return p.scanFamilyByte(c)
	case 14:
	case 15:
		p.length = proxyFixedBytes + int(binary.BigEndian.Uint16(fixed[14:]))
		p.tlvs = proxyFixedBytes + proxyAddressBytes[p.announced]
		switch {
		case p.length > limitBytes:
			return errProxyLong
		case p.length < p.tlvs:
			return errProxyShort
		}
	default:
		if c != proxySignature[p.pos] {
			return errProxyMissing
		}
	}
	return nil
}

// scanCommand reads the version and the command.
func (p *ProxyHeader) scanCommand(c byte) *ProxyError {
	switch {
	case c>>4 != 2:
		return errProxyVersion
	case c&15 == 0:
		p.announced = ProxyLocal
	case c&15 == 1:
		p.announced = ProxyUnknown
	default:
		return errProxyCommand
	}
	return nil
}

// scanFamilyByte reads the family and the transport, which mean nothing in a LOCAL
// header. Datagrams cannot be what is relayed over a stream, so they are unknown.
func (p *ProxyHeader) scanFamilyByte(c byte) *ProxyError {
	family, transport := c>>4, c&15
	switch {
	case p.announced == ProxyLocal:
	case family > 3, transport > 2:
		return errProxyFamily
	case family > 0 && transport == 1:
		p.announced = ProxyUnknown + ProxyKind(family)
	}
	return nil
}

// finishBinary reads the addresses, and judges the TLVs behind them. Of a header that is
// local or unknown, nothing but its length has a meaning.
func (p *ProxyHeader) finishBinary(head []byte) *ProxyError {
	if p.announced == ProxyLocal || p.announced == ProxyUnknown {
		p.tlvs = len(head)
	}
	if fault := p.checkTLVs(head); fault != nil {
		return fault
	}
	switch block := head[proxyFixedBytes:]; p.announced {
	case ProxyTCP4:
		p.source = netip.AddrPortFrom(netip.AddrFrom4([4]byte(block)), binary.BigEndian.Uint16(block[8:]))
		p.destination = netip.AddrPortFrom(netip.AddrFrom4([4]byte(block[4:])), binary.BigEndian.Uint16(block[10:]))
	case ProxyTCP6:
		p.source = netip.AddrPortFrom(netip.AddrFrom16([16]byte(block)).Unmap(), binary.BigEndian.Uint16(block[32:]))
		p.destination = netip.AddrPortFrom(netip.AddrFrom16([16]byte(block[16:])).Unmap(), binary.BigEndian.Uint16(block[34:]))
	}
	p.kind, p.pos = p.announced, len(head)
	return nil
}
