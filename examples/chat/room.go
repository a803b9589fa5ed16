package main

import (
	"encoding/hex"
	"encoding/json"
	"sync"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// A guest is the data of a connection. It never changes.
type guest struct{ name, topic string }

func guestOf(c engine.Conn) *guest { return c.Data().(*guest) }

// topicOf is the topic of a room, whose own name may have dots, blanks and stars.
func topicOf(room string) string { return "rooms." + hex.EncodeToString([]byte(room)) }

// A line is what the page gets: what a guest says, or a note of the house.
type line struct {
	From   string `json:"from,omitempty"`
	Text   string `json:"text"`
	Guests int    `json:"guests,omitempty"`
}

// A house has rooms, which are there as long as somebody is in them.
type house struct {
	server   *engine.Server
	counting sync.Mutex
}

// tell has all in a room hear a line. It never waits for one of them.
func (h *house) tell(topic string, l line) {
	text, err := json.Marshal(l)
	if err != nil {
		return // strings and a number always can be
	}
	_, _ = h.server.Publish(topic, codec.OpcodeText, text) // it fails when the server is over, and everybody with it
}

// count tells a room how many are in it. One count at a time, so that the last one that is told is right.
func (h *house) count(topic, note string) {
	h.counting.Lock()
	defer h.counting.Unlock()
	h.tell(topic, line{Text: note, Guests: h.server.Subscribers(topic)})
}
