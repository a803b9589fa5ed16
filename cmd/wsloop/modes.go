package main

import (
	_ "embed"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
	"github.com/wsloop/wsloop/internal/page"
	"github.com/wsloop/wsloop/internal/topics"
)

var modeNames = []string{"echo", "broadcast", "topics", "discard"}

// modes are what a server may do with messages.
var modes = map[string]func(*engine.Server) engine.Events{
	"echo":      echo,
	"broadcast": broadcast,
	"topics":    func(s *engine.Server) engine.Events { return topics.New(s).Events() },
	"discard":   func(*engine.Server) engine.Events { return engine.Events{Plain: plain} },
}

// echo sends every message back.
func echo(*engine.Server) engine.Events {
	return engine.Events{Plain: plain, Message: send}
}

// send sends a message. What happens when the peer does not keep up is up to the server's policy.
func send(c engine.Conn, op codec.Opcode, payload []byte) { _, _ = c.Send(op, payload) }

// broadcast sends every message to everybody, its sender included.
func broadcast(s *engine.Server) engine.Events {
	const everybody = "everybody"
	return engine.Events{
		Plain:   plain,
		Open:    func(c engine.Conn) { _ = c.Subscribe(everybody) }, // it may be gone already
		Message: func(_ engine.Conn, op codec.Opcode, payload []byte) { _, _ = s.Publish(everybody, op, payload) },
	}
}

//go:embed page.html
var pageHTML []byte

// plain answers browsers with a page to try the server.
var plain = page.Handler(pageHTML)
