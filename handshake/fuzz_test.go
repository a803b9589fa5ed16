package handshake

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec/codectest"
)

// FuzzRequest cuts the input where the second argument says. Any cut gives the same
// result; a head that is taken means to net/http what it means here; one that is not, net/http does not
// take either, but for disagreements; every answer is one well-formed HTTP response.
func FuzzRequest(f *testing.F) {
	for _, c := range codectest.Load(f, "testdata") {
		f.Add(c.In, []byte{7, 1, 30})
	}
	f.Add([]byte(chromeHead), []byte{100, 3})
	f.Fuzz(func(t *testing.T, in, cuts []byte) {
		var whole, cut Request
		n, err := whole.Parse(in, nil)
		m, cutErr := 0, error(nil)
		for end, i := 0, 0; m == 0 && cutErr == nil; i++ {
			m, cutErr = cut.Parse(slices.Clone(in[:end]), nil)
			if end == len(in) {
				break
			}
			step := 1
			if len(cuts) > 0 {
				step = int(cuts[i%len(cuts)])
			}
			end = min(len(in), end+max(step, 1))
		}
		if n != m || err != cutErr || whole.Scanned() != cut.Scanned() {
			t.Fatalf("whole: %d, %v at %d; cut: %d, %v at %d", n, err, whole.Scanned(), m, cutErr, cut.Scanned())
		}
		if err != nil {
			readResponse(t, AppendRefusal(nil, &whole, err), "GET")
		}
		if n == 0 {
			expectRefusal(t, in, err)
			return
		}
		before := slices.Clone(in)
		compareWithNetHTTP(t, &whole, in[:n])
		checkAnswer(t, &whole)
		if !bytes.Equal(in, before) {
			t.Fatal("the head was changed")
		}
	})
}

func checkAnswer(t *testing.T, r *Request) {
	a, err := Accept(r, &Policy{Subprotocols: []string{"chat"}})
	if err != nil {
		readResponse(t, AppendRefusal(nil, r, err), string(r.Method()))
		return
	}
	res, _ := readResponse(t, AppendSwitching(nil, &a, nil), "GET")
	sum := sha1.Sum(append(slices.Clone(r.Header("Sec-WebSocket-Key")), keyGUID...))
	if got := res.Header.Get("Sec-WebSocket-Accept"); res.StatusCode != 101 || got != base64.StdEncoding.EncodeToString(sum[:]) {
		t.Fatalf("%s with accept %q", res.Status, got)
	}
	if protocol := res.Header.Get("Sec-WebSocket-Protocol"); protocol != "" && !r.Offers(protocol) {
		t.Fatalf("subprotocol %q was not offered", protocol)
	}
}

// compareWithNetHTTP leaves out, on purpose: targets that net/url cannot parse (broken
// percent-encodings and the like: bytes are handed to the hook as they are); requests
// that announce a body or trailers, which are answered and closed without reading on;
// and Cache-Control, which net/http makes up from Pragma.
func compareWithNetHTTP(t *testing.T, r *Request, head []byte) {
	for _, name := range []string{"Content-Length", "Transfer-Encoding", "Trailer"} {
		if r.Header(name) != nil {
			return
		}
	}
	req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if err != nil {
		if strings.Contains(err.Error(), "parse ") {
			return
		}
		t.Fatalf("net/http refuses: %v", err)
	}
	if req.Method != string(r.Method()) || req.RequestURI != string(r.Target()) || req.Host != string(r.Host()) {
		t.Fatalf("net/http reads %q %q %q, not %q %q %q", req.Method, req.RequestURI, req.Host, r.Method(), r.Target(), r.Host())
	}
	if string(r.Target()[:1]) == "/" && req.URL.RawQuery != string(r.Query()) {
		t.Fatalf("net/http reads query %q, not %q", req.URL.RawQuery, r.Query())
	}
	fields := make(http.Header)
	for name, value := range r.All() {
		key := textproto.CanonicalMIMEHeaderKey(string(name))
		fields[key] = append(fields[key], string(value))
	}
	delete(fields, "Host")
	delete(fields, "Cache-Control")
	delete(req.Header, "Cache-Control")
	if len(fields) != len(req.Header) {
		t.Fatalf("net/http reads %q, not %q", req.Header, fields)
	}
	for name, values := range fields {
		if !slices.Equal(values, req.Header[name]) {
			t.Fatalf("net/http reads %s as %q, not %q", name, req.Header[name], values)
		}
	}
}

// extensionList is section 9.1 with the implied LWS of RFC 2616 and empty elements,
// written a second time as an expression.
var extensionList = func() *regexp.Regexp {
	const (
		blanks = `[ \t]*`
		tchar  = "[!#$%&'*+.^_`|~0-9A-Za-z-]"
		token  = tchar + `+`
		quoted = `"(?:\\?` + tchar + `)+"`
		param  = blanks + `;` + blanks + token + `(?:` + blanks + `=` + blanks + `(?:` + token + `|` + quoted + `))?`
		one    = token + `(?:` + param + `)*` + blanks
	)
	return regexp.MustCompile(`^(?:` + blanks + `,)*` + blanks + one + `(?:,` + blanks + `(?:` + one + `)?)*$`)
}()

// FuzzExtensions compares the parser with the expression, and reads what it wrote again.
func FuzzExtensions(f *testing.F) {
	for _, c := range codectest.Load(f, "testdata") {
		var r Request
		if n, _ := r.Parse(c.In, nil); n > 0 {
			for value := range r.Values(extensionField) {
				f.Add(string(value))
			}
		}
	}
	f.Fuzz(func(t *testing.T, value string) {
		value = strings.Trim(value, " \t")
		var r Request
		head := "GET / HTTP/1.1\r\nHost: a\r\n" + extensionField + ": " + value + "\r\n\r\n"
		if n, err := r.Parse([]byte(head), nil); n != len(head) || err != nil {
			return // not a value of a field
		}
		err := r.parseExtensions()
		if err == errManyExtension {
			return
		}
		if want := extensionList.MatchString(value); (err == nil) != want {
			t.Fatalf("%q gave %v, the grammar says %v", value, err, want)
		}
		if err != nil {
			return
		}
		first := formatAll(r.extensions)
		again := parse(t, "GET / HTTP/1.1\r\nHost: a\r\n"+extensionField+": "+first+"\r\n\r\n")
		if err := again.parseExtensions(); err != nil || formatAll(again.extensions) != first {
			t.Fatalf("%q read as %q, then as %q (%v)", value, first, formatAll(again.extensions), err)
		}
	})
}

func formatAll(list []Extension) string {
	var texts []string
	for _, e := range list {
		texts = append(texts, format(e))
	}
	return strings.Join(texts, ", ")
}
