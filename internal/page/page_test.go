package page

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/engine"
)

func TestHandler(t *testing.T) {
	html := "<style>a</style><script>\nb</script>"
	server := &engine.Server{Events: engine.Events{Plain: Handler([]byte(html))}}
	listeners, err := server.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listeners...) }()
	defer func() {
		server.Close()
		if err := <-ended; !errors.Is(err, engine.ErrServerClosed) {
			t.Error(err)
		}
	}()
	for _, test := range []struct {
		method, path string
		status       int
		field, value string
		body         string
	}{
		{"GET", "/", 200, "Content-Type", "text/html; charset=utf-8", html},
		{"GET", "/?a=b", 200, "Content-Type", "text/html; charset=utf-8", html},
		{"HEAD", "/", 200, "Content-Type", "text/html; charset=utf-8", ""},
		{"GET", "/favicon.ico", 404, "Content-Type", "text/plain; charset=utf-8", "404 Not Found: there is a page at / only.\n"},
		{"DELETE", "/", 405, "Allow", "GET, HEAD", "405 Method Not Allowed\n"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), test.method, "http://"+listeners[0].Addr().String()+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != test.status || response.Header.Get(test.field) != test.value || string(body) != test.body {
			t.Errorf("%s %s: %v, %v, %q", test.method, test.path, response, err, body)
		}
		policy := response.Header.Get("Content-Security-Policy")
		if (policy != "") != (test.status == 200) {
			t.Errorf("%s %s: policy %q", test.method, test.path, policy)
		}
		for directive, content := range map[string]string{"style-src": "a", "script-src": "\nb"} {
			sum := sha256.Sum256([]byte(content))
			if want := "; " + directive + " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "';"; test.status == 200 && !strings.Contains(policy, want) {
				t.Errorf("policy %q is without %q", policy, want)
			}
		}
	}
}
