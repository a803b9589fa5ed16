package main

import (
	"net/http"

	"github.com/gorilla/websocket"
)

// queueLen is how many messages wait for one connection, as in examples/chat.
const queueLen = 256

// A hub passes every message to all connections, as the hub of examples/chat does: one goroutine owns
// the set, and each connection has one that reads and one that writes. The documentation's own way to
// send one message to many, PreparedMessage, replaces the example's plain bytes. And where the example
// drops a client whose queue is full, this hub waits: deliveries are counted.
type hub struct {
	join, leave chan *member
	messages    chan *websocket.PreparedMessage
}

type member struct {
	conn  *websocket.Conn
	queue chan *websocket.PreparedMessage // closed by the hub, when the member has left
	gone  chan struct{}                   // closed when nothing more is written
}

func newHub() *hub {
	h := &hub{
		join:     make(chan *member),
		leave:    make(chan *member),
		messages: make(chan *websocket.PreparedMessage),
	}
	go h.run()
	return h
}

func (h *hub) run() {
	members := make(map[*member]struct{})
	for {
		select {
		case m := <-h.join:
			members[m] = struct{}{}
		case m := <-h.leave:
			delete(members, m)
			close(m.queue)
		case message := <-h.messages:
			for m := range members {
				select {
				case m.queue <- message:
				case <-m.gone:
				}
			}
		}
	}
}

func (h *hub) serve(w http.ResponseWriter, r *http.Request) {
	c, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
	m := &member{conn: c, queue: make(chan *websocket.PreparedMessage, queueLen), gone: make(chan struct{})}
	h.join <- m
	go m.write()
	h.read(c)
	c.Close()
	h.leave <- m
}

// read takes messages from one connection until it ends.
func (h *hub) read(c *websocket.Conn) {
	for {
		kind, payload, err := c.ReadMessage()
		if err != nil {
			return
		}
		message, err := websocket.NewPreparedMessage(kind, payload)
		if err != nil {
			return
		}
		h.messages <- message
	}
}

// write empties the queue until the hub closes it or the connection fails.
func (m *member) write() {
	defer close(m.gone)
	for message := range m.queue {
		if err := m.conn.WritePreparedMessage(message); err != nil {
			m.conn.Close()
			return
		}
	}
}
