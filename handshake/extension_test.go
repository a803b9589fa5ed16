package handshake

import (
	"strings"
	"testing"
)

// Accept may be asked twice, say under two policies, and answers the same.
func TestAcceptTwice(t *testing.T) {
	r := parse(t, strings.Replace(chromeHead, "client_max_window_bits", `a="\b", c; d`, 1))
	for range 2 {
		a, err := Accept(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := formatAll(a.Extensions); got != "permessage-deflate; a=b, c; d" {
			t.Errorf("extensions are %s", got)
		}
		for _, e := range a.Extensions {
			if cap(e.Params) != len(e.Params) {
				t.Errorf("an append to the parameters of %s would write over those of the next", e.Name)
			}
		}
	}
}
