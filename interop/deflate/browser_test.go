package deflate

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// startBrowser starts a browser without a window on a page that fetches its orders and posts its replies, so that nothing
// but the browser's own WebSocket is needed.
func startBrowser(t *testing.T, name, command string, take *taken) peer {
	t.Helper()
	orders, replies := make(chan order), make(chan reply)
	server := httptest.NewServer(pageHandler(t, orders, replies))
	t.Cleanup(server.Close)
	profile := t.TempDir()
	arguments := map[string][]string{
		"chromium": {
			"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
			"--disable-component-update", "--disable-sync", "--remote-debugging-port=0", "--user-data-dir=" + profile,
		},
		"firefox": {"--headless", "--no-remote", "--profile", profile},
	}[name]
	if take != nil {
		arguments = append(arguments, take.by(t, name, profile)...)
	}
	browser := exec.Command(command, append(arguments, server.URL)...)
	browser.Env = append(os.Environ(), "HOME="+profile)
	var log strings.Builder
	browser.Stdout, browser.Stderr = &log, &log
	if err := browser.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = browser.Process.Signal(os.Interrupt)
		_ = browser.Wait()
		if t.Failed() {
			t.Logf("%s said: %s", name, log.String())
		}
	})
	return &remote{order: func(ctx context.Context, o order) (answer reply, err error) {
		select {
		case orders <- o:
		case <-ctx.Done():
			return answer, fmt.Errorf("the page asks for nothing: %w", ctx.Err())
		}
		select {
		case answer = <-replies:
			return answer, nil
		case <-ctx.Done():
			return answer, fmt.Errorf("the page does not answer: %w", ctx.Err())
		}
	}}
}

// pageHandler serves the page and what it asks for.
func pageHandler(t *testing.T, orders <-chan order, replies chan<- reply) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!doctype html><title>deflate</title><link rel="icon" href="data:,"><script type="module" src="page.mjs"></script>`)
	})
	for _, name := range []string{"page.mjs", "talk.mjs", "peer.mjs"} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "../node/"+name) })
	}
	mux.HandleFunc("GET /order", func(w http.ResponseWriter, r *http.Request) {
		select {
		case o := <-orders:
			_ = json.NewEncoder(w).Encode(o)
		case <-r.Context().Done():
		case <-t.Context().Done():
		}
	})
	mux.HandleFunc("POST /reply", func(_ http.ResponseWriter, r *http.Request) {
		var answer reply
		if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
			answer.Error = err.Error()
		}
		select {
		case replies <- answer:
		case <-r.Context().Done():
		case <-t.Context().Done():
		}
	})
	return mux
}
