// Package page answers browsers that come to a WebSocket server by plain HTTP with one page.
package page

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"

	"github.com/wsloop/wsloop/engine"
	"github.com/wsloop/wsloop/handshake"
)

// Handler makes an engine.Events.Plain that answers GET and HEAD of / with a page. The page's policy lets its one style and
// its one script run, and nothing else; it may open WebSockets, and ask for nothing that is not in it.
func Handler(html []byte) func(*handshake.Request, *engine.Page) {
	policy := "default-src 'none'; img-src data:; style-src " + hashOf(html, "style") + "; script-src " + hashOf(html, "script") +
		"; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	return func(r *handshake.Request, p *engine.Page) {
		switch {
		case string(r.Path()) != "/":
			p.Status, p.Body = 404, []byte("404 Not Found: there is a page at / only.\n")
		case string(r.Method()) != "GET" && string(r.Method()) != "HEAD":
			p.Status, p.Body = 405, []byte("405 Method Not Allowed\n")
			_ = p.Header.Add("Allow", "GET, HEAD")
		default:
			p.Body = html
			_ = p.Header.Add("Content-Type", "text/html; charset=utf-8")
			_ = p.Header.Add("Content-Security-Policy", policy)
		}
	}
}

// hashOf is how a content security policy names what an element contains.
func hashOf(html []byte, element string) string {
	_, after, _ := bytes.Cut(html, []byte("<"+element+">"))
	content, _, _ := bytes.Cut(after, []byte("</"+element+">"))
	sum := sha256.Sum256(content)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
