package main

import (
	_ "embed"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/internal/topics"
)

var modeNames = []string{"echo", "broadcast", "topics", "discard"}

// modes are what a server may do with messages.
var modes = map[string]func(*engine.Server) engine.Events{
	"echo":      echo,
	"broadcast": broadcast,
	"topics":    func(s *engine.Server) engine.Events { return topics.New(s).Events() },
	"discard":   func(*engine.Server) engine.Events { return engine.Events{Plain: page} },
}

// echo sends every message back.
func echo(*engine.Server) engine.Events {
	return engine.Events{Plain: page, Message: send}
}

// send sends a message. What happens when the peer does not keep up is up to the server's policy.
func send(c engine.Conn, op codec.Opcode, payload []byte) { _, _ = c.Send(op, payload) }

// broadcast sends every message to everybody, its sender included.
func broadcast(s *engine.Server) engine.Events {
	const everybody = "everybody"
	return engine.Events{
		Plain:   page,
		Open:    func(c engine.Conn) { _ = c.Subscribe(everybody) }, // it may be gone already
		Message: func(_ engine.Conn, op codec.Opcode, payload []byte) { _, _ = s.Publish(everybody, op, payload) },
	}
}

//go:embed page.html
var pageHTML []byte

// page answers GET / with a page to try the server.
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
