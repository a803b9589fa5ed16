package deflate

import (
	"context"
	"net/http"

	"github.com/coder/websocket"
)

// mode is coder's compression mode for an offer: it knows takeover in both directions, or in none.
func mode(s setting) websocket.CompressionMode {
	if s.ServerNoTakeover {
		return websocket.CompressionNoContextTakeover
	}
	return websocket.CompressionContextTakeover
}

func dialCoder(ctx context.Context, url string, s setting) (socket, error) {
	conn, response, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		CompressionMode: mode(s), CompressionThreshold: 1,
		HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: s.TLS.client()}},
	})
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(-1)
	return &coder{ctx, conn, response.Header.Get("Sec-WebSocket-Extensions")}, nil
}

type coder struct {
	ctx    context.Context
	conn   *websocket.Conn
	agreed string
}

func (c *coder) send(op int, payload []byte) error {
	return c.conn.Write(c.ctx, websocket.MessageType(op), payload)
}

func (c *coder) receive() (int, []byte, error) {
	op, payload, err := c.conn.Read(c.ctx)
	return int(op), payload, err
}

// plain sends a message whose first piece is below the threshold, which coder takes for the whole.
func (c *coder) plain(op int, payload []byte) error {
	return c.pieces(op, [][]byte{{}, payload})
}

func (c *coder) pieces(op int, pieces [][]byte) error {
	w, err := c.conn.Writer(c.ctx, websocket.MessageType(op))
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

// ping does not wait here for coder, which does: pongs come in while messages are read.
func (c *coder) ping([]byte) error {
	go func() { _ = c.conn.Ping(c.ctx) }()
	return nil
}

func (c *coder) close() error {
	// coder's Close fails unless the code comes back.
	return c.conn.Close(websocket.StatusNormalClosure, "")
}

func (c *coder) extensions() string { return c.agreed }
func (c *coder) drop()              { _ = c.conn.CloseNow() }

func serveCoder(s setting) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: mode(s), CompressionThreshold: 1})
		if err != nil {
			return
		}
		conn.SetReadLimit(-1)
		c := &coder{ctx: r.Context(), conn: conn}
		defer c.drop()
		for err == nil {
			err = echoOnce(c)
		}
	})
}
