package handshake

import (
	"net/netip"
	"slices"
	"strings"
)

// TrustedProxies is a set of addresses whose word about others is taken, made by
// [ParseTrustedProxies]. The zero value trusts nobody. It does not change, so any
// goroutine may use it.
type TrustedProxies struct {
	ranges []addressRange // sorted, apart from each other
}

// addressRange holds both ends.
type addressRange struct{ first, last netip.Addr }

// ParseTrustedProxies reads what to trust. An entry is one of
//
//	192.0.2.7        that address
//	10.0.0.0/8       every address that begins like this
//	2001:db8::/32    the same of IPv6
//	*                every address: for networks where nobody but proxies gets through
//
// A prefix has no bits set behind its length, which would be a slip. IPv4 addresses are
// not written as IPv6 ones; they are found in either form. The error is a [*ConfigError]
// that names the entry.
func ParseTrustedProxies(entries ...string) (TrustedProxies, error) {
	var set TrustedProxies
	for _, entry := range entries {
		if entry == "*" {
			set.add(netip.PrefixFrom(netip.IPv4Unspecified(), 0))
			set.add(netip.PrefixFrom(netip.IPv6Unspecified(), 0))
			continue
		}
		prefix, fault := parsePrefix(entry)
		if fault != "" {
			return TrustedProxies{}, &ConfigError{"trusted proxy", entry, fault}
		}
		set.add(prefix)
	}
	set.merge()
	return set, nil
}

func parsePrefix(entry string) (prefix netip.Prefix, fault string) {
	var err error
	if strings.Contains(entry, "/") {
		prefix, err = netip.ParsePrefix(entry)
	} else {
		var address netip.Addr
		address, err = netip.ParseAddr(entry)
		prefix = netip.PrefixFrom(address.WithZone(""), address.BitLen())
		if address.Zone() != "" {
			return prefix, "an address with a zone means something on one machine only; leave the zone out"
		}
	}
	switch {
	case err != nil:
		return prefix, "it is neither an IP address nor a prefix such as 10.0.0.0/8"
	case prefix.Addr().Is4In6():
		return prefix, "write it as an IPv4 address"
	case prefix != prefix.Masked():
		return prefix, "bits are set behind the length of the prefix: write " + prefix.Masked().String()
	}
	return prefix, ""
}

func (s *TrustedProxies) add(prefix netip.Prefix) {
	last := prefix.Addr().AsSlice()
	for i := prefix.Bits(); i < 8*len(last); i++ {
		last[i/8] |= 0x80 >> (i % 8)
	}
	end, _ := netip.AddrFromSlice(last)
	s.ranges = append(s.ranges, addressRange{prefix.Addr(), end})
}

// merge sorts the ranges and joins those that overlap. IPv4 sorts before IPv6, so no
// range of one reaches into the other.
func (s *TrustedProxies) merge() {
	slices.SortFunc(s.ranges, func(a, b addressRange) int { return a.first.Compare(b.first) })
	joined := s.ranges[:0]
	for _, r := range s.ranges {
		if n := len(joined); n > 0 && r.first.Compare(joined[n-1].last) <= 0 {
			if joined[n-1].last.Less(r.last) {
				joined[n-1].last = r.last
			}
			continue
		}
		joined = append(joined, r)
	}
	s.ranges = joined
}

// IsEmpty reports whether nobody is trusted.
func (s *TrustedProxies) IsEmpty() bool { return len(s.ranges) == 0 }

// Contains reports whether address is trusted. An IPv4 address counts as itself in
// either form, and the zone of an IPv6 address does not count. The invalid address is in
// no set.
func (s *TrustedProxies) Contains(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	from, to := 0, len(s.ranges) // the range looked for begins before to, and from-1 does not begin later
	for from < to {
		if middle := int(uint(from+to) >> 1); address.Less(s.ranges[middle].first) {
			to = middle
		} else {
			from = middle + 1
		}
	}
	return from > 0 && address.Compare(s.ranges[from-1].last) <= 0
}
