package main

import (
	_ "embed"
	"sync"

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
	var mu sync.RWMutex
	var all []engine.Conn // in the order in which they came, more or less, as they lie in memory
	places := make(map[engine.Conn]int)
	return engine.Events{
		Plain: plain,
		Open: func(c engine.Conn) {
			mu.Lock()
			defer mu.Unlock()
			places[c] = len(all)
			all = append(all, c)
		},
		Message: func(_ engine.Conn, op codec.Opcode, payload []byte) {
			p, err := s.Prepare(op, payload)
			if err != nil {
				return
			}
			mu.RLock()
			defer mu.RUnlock()
			for _, c := range all {
				_, _ = c.SendPrepared(p, engine.Delivery{})
			}
		},
		Close: func(c engine.Conn, _ engine.Closure) {
			mu.Lock()
			defer mu.Unlock()
			place, last := places[c], len(all)-1
			delete(places, c)
			if moved := all[last]; place != last {
				all[place], places[moved] = moved, place
			}
			all = all[:last]
		},
	}
}

//go:embed page.html
var pageHTML []byte

// plain answers browsers with a page to try the server.
var plain = page.Handler(pageHTML)
