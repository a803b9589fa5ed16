package handshake

import (
	"encoding/binary"
	"hash/crc32"
	"iter"
)

// TLVType is the type of a TLV, a piece of information behind the addresses of version
// 2 of the PROXY protocol (section 2.2). From 0xe0 to 0xef are types of applications,
// such as 0xea of Amazon's load balancers.
type TLVType uint8

const (
	// TLVALPN is the protocol agreed on by ALPN, such as http/1.1.
	TLVALPN TLVType = 0x01
	// TLVAuthority is the host name that the client asked for, the SNI of TLS.
	TLVAuthority TLVType = 0x02
	// TLVCRC32C is a checksum of the header. It was verified if it is there.
	TLVCRC32C TLVType = 0x03
	// TLVNoop is padding.
	TLVNoop TLVType = 0x04
	// TLVUniqueID is the proxy's identifier of the connection, up to 128 bytes.
	TLVUniqueID TLVType = 0x05
	// TLVTLS is what [ProxyHeader.TLS] reads.
	TLVTLS TLVType = 0x20
	// TLVNetNS is the name of the network namespace.
	TLVNetNS TLVType = 0x30

	// TLVTLSVersion is, within TLVTLS, the version, such as TLSv1.3.
	TLVTLSVersion TLVType = 0x21
	// TLVCommonName is, within TLVTLS, the common name of the client's certificate.
	TLVCommonName TLVType = 0x22
	// TLVCipher is, within TLVTLS, the name of the cipher.
	TLVCipher TLVType = 0x23
)

const (
	tlvHeadBytes    = 3
	tlsFixedBytes   = 5 // flags and the result of the verification
	maxUniqueID     = 128
	tlsFlag         = 1 << 0 // the client uses TLS
	certificateFlag = 1 << 1 // and presented a certificate on this connection, or
	resumedFlag     = 1 << 2 // earlier in this session
)

// TLVs goes over the TLVs in order. The values are views of the header.
func (p *ProxyHeader) TLVs() iter.Seq2[TLVType, []byte] {
	return func(yield func(TLVType, []byte) bool) {
		if p.head == nil {
			return
		}
		for t, value, rest, ok := cutTLV(p.head[p.tlvs:]); ok && yield(t, value); {
			t, value, rest, ok = cutTLV(rest)
		}
	}
}

// TLV gives the value of the first TLV of type t, a view of the header.
func (p *ProxyHeader) TLV(t TLVType) (value []byte, ok bool) {
	if p.head == nil {
		return nil, false
	}
	return findTLV(p.head[p.tlvs:], t)
}

// ProxyTLS is what a proxy tells of the TLS that it speaks with the client.
type ProxyTLS struct {
	Used        bool // the client uses TLS
	Certificate bool // it presented a certificate, on this connection or earlier in its session
	Verified    bool // that certificate was verified

	tlvs []byte
}

// TLS reads the TLV of type [TLVTLS]; ok is false if there is none.
func (p *ProxyHeader) TLS() (t ProxyTLS, ok bool) {
	value, ok := p.TLV(TLVTLS)
	if !ok {
		return t, false
	}
	t.Used = value[0]&tlsFlag != 0
	t.Certificate = value[0]&(certificateFlag|resumedFlag) != 0
	t.Verified = t.Certificate && binary.BigEndian.Uint32(value[1:]) == 0
	t.tlvs = value[tlsFixedBytes:]
	return t, true
}

// TLV gives the value of the first TLV of type t within, such as [TLVTLSVersion].
func (t ProxyTLS) TLV(typ TLVType) (value []byte, ok bool) { return findTLV(t.tlvs, typ) }

// cutTLV takes the first TLV off b; ok is false if b does not begin with a whole one.
func cutTLV(b []byte) (t TLVType, value, rest []byte, ok bool) {
	if len(b) < tlvHeadBytes {
		return 0, nil, nil, false
	}
	end := tlvHeadBytes + int(binary.BigEndian.Uint16(b[1:]))
	if len(b) < end {
		return 0, nil, nil, false
	}
	return TLVType(b[0]), b[tlvHeadBytes:end:end], b[end:], true
}

func findTLV(b []byte, want TLVType) (value []byte, ok bool) {
	for {
		t, value, rest, ok := cutTLV(b)
		if !ok || t == want {
			return value, ok
		}
		b = rest
	}
}

// checkTLVs judges what follows the addresses: whole TLVs and nothing else.
func (p *ProxyHeader) checkTLVs(head []byte) *ProxyError {
	for p.pos = p.tlvs; p.pos < len(head); {
		t, value, rest, ok := cutTLV(head[p.pos:])
		switch {
		case !ok:
			return errProxyTLV
		case t == TLVCRC32C && !checksumHolds(head, p.pos+tlvHeadBytes, len(value)):
			return errProxyChecksum
		case t == TLVUniqueID && len(value) > maxUniqueID:
			return errProxyUniqueID
		case t == TLVTLS && (len(value) < tlsFixedBytes || !wholeTLVs(value[tlsFixedBytes:])):
			return errProxyTLV
		}
		p.pos = len(head) - len(rest)
	}
	return nil
}

func wholeTLVs(b []byte) bool {
	for len(b) > 0 {
		_, _, rest, ok := cutTLV(b)
		if !ok {
			return false
		}
		b = rest
	}
	return true
}

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	noChecksum [crc32.Size]byte // it never changes; on the stack it would escape
)

// checksumHolds computes the CRC32C of head with zeros where it stands (section 2.2.3).
func checksumHolds(head []byte, at, n int) bool {
	if n != len(noChecksum) {
		return false
	}
	sum := crc32.Update(0, castagnoli, head[:at])
	sum = crc32.Update(sum, castagnoli, noChecksum[:])
	sum = crc32.Update(sum, castagnoli, head[at+n:])
	return sum == binary.BigEndian.Uint32(head[at:])
}
