package handshake

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestParseOriginsRefuses(t *testing.T) {
	for _, pattern := range []string{
		"", " ", "https://", "https://a/", "https://a/b", "https://a?b", "https://a#b", "https://u@a", "//a",
		"://a", "1http://a", "ht tp://a", "https://a b", "https://a:", "https://a:b", "https://a:0", "https://a:65536",
		"https://a:**", "https://*a", "https://a*", "https://a.*", "https://*.", "https://*.*.a", "https://a.*.b",
		"https://**", "https://*.[::1]", "https://[::1", "https://caf\xc3\xa9", "wss://a", "ws://a",
		"app://*", "app://a b", "app://a/", "https://a,https://b", "a\r\nb", "*:*:*", "null,*",
	} {
		_, err := ParseOrigins("https://good.example", pattern)
		var config *ConfigError
		if !errors.As(err, &config) {
			t.Errorf("%q gave %v", pattern, err)
			continue
		}
		if config.Entry != pattern || config.Reason == "" || !strings.Contains(err.Error(), "origin pattern") {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}

func TestParseOriginsAccepts(t *testing.T) {
	for _, pattern := range []string{
		"*", "null", "https://a", "https://a:443", "https://a:*", "http://*", "http://*:*", "*:8080", "https://*.a.b", "a", "a:1",
		"*.a", "*.a:*", "http://[::1]:*", "[::1]", "chrome-extension://abc", "file://", "app://localhost:3000", "HTTPS://A",
	} {
		if _, err := ParseOrigins(pattern); err != nil {
			t.Errorf("%q gave %v", pattern, err)
		}
	}
	if set, err := ParseOrigins(); err != nil || len(set.patterns) > 0 || set.any || set.null {
		t.Errorf("no pattern gave %+v, %v", set, err)
	}
}

func TestCheckSubprotocols(t *testing.T) {
	if err := CheckSubprotocols([]string{"chat", "v1.x", "Chat"}); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "a b", "a,b", "a\r\n", "caf\xc3\xa9", "first"} {
		var config *ConfigError
		if err := CheckSubprotocols([]string{"first", bad}); !errors.As(err, &config) || config.Entry != bad {
			t.Errorf("%q gave %v", bad, err)
		}
	}
}

// The standard library is the oracle for addresses.
func FuzzIPv6(f *testing.F) {
	for _, seed := range []string{
		"", ":", "::", ":::", "::1", "1::", "1::2", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9",
		"1::2:3:4:5:6:7:8", "12345::", "::1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3", "::1.2.3.4.5", "::01.2.3.4",
		"::256.1.1.1", "1.2.3.4", "::1.2.3.4:5", "g::", "1:", ":1", "::1%eth0", "FFFF::ffff", "1::2::3", "::ffff:0:1.2.3.4",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		addr, err := netip.ParseAddr(s)
		want := err == nil && addr.Is6() && addr.Zone() == ""
		if got := validIPv6([]byte(s)); got != want {
			t.Errorf("%q: %v, netip says %v (%v)", s, got, want, err)
		}
	})
}
