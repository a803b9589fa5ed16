package deflate

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/lxzan/gws"
)

// compression is gws's for a setting. Without parameters its windows have 15 bits.
func compression(s setting) gws.PermessageDeflate {
	return gws.PermessageDeflate{
		Enabled: true, Threshold: 1, PoolSize: 1,
		ServerContextTakeover: !s.ServerNoTakeover, ClientContextTakeover: !s.ClientNoTakeover,
		ServerMaxWindowBits: bits(s.ServerBits), ClientMaxWindowBits: bits(s.ClientBits),
	}
}

func dialGWS(ctx context.Context, url string, s setting) (socket, error) {
	g := &gwsSocket{ctx: ctx, messages: make(chan received, 1000), pongs: make(chan []byte, 100), closed: make(chan error, 1)}
	conn, response, err := gws.NewClient(g, &gws.ClientOption{Addr: url, PermessageDeflate: compression(s), CheckUtf8Enabled: true, TlsConfig: s.TLS.client()})
	if err != nil {
		return nil, err
	}
	g.conn, g.agreed = conn, response.Header.Get("Sec-WebSocket-Extensions")
	go conn.ReadLoop()
	return g, nil
}

// gwsSocket turns gws's callbacks into values.
type gwsSocket struct {
	gws.BuiltinEventHandler
	ctx      context.Context
	conn     *gws.Conn
	agreed   string
	messages chan received
	pongs    chan []byte
	closed   chan error
}

func (g *gwsSocket) OnClose(_ *gws.Conn, err error)     { g.closed <- err }
func (g *gwsSocket) OnPong(_ *gws.Conn, payload []byte) { g.pongs <- bytes.Clone(payload) }
func (g *gwsSocket) OnMessage(_ *gws.Conn, m *gws.Message) {
	g.messages <- received{int(m.Opcode), bytes.Clone(m.Bytes())}
	m.Close()
}

func (g *gwsSocket) send(op int, payload []byte) error {
	return g.conn.WriteMessage(gws.Opcode(op), payload)
}

// plain is a message below the threshold, which gws has only without context takeover.
func (g *gwsSocket) plain(int, []byte) error { return errCannot }

// pieces become frames of 128 KiB, so they are one.
func (g *gwsSocket) pieces(op int, pieces [][]byte) error {
	return g.conn.WriteFile(gws.Opcode(op), bytes.NewReader(bytes.Join(pieces, nil)))
}

func (g *gwsSocket) receive() (int, []byte, error) {
	select {
	case m := <-g.messages:
		return m.op, m.payload, nil
	case err := <-g.closed:
		return 0, nil, fmt.Errorf("closed: %w", err)
	case <-g.ctx.Done():
		return 0, nil, g.ctx.Err()
	}
}

func (g *gwsSocket) ping(payload []byte) error {
	if err := g.conn.WritePing(payload); err != nil {
		return err
	}
	select {
	case pong := <-g.pongs:
		if !bytes.Equal(pong, payload) {
			return fmt.Errorf("pong %q", pong)
		}
		return nil
	case err := <-g.closed:
		return err
	case <-g.ctx.Done():
		return g.ctx.Err()
	}
}

// close sends a Close frame; gws closes the TCP connection behind it, and does not wait for the answer.
func (g *gwsSocket) close() error { return g.conn.WriteClose(1000, nil) }

func (g *gwsSocket) extensions() string { return g.agreed }
func (g *gwsSocket) drop()              { _ = g.conn.NetConn().Close() }

func serveGWS(s setting) http.Handler {
	upgrader := gws.NewUpgrader(gwsEcho{}, &gws.ServerOption{PermessageDeflate: compression(s), CheckUtf8Enabled: true})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := upgrader.Upgrade(w, r); err == nil {
			conn.ReadLoop()
		}
	})
}

// gwsEcho echoes; a message in pieces by the way that gws has for files.
type gwsEcho struct{ gws.BuiltinEventHandler }

func (gwsEcho) OnPing(c *gws.Conn, payload []byte) { _ = c.WritePong(payload) }

func (gwsEcho) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	_ = c.SetWriteDeadline(time.Now().Add(caseTime))
	if bytes.HasPrefix(m.Bytes(), []byte("pieces:")) {
		_ = c.WriteFile(m.Opcode, bytes.NewReader(m.Bytes()))
		return
	}
	_ = c.WriteMessage(m.Opcode, m.Bytes())
}
