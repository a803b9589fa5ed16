package main

import (
	"strings"
	"testing"
)

// The flags for proxies that speak HTTP reach the server: clients are told apart behind one of them.
func TestForwardedFlags(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		flags         []string
		first, second string
	}{
		{nil, "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2"},
		{[]string{"-forwarded-field", "Forwarded"}, "Forwarded: for=192.0.2.1", "Forwarded: for=192.0.2.2"},
	} {
		p := start(t, append(test.flags, "-addr", "127.0.0.1:0", "-per-address", "1", "-forwarded-from", "10.0.0.0/8,127.0.0.1")...)
		p.open(test.first).upgraded()
		p.open(test.second).upgraded()
		if head := p.open(test.second).head(); !strings.HasPrefix(head, "HTTP/1.1 503 ") {
			t.Errorf("answer %q", head)
		}
	}
}
