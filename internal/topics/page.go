package topics

import (
	_ "embed"

	"github.com/wsloop/wsloop/engine"
	"github.com/wsloop/wsloop/handshake"
)

//go:embed page.html
var pageHTML []byte

// page answers GET / with a page to try the service.
func page(r *handshake.Request, p *engine.Page) {
	switch {
	case string(r.Path()) != "/":
		p.Status, p.Body = 404, []byte("404 Not Found: there is a page at / only.\n")
	case string(r.Method()) != "GET" && string(r.Method()) != "HEAD":
		p.Status, p.Body = 405, []byte("405 Method Not Allowed\n")
		_ = p.Header.Add("Allow", "GET, HEAD")
	default:
		p.Body = pageHTML
		_ = p.Header.Add("Content-Type", "text/html; charset=utf-8")
		_ = p.Header.Add("Content-Security-Policy", "default-src 'self'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self' ws: wss:")
	}
}
