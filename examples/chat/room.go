package main

import (
	"encoding/json"
	"sync"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// A guest is the data of a connection. Only its callbacks use it.
type guest struct {
	name, room string
	in         *room // since Open
}

// A line is what the page gets: what a guest says, or a note of the house.
type line struct {
	From   string `json:"from,omitempty"`
	Text   string `json:"text"`
	Guests int    `json:"guests,omitempty"`
}

// A house has the rooms in which somebody is.
type house struct {
	server *engine.Server
	mu     sync.Mutex // taken before that of a room
	rooms  map[string]*room
}

// A room has its guests. Whoever tells them something holds the lock, so that all hear everything in the same order; Send
// never waits, so nobody holds it for long.
type room struct {
	server *engine.Server
	mu     sync.Mutex
	guests map[engine.Conn]struct{}
}

func (h *house) join(c engine.Conn, g *guest) {
	h.mu.Lock()
	defer h.mu.Unlock()
	g.in = h.rooms[g.room]
	if g.in == nil {
		g.in = &room{server: h.server, guests: make(map[engine.Conn]struct{})}
		h.rooms[g.room] = g.in
	}
	g.in.change(g.name+" joins", func() { g.in.guests[c] = struct{}{} })
}

func (h *house) leave(c engine.Conn, g *guest) {
	h.mu.Lock()
	defer h.mu.Unlock()
	g.in.change(g.name+" leaves", func() { delete(g.in.guests, c) })
	if len(g.in.guests) == 0 { // nobody joins while the house is locked
		delete(h.rooms, g.room)
	}
}

// change lets somebody in or out, and tells those who are in then.
func (r *room) change(note string, f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	r.send(line{Text: note, Guests: len(r.guests)})
}

func (r *room) tell(l line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.send(l)
}

// send encodes a line once for all. r.mu is held.
func (r *room) send(l line) {
	text, err := json.Marshal(l)
	if err != nil {
		return // strings and a number always can be
	}
	p, err := r.server.Prepare(codec.OpcodeText, text)
	if err != nil {
		return // text is a good opcode
	}
	for c := range r.guests {
		_, _ = c.SendPrepared(p, engine.Delivery{}) // who cannot be told any more is about to leave
	}
}
