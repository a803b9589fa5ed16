package migration

import (
	"context"
	"io"
	"log"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	pongWait  = 80 * time.Second
	writeWait = 10 * time.Second
)

var upgrader = websocket.Upgrader{
	Subprotocols: []string{"chat.v2", "chat.v1"},
	CheckOrigin: func(r *http.Request) bool {
		origin := r.Header.Get("Origin")
		return origin == "" || origin == "https://example.com"
	},
	EnableCompression: true,
}

func gorillaEcho(w http.ResponseWriter, r *http.Request) {
	c, err := upgrader.Upgrade(w, r, http.Header{"X-Served-By": {"gorilla"}})
	if err != nil {
		return // it has answered
	}
	defer c.Close()
	c.SetReadLimit(64 << 10)
	for {
		op, payload, err := c.ReadMessage()
		if err != nil {
			return
		}
		if err := c.WriteMessage(op, payload); err != nil {
			return
		}
	}
}

// A gorillaClient is the client of the usual hub: a goroutine that reads, one that writes, and a queue between.
type gorillaClient struct {
	conn *websocket.Conn
	send chan *websocket.PreparedMessage
}

type gorillaHub struct {
	mu      sync.Mutex
	clients map[*gorillaClient]bool
}

func (h *gorillaHub) serve(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	c := &gorillaClient{conn, make(chan *websocket.PreparedMessage, 256)}
	h.mu.Lock()
	h.clients[c] = true
	h.mu.Unlock()
	go c.writePump()
	c.readPump(h)
}

func (h *gorillaHub) broadcast(text string) {
	message, err := websocket.NewPreparedMessage(websocket.TextMessage, []byte(text))
	if err != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.clients {
		select {
		case c.send <- message:
		default: // too slow
			close(c.send)
			delete(h.clients, c)
		}
	}
}

func (c *gorillaClient) readPump(h *gorillaHub) {
	defer h.remove(c)
	_ = c.conn.SetReadDeadline(time.Now().Add(pongWait))
	c.conn.SetPongHandler(func(string) error { return c.conn.SetReadDeadline(time.Now().Add(pongWait)) })
	for {
		_, text, err := c.conn.ReadMessage()
		if err != nil {
			if websocket.IsUnexpectedCloseError(err, websocket.CloseGoingAway, websocket.CloseNormalClosure) {
				log.Printf("%v: %v", c.conn.RemoteAddr(), err)
			}
			return
		}
		h.broadcast(string(text))
	}
}

func (c *gorillaClient) writePump() {
	ping := time.NewTicker(pongWait * 3 / 4)
	defer ping.Stop()
	defer c.conn.Close()
	for {
		select {
		case message, ok := <-c.send:
			_ = c.conn.SetWriteDeadline(time.Now().Add(writeWait))
			if !ok {
				_ = c.conn.WriteMessage(websocket.CloseMessage, []byte{})
				return
			}
			if c.conn.WritePreparedMessage(message) != nil {
				return
			}
		case <-ping.C:
			_ = c.conn.SetWriteDeadline(time.Now().Add(writeWait))
			if c.conn.WriteMessage(websocket.PingMessage, nil) != nil {
				return
			}
		}
	}
}

func (h *gorillaHub) remove(c *gorillaClient) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.clients[c] {
		delete(h.clients, c)
		close(c.send)
	}
}

// gorillaUpload streams what comes, and what goes.
func gorillaUpload(c *websocket.Conn, file io.Writer) error {
	_, r, err := c.NextReader()
	if err != nil {
		return err
	}
	n, err := io.Copy(file, r)
	if err != nil {
		return err
	}
	w, err := c.NextWriter(websocket.TextMessage)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, reportOf(n)); err != nil {
		return err
	}
	return w.Close()
}

// gorillaAsk sends a question, and returns the answer.
func gorillaAsk(ctx context.Context, url, question string) (string, error) {
	c, _, err := websocket.DefaultDialer.DialContext(ctx, url, nil)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.WriteMessage(websocket.TextMessage, []byte(question)); err != nil {
		return "", err
	}
	_, answer, err := c.ReadMessage()
	if err != nil {
		return "", err
	}
	bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	return string(answer), c.WriteControl(websocket.CloseMessage, bye, time.Now().Add(writeWait))
}
