package handshake

import (
	"regexp"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec/codectest"
)

// deflateParam is section 7.1 of RFC 7692 written a second time, one parameter of an offer.
var deflateParam = regexp.MustCompile(`^(?:(server_no_context_takeover|client_no_context_takeover)|(server_max_window_bits)=(?:[89]|1[0-5])|(client_max_window_bits)(?:=(?:[89]|1[0-5]))?)$`)

func validOffer(e Extension) bool {
	if string(e.Name) != "permessage-deflate" {
		return false
	}
	seen := make(map[string]bool)
	for _, p := range e.Params {
		text := string(p.Name)
		if p.Value != nil {
			text += "=" + string(p.Value)
		}
		if !deflateParam.MatchString(text) || seen[string(p.Name)] {
			return false
		}
		seen[string(p.Name)] = true
	}
	return true
}

func has(e Extension, name string) bool {
	for _, p := range e.Params {
		if string(p.Name) == name {
			return true
		}
	}
	return false
}

// FuzzDeflate: the first offer that fits section 7.1 is agreed to and no other, nothing is
// answered that was not offered, and a client never has more of the server than it allows.
func FuzzDeflate(f *testing.F) {
	for _, dir := range []string{"testdata/deflate/accept", "testdata/deflate/answer"} {
		for i, c := range codectest.Load(f, dir) {
			f.Add(string(c.In), uint8(i*37))
		}
	}
	f.Fuzz(func(t *testing.T, value string, choice uint8) {
		o := &DeflateOptions{choice&1 != 0, choice&2 != 0, 8 + int(choice>>2&7), 8 + int(choice>>5&7)}
		var r Request
		if r.parseExtensionList([]byte(value)) != nil {
			return
		}
		checkDeflateAccept(t, o, r.extensions)
		if value = strings.Trim(value, " \t"); !all(value, classValue|classBlank) {
			return // not a value of a field
		}
		p, agreed, err := o.CheckAnswer(answerWith(t, value))
		if err != nil || !agreed {
			return
		}
		if len(r.extensions) != 1 || !validOffer(r.extensions[0]) {
			t.Fatalf("%q is no answer", value)
		}
		if !p.ServerNoContextTakeover && (!o.ServerContextTakeover || int(p.ServerMaxWindowBits) > o.ServerMaxWindowBits) ||
			!p.ClientNoContextTakeover && !o.ClientContextTakeover || int(p.ClientMaxWindowBits) > o.ClientMaxWindowBits {
			t.Fatalf("%q with %+v gave %+v", value, o, p)
		}
	})
}

func checkDeflateAccept(t *testing.T, o *DeflateOptions, offers []Extension) {
	first := -1
	for i, e := range offers {
		if validOffer(e) {
			first = i
			break
		}
	}
	p, answer, ok := o.Accept(nil, offers)
	if ok != (first >= 0) {
		t.Fatalf("%s: agreed %v, want offer %d", formatAll(offers), ok, first)
	}
	if !ok {
		return
	}
	offer, agreed := offers[first], offersOf(t, string(answer))
	if len(agreed) != 1 || !validOffer(agreed[0]) {
		t.Fatalf("answered %s", answer)
	}
	for _, name := range []string{serverBits, clientBits} {
		if has(agreed[0], name) && !has(offer, name) {
			t.Fatalf("%s answered with %s", formatAll(offers), answer)
		}
	}
	if has(offer, serverNoTake) && !p.ServerNoContextTakeover || has(offer, serverBits) && !has(agreed[0], serverBits) ||
		!p.ServerNoContextTakeover && !o.ServerContextTakeover ||
		!p.ClientNoContextTakeover && (!o.ClientContextTakeover || int(p.ClientMaxWindowBits) > o.ClientMaxWindowBits) {
		t.Fatalf("%s answered with %s: %+v", formatAll(offers), answer, p)
	}
}
