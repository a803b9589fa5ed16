package deflate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// dialGobwas opens a connection without permessage-deflate.
func dialGobwas(ctx context.Context, url string, s setting) (socket, error) {
	dialer := ws.Dialer{TLSConfig: s.TLS.client()}
	conn, early, _, err := dialer.Dial(ctx, url)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	if early != nil {
		conn.Close()
		return nil, errors.New("the server speaks first")
	}
	return &gobwas{conn, ws.StateClientSide}, nil
}

// gobwas is an end of a connection.
type gobwas struct {
	conn net.Conn
	side ws.State
}

func (g *gobwas) send(op int, payload []byte) error {
	return wsutil.WriteMessage(g.conn, g.side, ws.OpCode(op), payload)
}

// receive answers control frames that come before the message.
func (g *gobwas) receive() (int, []byte, error) {
	payload, op, err := wsutil.ReadData(g.conn, g.side)
	return int(op), payload, err
}

func (g *gobwas) plain(int, []byte) error    { return errCannot }
func (g *gobwas) pieces(int, [][]byte) error { return errCannot }
func (g *gobwas) ping(payload []byte) error  { return g.send(int(ws.OpPing), payload) }
func (g *gobwas) extensions() string         { return "" }
func (g *gobwas) drop()                      { g.conn.Close() }

func (g *gobwas) close() error {
	if err := g.send(int(ws.OpClose), ws.NewCloseFrameBody(ws.StatusNormalClosure, "")); err != nil {
		return err
	}
	var end wsutil.ClosedError
	if _, _, err := g.receive(); !errors.As(err, &end) || end.Code != ws.StatusNormalClosure {
		return fmt.Errorf("instead of a Close frame with 1000: %w", err)
	}
	return nil
}

func serveGobwas(setting) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			return
		}
		defer conn.Close()
		g := &gobwas{conn, ws.StateServerSide}
		for err == nil {
			err = echoOnce(g)
		}
	})
}
