package handshake

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestNewKey(t *testing.T) {
	if string(sampleKey[:]) != "dGhlIHNhbXBsZSBub25jZQ==" {
		t.Errorf("%s", sampleKey)
	}
	accept := acceptOf(sampleKey[:])
	if string(accept[:]) != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Errorf("%s", accept)
	}
	for _, nonce := range [][16]byte{{}, {15: 255}, {0: 251, 1: 255}} {
		if key := NewKey(nonce); !validKey(key[:]) {
			t.Errorf("%v becomes %s", nonce, key)
		}
	}
}

func TestPreparedAppend(t *testing.T) {
	o := Opening{Target: "/chat?room=1", Host: "server.example.com", Origin: "http://example.com", Subprotocols: []string{"chat", "superchat"}}
	if err := errors.Join(o.Header.Add("Cookie", "a=b"), o.Header.Add("X-A", "c")); err != nil {
		t.Fatal(err)
	}
	p, err := Prepare(o)
	if err != nil {
		t.Fatal(err)
	}
	// Nothing of the opening is kept.
	o.Subprotocols[0] = "other"
	o.Header.Reset()
	if err := o.Header.Add("X-Y", "other"); err != nil {
		t.Fatal(err)
	}
	if p.subprotocols[0] != "chat" {
		t.Error("the prepared request shares the opening's subprotocols")
	}
	const want = "GET /chat?room=1 HTTP/1.1\r\n" +
		"Host: server.example.com\r\n" +
		"Upgrade: websocket\r\n" +
		"Connection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
		"Origin: http://example.com\r\n" +
		"Sec-WebSocket-Protocol: chat, superchat\r\n" +
		"Cookie: a=b\r\n" +
		"X-A: c\r\n" +
		"\r\n"
	other := NewKey([16]byte{1})
	for _, dst := range []string{"", "before|"} {
		if got := p.Append([]byte(dst), &other); string(got) != dst+strings.Replace(want, string(sampleKey[:]), string(other[:]), 1) {
			t.Errorf("got\n%s", got)
		}
		if got := p.Append([]byte(dst), &sampleKey); string(got) != dst+want {
			t.Errorf("got\n%s", got)
		}
	}
	least, err := Prepare(Opening{Target: "/", Host: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(least.Append(nil, &sampleKey)); strings.Contains(got, "Origin") || strings.Contains(got, "Protocol:") || strings.Count(got, "\r\n") != 7 {
		t.Errorf("got\n%s", got)
	}
}

func TestPrepareChecks(t *testing.T) {
	for _, c := range []struct {
		what, value string // of the field that differs from a good opening
		ok          bool
	}{
		{"target", "/", true},
		{"target", "//a/../b;c=d?e?f/%zz", true},
		{"target", `/?q={"a"}`, true},
		{"target", "", false},
		{"target", "a", false},
		{"target", "?a", false},
		{"target", "*", false},
		{"target", "ws://a/", false},
		{"target", "/a#b", false},
		{"target", "/?a#", false},
		{"target", "/a b", false},
		{"target", "/a\tb", false},
		{"target", "/a\r\nX: y", false},
		{"target", "/a\n", false},
		{"target", "/\x00", false},
		{"target", "/\x7f", false},
		{"target", "/\u00e9", false},
		{"host", "example.com:8080", true},
		{"host", "127.0.0.1", true},
		{"host", "[2001:db8::1]", true},
		{"host", "[::1]:1", true},
		{"host", "", false},
		{"host", "a:", false},
		{"host", "[::1]:", false},
		{"host", ":80", false},
		{"host", "a:65536", false},
		{"host", "a:b", false},
		{"host", "::1", false},
		{"host", "[::1", false},
		{"host", "[fe80::1%25eth0]", false},
		{"host", "user@a", false},
		{"host", "a/b", false},
		{"host", "a,b", false},
		{"host", "a b", false},
		{"host", "a\r\nX: y", false},
		{"host", "b\u00fccher.example", false},
		{"origin", "", true},
		{"origin", "null", true},
		{"origin", "https://example.com", true},
		{"origin", "http://[::1]:8080", true},
		{"origin", "app+x://a", true},
		{"origin", "NULL", false},
		{"origin", "example.com", false},
		{"origin", "https://example.com/", false},
		{"origin", "https://", false},
		{"origin", "://a", false},
		{"origin", "1a://a", false},
		{"origin", "a b://a", false},
		{"origin", "\r\nX://a", false},
		{"origin", "http://a:", false},
		{"origin", "http://a http://b", false},
		{"origin", "http://a\r\nX: y", false},
		{"subprotocol", "v1.chat", true},
		{"subprotocol", "", false},
		{"subprotocol", "a b", false},
		{"subprotocol", "a,b", false},
		{"subprotocol", "a\r\nX: y", false},
		{"subprotocol", "first", false}, // given twice
		{"header", "Authorization", true},
		{"header", "Host-Header", true},
		{"header", "host", false},
		{"header", "ORIGIN", false},
	} {
		o := Opening{Target: "/", Host: "a", Subprotocols: []string{"first"}}
		switch c.what {
		case "target":
			o.Target = c.value
		case "host":
			o.Host = c.value
		case "origin":
			o.Origin = c.value
		case "subprotocol":
			o.Subprotocols = append(o.Subprotocols, c.value)
		case "header":
			if err := errors.Join(o.Header.Add("X-A", "Host: b"), o.Header.Add(c.value, "x: y")); err != nil {
				t.Fatal(err)
			}
		}
		p, err := Prepare(o)
		if c.ok {
			if err != nil {
				t.Errorf("%s %q: %v", c.what, c.value, err)
				continue
			}
			// What we send is what our server reads.
			r := parse(t, string(p.Append(nil, &sampleKey)))
			if _, err := Accept(r, &Policy{Origins: Origins{any: true}}); err != nil {
				t.Errorf("%s %q: %v", c.what, c.value, err)
			}
			if string(r.Target()) != o.Target || string(r.Host()) != o.Host || string(r.Origin()) != o.Origin {
				t.Errorf("%s %q: target %q, host %q, origin %q", c.what, c.value, r.Target(), r.Host(), r.Origin())
			}
			continue
		}
		fault, ok := errors.AsType[*ConfigError](err)
		if !ok || fault.What != c.what || fault.Entry != c.value || p != nil {
			t.Errorf("%s %q: %v", c.what, c.value, err)
		}
	}
}

// The two sides of the package understand each other, and no other key.
func TestBothSides(t *testing.T) {
	o := Opening{Target: "/chat", Host: "a.example", Origin: "https://a.example", Subprotocols: []string{"a", "b"}}
	p, err := Prepare(o)
	if err != nil {
		t.Fatal(err)
	}
	for wanted, chosen := range map[string]string{"a": "a", "b": "b", "c": ""} {
		for i := range byte(50) {
			key := NewKey([16]byte{i, 255 - i, 15: i})
			r := parse(t, string(p.Append(nil, &key)))
			acceptance, err := Accept(r, &Policy{Subprotocols: []string{wanted}, Secure: true})
			if err != nil {
				t.Fatal(err)
			}
			var h Header
			if err := h.Add("Set-Cookie", "a=b"); err != nil {
				t.Fatal(err)
			}
			a := parseAnswer(t, string(AppendSwitching(nil, &acceptance, &h)))
			got, err := p.Check(a, &key)
			if got != chosen || err != nil {
				t.Fatalf("chosen %q, %v; want %q", got, err, chosen)
			}
			if _, err := p.Check(a, &sampleKey); err != errAccept {
				t.Errorf("under another key: %v", err)
			}
		}
	}
	for _, refusal := range []*Error{errBareLF, ErrForbiddenOrigin, ErrMethod, ErrUpgradeRequired, ErrHeadTooLarge} {
		var a Answer
		n, err := a.Parse(AppendRefusal(nil, nil, refusal), nil)
		if n == 0 || err != nil {
			t.Fatal(n, err)
		}
		_, err = p.Check(&a, &sampleKey)
		if fault, ok := errors.AsType[*AnswerError](err); !ok || fault.Status != refusal.Status || !errors.Is(err, ErrAnswerStatus) {
			t.Errorf("%v came as %v", refusal, err)
		}
	}
}

// A request offers compression if it is to, and the answer is held to what was offered.
func TestOpeningDeflate(t *testing.T) {
	options := &DeflateOptions{ServerMaxWindowBits: 10}
	p, err := Prepare(Opening{Target: "/", Host: "a", Deflate: options})
	if err != nil {
		t.Fatal(err)
	}
	offer := "\r\nSec-WebSocket-Extensions: " + string(options.AppendOffer(nil)) + "\r\n\r\n"
	if request := string(p.Append(nil, &sampleKey)); !strings.HasSuffix(request, offer) {
		t.Fatalf("the request is %q", request)
	}
	options.ServerMaxWindowBits = 15 // Prepare has a copy
	for agreed, want := range map[string]error{
		"":                   nil,
		"permessage-deflate": errServerTakeover,
		"permessage-deflate; server_no_context_takeover; server_max_window_bits=10": nil,
		"permessage-deflate; server_no_context_takeover; server_max_window_bits=11": nil, // unasked for, and does no harm
		"permessage-deflate; server_max_window_bits=10":                             errServerTakeover,
		"mux": errExtension,
	} {
		acceptance, err := Accept(parse(t, string(p.Append(nil, &sampleKey))), &Policy{})
		if err != nil {
			t.Fatal(err)
		}
		acceptance.Agreed = []byte(agreed)
		a := parseAnswer(t, string(AppendSwitching(nil, &acceptance, nil)))
		if _, err := p.Check(a, &sampleKey); err != want {
			t.Errorf("answered with %q: %v", agreed, err)
		}
		params, ok := p.Deflate(a)
		if ok != (want == nil && agreed != "") || ok && (!strings.HasSuffix(agreed, fmt.Sprint("=", params.ServerMaxWindowBits)) || !params.ServerNoContextTakeover) {
			t.Errorf("answered with %q: %+v, %v", agreed, params, ok)
		}
	}
	plain, err := Prepare(Opening{Target: "/", Host: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := plain.Deflate(answerWith(t, "permessage-deflate")); ok || strings.Contains(string(plain.Append(nil, &sampleKey)), "Extensions") {
		t.Error("compression is offered, or agreed to, though nobody asked for it")
	}
	if _, err := Prepare(Opening{Target: "/", Host: "a", Deflate: &DeflateOptions{ClientMaxWindowBits: 7}}); err == nil {
		t.Error("a window of 7 bits is offered")
	}
}

func TestOpeningNoAllocation(t *testing.T) {
	p, err := Prepare(Opening{Target: "/", Host: "a", Subprotocols: []string{"chat", "graphql-ws"}})
	if err != nil {
		t.Fatal(err)
	}
	var a Answer
	head := []byte(answerHead)
	out := p.Append(nil, &sampleKey)
	for name, pieces := range map[string][]int{"whole": {len(head)}, "pieces": {1, 10, 50, 100, len(head)}} {
		n := testing.AllocsPerRun(50, func() {
			key := NewKey([16]byte([]byte("the sample nonce")))
			out = p.Append(out[:0], &key)
			a.Reset()
			for _, end := range pieces {
				if _, err := a.Parse(head[:end], nil); err != nil {
					t.Fatal(err)
				}
			}
			if protocol, err := p.Check(&a, &key); protocol != "graphql-ws" || err != nil {
				t.Fatal(protocol, err)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkAnswer(b *testing.B) {
	p, err := Prepare(Opening{Target: "/", Host: "a", Subprotocols: []string{"graphql-ws"}})
	if err != nil {
		b.Fatal(err)
	}
	var a Answer
	head := []byte(answerHead)
	b.SetBytes(int64(len(head)))
	b.ReportAllocs()
	for b.Loop() {
		a.Reset()
		if _, err := a.Parse(head, nil); err != nil {
			b.Fatal(err)
		}
		if _, err := p.Check(&a, &sampleKey); err != nil {
			b.Fatal(err)
		}
	}
}
