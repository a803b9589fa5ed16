package route

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec/codectest"
)

var plainHost = regexp.MustCompile(`^[a-z0-9.-]+(:[0-9]+)?$`)

// FuzzMatch holds a table to ServeMux. Of the patterns that both take, one per line, they
// find the same with the same values, but for paths that can be taken in two ways: these
// match nothing here. Where ServeMux redirects, nothing is compared but that.
func FuzzMatch(f *testing.F) {
	for _, c := range codectest.Load(f, "testdata") {
		f.Add(strings.Join(strings.Fields(c.Options["patterns"]), "\n"), "example.com:80", string(c.In))
	}
	f.Add("/a/{x}/{y...}\n/a/b/{$}\n/{z}/b/", "h", "/a/b/c%20/d")
	f.Fuzz(func(t *testing.T, patterns, host, target string) {
		if strings.Count(patterns, "\n") > 20 || !plainHost.MatchString(host) {
			return
		}
		req, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n")))
		if err != nil || req.RequestURI != target || !strings.HasPrefix(target, "/") {
			return
		}
		routes, mux := new(Table), http.NewServeMux()
		var found string
		var values []string
		for text := range strings.SplitSeq(patterns, "\n") {
			p, fault := parsePattern(text)
			if fault != "" || p.host != strings.ToLower(p.host) || strings.ContainsAny(p.host, "[]") || p.host != text[:len(p.host)] {
				continue // ServeMux compares letters as they are, and knows no brackets
			}
			i, err := routes.Add(text)
			if refused := handle(mux, text, func(r *http.Request) {
				found = text
				for _, s := range p.segments {
					if s.kind != literal && s.text != "" {
						values = append(values, r.PathValue(s.text))
					}
				}
			}); refused != (err != nil) {
				t.Fatalf("%s as pattern %d: %v; ServeMux refuses: %v", text, i, err, refused)
			}
		}
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, req)
		i, got, ok := routes.Match([]byte(host), []byte(target))
		ambiguous := isAmbiguous(target)
		switch {
		case ambiguous && ok:
			t.Fatalf("%q is ambiguous and matches %s", target, routes.Pattern(i))
		case ambiguous, answer.Code == http.StatusTemporaryRedirect:
		case ok != (found != ""):
			t.Fatalf("%q of %q: matches %v; ServeMux finds %q (%d)", target, patterns, ok, found, answer.Code)
		case ok:
			compareMatch(t, routes.Pattern(i), found, got, values)
		}
	})
}

func handle(mux *http.ServeMux, pattern string, seen func(*http.Request)) (refused bool) {
	defer func() { refused = recover() != nil }()
	mux.HandleFunc(pattern, func(_ http.ResponseWriter, r *http.Request) { seen(r) })
	return false
}

func compareMatch(t *testing.T, pattern, want string, got Values, values []string) {
	if pattern != want || got.Len() != len(values) {
		t.Fatalf("found %s with %d values, ServeMux %s with %q", pattern, got.Len(), want, values)
	}
	for i, value := range values {
		if string(got.At(i)) != value {
			t.Fatalf("value %d of %s is %q, ServeMux has %q", i, pattern, got.At(i), value)
		}
	}
}

// isAmbiguous says in other words which paths match nothing, of those that net/url takes.
func isAmbiguous(target string) bool {
	escaped, _, _ := strings.Cut(target, "?")
	if strings.Contains(strings.ToLower(escaped), "%2f") {
		return true
	}
	decoded, err := url.PathUnescape(escaped)
	if err != nil {
		return true
	}
	clean := path.Clean(decoded)
	if strings.HasSuffix(decoded, "/") && clean != "/" {
		clean += "/"
	}
	return clean != decoded
}
