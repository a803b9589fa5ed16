package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/coder/websocket"
)

type coder struct{}

func (coder) dial(ctx context.Context, url string, o dialOptions) (peer, error) {
	options := &websocket.DialOptions{Subprotocols: o.subprotocols, HTTPHeader: http.Header{}}
	if o.tls != nil {
		options.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: o.tls}}
	}
	if o.origin != "" {
		options.HTTPHeader.Set("Origin", o.origin)
	}
	conn, response, err := websocket.Dial(ctx, url, options)
	switch {
	case err != nil && response != nil && response.StatusCode != http.StatusSwitchingProtocols:
		return nil, refusal(response.StatusCode)
	case err != nil:
		return nil, err
	}
	conn.SetReadLimit(-1)
	return &coderPeer{ctx: ctx, conn: conn}, nil
}

type coderPeer struct {
	ctx  context.Context
	conn *websocket.Conn
}

func (p *coderPeer) send(op opcode, payload []byte) error {
	return p.conn.Write(p.ctx, websocket.MessageType(op), payload)
}

func (p *coderPeer) sendFragments(op opcode, pieces [][]byte) error {
	w, err := p.conn.Writer(p.ctx, websocket.MessageType(op))
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

// ping sends what coder chooses, a counter: its API takes no payload. It waits for the pong
// with that counter, which comes in only while messages are read.
func (p *coderPeer) ping([]byte) error {
	behind := []byte("behind the ping")
	pinged := make(chan error, 1)
	go func() {
		err := p.conn.Ping(p.ctx)
		if err == nil {
			err = p.send(text, behind)
		}
		pinged <- err
	}()
	_, got, err := p.receive()
	if err := errors.Join(err, <-pinged); err != nil {
		return err
	}
	if !bytes.Equal(got, behind) {
		return fmt.Errorf("message behind the ping: %q", got)
	}
	return nil
}

func (p *coderPeer) receive() (opcode, []byte, error) {
	op, payload, err := p.conn.Read(p.ctx)
	var end websocket.CloseError
	if errors.As(err, &end) {
		err = closed{int(end.Code), end.Reason}
	}
	return opcode(op), payload, err
}

// close returns the code that it sent: coder's Close fails when another comes back.
func (p *coderPeer) close(how closing) (int, error) {
	if err := p.conn.Close(websocket.StatusCode(how.Code), how.Reason); err != nil {
		return 0, err
	}
	return how.Code, nil
}

func (p *coderPeer) subprotocol() string { return p.conn.Subprotocol() }
func (p *coderPeer) drop()               { _ = p.conn.CloseNow() }
