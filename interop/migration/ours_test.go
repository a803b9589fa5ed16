package migration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"sync"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
	"github.com/wsloop/wsloop/handshake"
)

// newEcho is the upgrader, and what is done with its connections.
func newEcho() *engine.Server {
	return &engine.Server{
		Subprotocols:    []string{"chat.v2", "chat.v1"},
		Origins:         []string{"https://example.com"},
		Deflate:         &engine.Deflate{},
		MaxMessageBytes: 64 << 10,
		Events: engine.Events{
			Message: func(c engine.Conn, op codec.Opcode, payload []byte) { _, _ = c.Send(op, payload) },
		},
	}
}

func handleEcho(echo *engine.Server) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Served-By", "wsloop")
		_ = echo.Upgrade(w, r, nil) // it has answered
	}
}

type hub struct {
	server  *engine.Server
	mu      sync.Mutex
	clients map[engine.Conn]bool
}

func newHub() *hub {
	h := &hub{clients: make(map[engine.Conn]bool)}
	h.server = &engine.Server{
		PingInterval:     time.Minute,
		PongTimeout:      20 * time.Second,
		WriteTimeout:     10 * time.Second,
		MaxBufferedBytes: 256 << 10, // too slow beyond it
		Events: engine.Events{
			Open: func(c engine.Conn) {
				h.mu.Lock()
				defer h.mu.Unlock()
				h.clients[c] = true
			},
			Message: func(_ engine.Conn, _ codec.Opcode, payload []byte) { h.broadcast(string(payload)) },
			Close: func(c engine.Conn, how engine.Closure) {
				h.mu.Lock()
				defer h.mu.Unlock()
				delete(h.clients, c)
				if how.Err != nil {
					log.Printf("%v: %v", c, how.Err)
				}
			},
		},
	}
	return h
}

func (h *hub) broadcast(text string) {
	message, err := h.server.Prepare(codec.OpcodeText, []byte(text))
	if err != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.clients {
		_, _ = c.SendPrepared(message, engine.Delivery{}) // it does not wait
	}
}

// newUpload streams what comes, and what goes. file makes the place for a connection's upload.
func newUpload(file func() io.Writer) *engine.Server {
	type upload struct {
		to io.Writer
		n  int64
	}
	return &engine.Server{
		Workers:         8, // a file may block
		MaxMessageBytes: 1 << 30,
		Events: engine.Events{
			Open: func(c engine.Conn) { c.SetData(&upload{to: file()}) },
			Fragment: func(c engine.Conn, f engine.Fragment) {
				u := c.Data().(*upload)
				n, err := u.to.Write(f.Payload)
				u.n += int64(n)
				if err != nil {
					_ = c.Close(codec.StatusInternalError, "the disk is full")
					return
				}
				if f.Last {
					_ = answer(c, u.n)
				}
			},
		},
	}
}

func answer(c engine.Conn, n int64) error {
	w, err := c.NewWriter(codec.OpcodeText)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, reportOf(n)); err != nil {
		return err
	}
	return w.Close()
}

// ask sends a question, and returns the answer.
func ask(ctx context.Context, url, question string) (string, error) {
	answers, closed := make(chan string, 1), make(chan engine.Closure, 1)
	c, err := engine.Dial(ctx, url, engine.Events{
		Message: func(c engine.Conn, _ codec.Opcode, payload []byte) {
			answers <- string(payload)
			_ = c.Close(codec.StatusNormalClosure, "")
		},
		Close: func(_ engine.Conn, how engine.Closure) { closed <- how },
	})
	if err != nil {
		return "", err
	}
	if _, err := c.SendText(question); err != nil {
		return "", err
	}
	select {
	case answer := <-answers:
		return answer, nil
	case how := <-closed:
		return "", fmt.Errorf("closed with %d: %w", how.Code, how.Err)
	case <-ctx.Done():
		c.Abort()
		return "", ctx.Err()
	}
}

// newGuarded decides by the head of the request.
func newGuarded() *engine.Server {
	return &engine.Server{Events: engine.Events{
		Upgrade: func(c engine.Conn, r *handshake.Request, w *handshake.Response) {
			user := string(r.Header("X-User"))
			if user == "" {
				_ = w.Refuse(http.StatusUnauthorized, "who are you?")
				return
			}
			_ = w.AddHeader("X-Path", string(r.Path()))
			c.SetData(user)
		},
		Message: func(c engine.Conn, op codec.Opcode, payload []byte) { _, _ = c.Send(op, payload) },
	}}
}

// why says what ended a connection.
func why(how engine.Closure) string {
	var protocol *codec.ProtocolError
	switch {
	case how.Err == nil:
		return fmt.Sprintf("closed as agreed, with %d", how.Code)
	case errors.As(how.Err, &protocol):
		return "what the peer sent was wrong: " + protocol.Error()
	case errors.Is(how.Err, engine.ErrTimeout), errors.Is(how.Err, engine.ErrTooSlow):
		return "the peer is slow or gone: " + how.Err.Error()
	}
	return how.Err.Error()
}
