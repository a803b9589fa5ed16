package deflate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

func dialGorilla(ctx context.Context, url string, s setting) (socket, error) {
	dialer := websocket.Dialer{EnableCompression: true, TLSClientConfig: s.TLS.client()}
	conn, response, err := dialer.DialContext(ctx, url, nil)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	_ = conn.SetReadDeadline(deadline)
	_ = conn.SetWriteDeadline(deadline)
	return &gorilla{conn, response.Header.Get("Sec-WebSocket-Extensions"), deadline}, nil
}

type gorilla struct {
	*websocket.Conn
	agreed   string
	deadline time.Time
}

func (g *gorilla) send(op int, payload []byte) error { return g.WriteMessage(op, payload) }

func (g *gorilla) receive() (int, []byte, error) { return g.ReadMessage() }

func (g *gorilla) plain(op int, payload []byte) error {
	g.EnableWriteCompression(false)
	defer g.EnableWriteCompression(true)
	return g.WriteMessage(op, payload)
}

// pieces become frames where gorilla's buffer of 4 KiB is full, so they are many.
func (g *gorilla) pieces(op int, pieces [][]byte) error {
	w, err := g.NextWriter(op)
	if err != nil {
		return err
	}
	for _, piece := range pieces {
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
	return w.Close()
}

// ping does not wait: pongs come in while messages are read.
func (g *gorilla) ping(payload []byte) error {
	return g.WriteControl(websocket.PingMessage, payload, g.deadline)
}

func (g *gorilla) close() error {
	frame := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	if err := g.WriteControl(websocket.CloseMessage, frame, g.deadline); err != nil {
		return err
	}
	_, _, err := g.ReadMessage()
	if !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		return fmt.Errorf("instead of a Close frame with 1000: %w", err)
	}
	return nil
}

func (g *gorilla) extensions() string { return g.agreed }
func (g *gorilla) drop()              { g.Conn.Close() }

func serveGorilla(setting) http.Handler {
	upgrader := websocket.Upgrader{EnableCompression: true}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		g := &gorilla{Conn: conn}
		for err == nil {
			err = echoOnce(g)
		}
	})
}

// echoOnce echoes a message, in the way that its first bytes want.
func echoOnce(s socket) error {
	op, payload, err := s.receive()
	switch {
	case err != nil:
		return err
	case bytes.HasPrefix(payload, []byte("plain:")):
		err = s.plain(op, payload)
	case bytes.HasPrefix(payload, []byte("pieces:")):
		err = s.pieces(op, [][]byte{payload[:1], {}, payload[1:200], payload[200:]})
	default:
		err = s.send(op, payload)
	}
	if errors.Is(err, errCannot) {
		return s.send(op, payload)
	}
	return err
}
