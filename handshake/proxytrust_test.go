package handshake

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
)

func trusted(t testing.TB, entries ...string) TrustedProxies {
	t.Helper()
	set, err := ParseTrustedProxies(entries...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestParseTrustedProxiesRefuses(t *testing.T) {
	for entry, reason := range map[string]string{
		"": "neither", "localhost": "neither", "10.0.0.0/33": "neither", "10.0.0.0/": "neither", "10.0.0": "neither", "10.0.0.0/08": "neither",
		"10.0.0.1:80": "neither", "[::1]": "neither", "10.0.0.1-10.0.0.9": "neither", "10.0.0.1,10.0.0.2": "neither", " 10.0.0.1": "neither",
		"10.0.0.1/8": "write 10.0.0.0/8", "2001:db8::1/32": "write 2001:db8::/32", "fe80::%eth0/10": "neither",
		"fe80::1%eth0": "zone", "::ffff:10.0.0.1": "IPv4", "::ffff:10.0.0.0/104": "IPv4", "**": "neither",
	} {
		set, err := ParseTrustedProxies("192.0.2.1", entry)
		var config *ConfigError
		if !errors.As(err, &config) || config.Entry != entry || config.What != "trusted proxy" || !strings.Contains(config.Reason, reason) {
			t.Errorf("%q gave %v", entry, err)
		}
		if !set.IsEmpty() {
			t.Errorf("%q was refused, yet the set is not empty", entry)
		}
	}
}

func TestTrustedProxies(t *testing.T) {
	set := trusted(t, "10.0.0.0/8", "192.0.2.7", "10.1.0.0/16", "2001:db8::/32", "2001:db8::7", "fe80::/10", "10.0.0.0/8", "255.255.255.255", "::")
	for text, want := range map[string]bool{
		"9.255.255.255": false, "10.0.0.0": true, "10.1.0.5": true, "10.255.255.255": true, "11.0.0.0": false,
		"192.0.2.6": false, "192.0.2.7": true, "192.0.2.8": false, "255.255.255.254": false, "255.255.255.255": true,
		"::ffff:10.0.0.1": true, "::ffff:9.0.0.1": false, "::": true, "::1": false, "0.0.0.0": false,
		"2001:db7:ffff:ffff:ffff:ffff:ffff:ffff": false, "2001:db8::": true, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff": true, "2001:db9::": false,
		"fe80::1%eth0": true, "fe80::1": true, "febf::": true, "fec0::%eth0": false,
	} {
		if got := set.Contains(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if set.Contains(netip.Addr{}) {
		t.Error("the invalid address is trusted")
	}
	if n := len(set.ranges); n != 6 {
		t.Errorf("%d ranges, want 6: %v", n, set.ranges)
	}
	all := trusted(t, "*")
	var none TrustedProxies
	for _, text := range []string{"0.0.0.0", "255.255.255.255", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::ffff:1.2.3.4"} {
		if a := netip.MustParseAddr(text); !all.Contains(a) || none.Contains(a) {
			t.Errorf("%s: everybody %v, nobody %v", text, all.Contains(a), none.Contains(a))
		}
	}
	if all.Contains(netip.Addr{}) || none.Contains(netip.Addr{}) || all.IsEmpty() || !none.IsEmpty() {
		t.Error("everybody or nobody is not what it says")
	}
}

// netip.Prefix is the reference, over prefixes and addresses that lie close together.
func TestTrustedProxiesAgainstPrefixes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	random := func() netip.Addr {
		var b [16]byte
		for i := range b {
			b[i] = byte(rnd.IntN(4)) * 85
		}
		if rnd.IntN(2) == 0 {
			return netip.AddrFrom4([4]byte(b[:]))
		}
		return netip.AddrFrom16(b)
	}
	for range 2000 {
		var prefixes []netip.Prefix
		var entries []string
		for range rnd.IntN(8) {
			address := random()
			prefix, _ := address.Prefix(rnd.IntN(address.BitLen() + 1))
			if !prefix.Addr().Is4In6() {
				prefixes, entries = append(prefixes, prefix), append(entries, prefix.String())
			}
		}
		set := trusted(t, entries...)
		for range 50 {
			address, want := random().Unmap(), false
			for _, prefix := range prefixes {
				want = want || prefix.Contains(address)
			}
			if got := set.Contains(address); got != want {
				t.Fatalf("%v holds %v: %v", entries, address, got)
			}
		}
	}
}

func TestProxyPolicy(t *testing.T) {
	proxy, client := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("192.0.2.1")
	for name, c := range map[string]struct {
		policy                                                     ProxyPolicy
		expectsProxy, expectsClient, admitsProxy, admitsClient, ok bool
	}{
		"zero":             {ProxyPolicy{}, false, false, true, true, true},
		"off with proxies": {ProxyPolicy{Trusted: trusted(t, "10.0.0.0/8")}, false, false, true, true, true},
		"trusted":          {ProxyPolicy{Mode: ProxyFromTrusted, Trusted: trusted(t, "10.0.0.0/8")}, true, false, true, true, true},
		"required":         {ProxyPolicy{Mode: ProxyRequired, Trusted: trusted(t, "10.0.0.0/8")}, true, false, true, false, true},
		"everyone":         {ProxyPolicy{Mode: ProxyRequired, Trusted: trusted(t, "*")}, true, true, true, true, true},
		"trusts nobody":    {ProxyPolicy{Mode: ProxyFromTrusted}, false, false, true, true, false},
		"requires nobody":  {ProxyPolicy{Mode: ProxyRequired}, false, false, false, false, false},
		"no such mode":     {ProxyPolicy{Mode: 3, Trusted: trusted(t, "10.0.0.0/8")}, true, false, true, true, false},
		"negative limit":   {ProxyPolicy{HeaderBytes: -1}, false, false, true, true, false},
	} {
		p := &c.policy
		if p.Expects(proxy) != c.expectsProxy || p.Expects(client) != c.expectsClient {
			t.Errorf("%s expects a header: proxy %v, client %v", name, p.Expects(proxy), p.Expects(client))
		}
		if p.Admits(proxy) != c.admitsProxy || p.Admits(client) != c.admitsClient {
			t.Errorf("%s admits: proxy %v, client %v", name, p.Admits(proxy), p.Admits(client))
		}
		var config *ConfigError
		if err := p.Check(); (err == nil) != c.ok || err != nil && !errors.As(err, &config) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTrustAllocatesNothing(t *testing.T) {
	p := ProxyPolicy{Mode: ProxyFromTrusted, Trusted: trusted(t, "10.0.0.0/8", "192.0.2.7", "2001:db8::/32")}
	zoned := netip.MustParseAddr("fe80::1%eth0")
	if n := testing.AllocsPerRun(10, func() {
		if p.Expects(zoned) || !p.Admits(zoned) || !p.Expects(netip.AddrFrom4([4]byte{10, 1, 2, 3})) {
			t.Error("wrong")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkTrusted(b *testing.B) {
	var entries []string
	for i := range 200 {
		entries = append(entries, netip.AddrFrom4([4]byte{byte(i), 7, 0, 0}).String()+"/16")
	}
	set, address := trusted(b, entries...), netip.MustParseAddr("150.7.3.4")
	for b.Loop() {
		if !set.Contains(address) {
			b.Fatal("not found")
		}
	}
}
