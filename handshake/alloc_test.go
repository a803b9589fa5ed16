package handshake

import (
	"strings"
	"testing"
)

// warm is what a loop keeps for all its handshakes.
type warm struct {
	request    Request
	acceptance Acceptance
	response   Response
	out        []byte
	policy     Policy
}

func newWarm(t testing.TB, patterns ...string) *warm {
	origins, err := ParseOrigins(patterns...)
	if err != nil {
		t.Fatal(err)
	}
	return &warm{policy: Policy{Subprotocols: []string{"chat", "graphql-ws"}, Origins: origins}}
}

// serve is one handshake as the engine does it, with a hook that may be nil.
func (w *warm) serve(head []byte, hook func(*Request, *Response) error) (err error) {
	w.request.Reset()
	w.out = w.out[:0]
	if _, err = w.request.Parse(head, nil); err == nil {
		w.acceptance, err = Accept(&w.request, &w.policy)
	}
	if err != nil {
		w.out = AppendRefusal(w.out, &w.request, err)
		return err
	}
	w.response.Reset(&w.request, &w.acceptance)
	if hook != nil {
		err = hook(&w.request, &w.response)
	}
	w.out = w.response.Append(w.out)
	return err
}

func TestNoAllocation(t *testing.T) {
	pieces := []int{1, 100, 333, len(chromeHead)}
	for name, c := range map[string]struct {
		head   string
		origin []string
		hook   func(*Request, *Response) error
		want   string
	}{
		"same host":  {head: chromeHead, want: "HTTP/1.1 101 "},
		"patterns":   {head: chromeHead, origin: []string{"https://x.example", "https://*.example.com"}, want: "HTTP/1.1 101 "},
		"no origin":  {head: strings.Replace(chromeHead, "Origin", "X-Origin", 1), want: "HTTP/1.1 101 "},
		"extensions": {head: strings.Replace(chromeHead, "client_max_window_bits", `a="b\c", d; e=f, g`, 1), want: "HTTP/1.1 101 "},
		"IPv6 host":  {head: strings.ReplaceAll(chromeHead, "app.example.com", "[2001:db8::1]:8443"), want: "HTTP/1.1 101 "},
		"malformed":  {head: "GET / HTTP/1.1\n", want: "HTTP/1.1 400 "},
		"bad key":    {head: strings.Replace(chromeHead, "dGhl", "dG-l", 1), want: "HTTP/1.1 400 "},
		"bad origin": {head: chromeHead, origin: []string{"https://x.example"}, want: "HTTP/1.1 403 "},
		"no upgrade": {head: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", want: "HTTP/1.1 426 "},
		"hook": {head: chromeHead, want: "HTTP/1.1 101 ", hook: func(r *Request, w *Response) error {
			if session, ok := r.Cookie("session"); !ok || len(session) != 16 {
				return ErrBadRequest
			}
			for name, value := range r.All() {
				_, _ = name, value
			}
			for range r.Values("Cookie") {
				_ = r.HasToken("Accept-Encoding", "br")
			}
			if err := w.SetSubprotocol("graphql-transport-ws"); err != nil {
				return err
			}
			return w.AddHeader("Set-Cookie", "seen=1")
		}},
		"hook refuses": {head: chromeHead, want: "HTTP/1.1 401 ", hook: func(_ *Request, w *Response) error {
			return w.Refuse(401, "no\n")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w, head := newWarm(t, c.origin...), []byte(c.head)
			if err := w.serve(head, c.hook); err != nil && !strings.HasPrefix(err.Error(), "handshake: "+c.want[9:12]) {
				t.Fatal(err)
			}
			if !strings.HasPrefix(string(w.out), c.want) {
				t.Fatalf("answer is\n%s", w.out)
			}
			if n := testing.AllocsPerRun(50, func() { _ = w.serve(head, c.hook) }); n != 0 {
				t.Errorf("%v allocations", n)
			}
			n := testing.AllocsPerRun(50, func() {
				w.request.Reset()
				for _, end := range pieces {
					_, _ = w.request.Parse(head[:min(end, len(head))], nil)
				}
			})
			if n != 0 {
				t.Errorf("%v allocations in pieces", n)
			}
		})
	}
}

func BenchmarkUpgrade(b *testing.B) {
	w, head := newWarm(b), []byte(chromeHead)
	b.SetBytes(int64(len(head)))
	b.ReportAllocs()
	for b.Loop() {
		if err := w.serve(head, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	var r Request
	head := []byte(chromeHead)
	b.SetBytes(int64(len(head)))
	b.ReportAllocs()
	for b.Loop() {
		r.Reset()
		if _, err := r.Parse(head, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAccept(b *testing.B) {
	w := newWarm(b)
	r := parse(b, chromeHead)
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if w.acceptance, err = Accept(r, &w.policy); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRefusal(b *testing.B) {
	w, head := newWarm(b, "https://other.example"), []byte(chromeHead)
	b.ReportAllocs()
	for b.Loop() {
		if err := w.serve(head, nil); err == nil {
			b.Fatal("accepted")
		}
	}
}
