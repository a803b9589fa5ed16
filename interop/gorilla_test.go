package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// gorilla sends a frame for every 4 KiB of a message, its buffer, whatever its caller does.
type gorilla struct{}

func (gorilla) dial(ctx context.Context, url string, o dialOptions) (peer, error) {
	dialer := websocket.Dialer{Subprotocols: o.subprotocols, TLSClientConfig: o.tls}
	header := http.Header{}
	if o.origin != "" {
		header.Set("Origin", o.origin)
	}
	conn, response, err := dialer.DialContext(ctx, url, header)
	if errors.Is(err, websocket.ErrBadHandshake) {
		return nil, refusal(response.StatusCode)
	}
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	_ = conn.SetReadDeadline(deadline)
	_ = conn.SetWriteDeadline(deadline)
	return &gorillaPeer{conn: conn, deadline: deadline}, nil
}

type gorillaPeer struct {
	conn     *websocket.Conn
	deadline time.Time
}

func (p *gorillaPeer) send(op opcode, payload []byte) error {
	return p.conn.WriteMessage(int(op), payload)
}

func (p *gorillaPeer) sendFragments(op opcode, pieces [][]byte) error {
	w, err := p.conn.NextWriter(int(op))
	if err != nil {
		return err
	}
	for _, piece := range pieces {
		if _, err := w.Write(piece); err != nil {
			return err
		}
		// RFC 6455 section 5.4: control frames may come between fragments.
		if err := p.conn.WriteControl(websocket.PingMessage, nil, p.deadline); err != nil {
			return err
		}
	}
	return w.Close()
}

// ping is followed by a message, because pongs are seen only while messages are read.
func (p *gorillaPeer) ping(payload []byte) error {
	var pongs []string
	p.conn.SetPongHandler(func(data string) error {
		pongs = append(pongs, data)
		return nil
	})
	if err := p.conn.WriteControl(websocket.PingMessage, payload, p.deadline); err != nil {
		return err
	}
	behind := []byte("behind the ping")
	if err := p.send(text, behind); err != nil {
		return err
	}
	if _, got, err := p.receive(); err != nil || !bytes.Equal(got, behind) {
		return fmt.Errorf("message behind the ping: %q, %w", got, err)
	}
	if len(pongs) != 1 || pongs[0] != string(payload) {
		return fmt.Errorf("pongs %q for the ping %q", pongs, payload)
	}
	return nil
}

func (p *gorillaPeer) receive() (opcode, []byte, error) {
	op, payload, err := p.conn.ReadMessage()
	var end *websocket.CloseError
	if errors.As(err, &end) {
		err = closed{end.Code, end.Text}
	}
	return opcode(op), payload, err
}

func (p *gorillaPeer) close(how closing) (int, error) {
	frame := websocket.FormatCloseMessage(how.Code, how.Reason)
	if err := p.conn.WriteControl(websocket.CloseMessage, frame, p.deadline); err != nil {
		return 0, err
	}
	_, _, err := p.receive()
	return codeOf(err)
}

// codeOf takes the code of a Close frame out of an error.
func codeOf(err error) (int, error) {
	var end closed
	if errors.As(err, &end) {
		return end.Code, nil
	}
	return 0, fmt.Errorf("no Close frame: %w", err)
}

func (p *gorillaPeer) subprotocol() string { return p.conn.Subprotocol() }
func (p *gorillaPeer) drop()               { p.conn.Close() }
