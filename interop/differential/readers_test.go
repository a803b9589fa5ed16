package differential

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/gorilla/websocket"
	"github.com/wsloop/wsloop/codec"
)

// verdict is what a server makes of the bytes behind an opening handshake.
type verdict struct {
	events  []string // messages, control frames and Close
	refused string   // why it failed the connection, or "" if the bytes ended, or a Close frame them
}

func (v *verdict) event(kind string, payload []byte) {
	v.events = append(v.events, fmt.Sprintf("%s %q", kind, payload))
}

func (v *verdict) close(code int, reason string) {
	v.events = append(v.events, fmt.Sprintf("close %d %q", code, reason))
}

// errClosed says that a Close frame ended the bytes.
var errClosed = errors.New("closed")

// refuse ends a verdict. That the bytes ended is no refusal.
func (v verdict) refuse(err error) verdict {
	if err != io.EOF && err != io.ErrUnexpectedEOF && err != errClosed {
		v.refused = err.Error()
	}
	return v
}

func wsloop(in []byte) (v verdict) {
	var a codec.Assembler
	d := codec.NewDecoder(codec.RoleServer)
	in = bytes.Clone(in)
	for {
		m, n, ok, err := a.Next(&d, in, nil)
		in = in[n:]
		if err == nil && ok && m.Opcode == codec.OpcodeClose {
			var code codec.StatusCode
			var reason []byte
			if code, reason, err = codec.ParseClose(m.Payload); err == nil {
				v.close(int(code), string(reason))
				return v
			}
		}
		var p *codec.ProtocolError
		switch {
		case errors.As(err, &p):
			return v.refuse(errors.New(p.Reason))
		case !ok:
			return v
		}
		v.event(m.Opcode.String(), m.Payload)
	}
}

// gobwas reads as the examples of its package do.
func gobwas(in []byte) (v verdict) {
	control := func(h ws.Header, from io.Reader) error {
		payload, err := io.ReadAll(from)
		switch {
		case err != nil:
			return err
		case len(payload) < int(h.Length):
			return io.ErrUnexpectedEOF
		case h.OpCode == ws.OpPing:
			v.event("ping", payload)
		case h.OpCode == ws.OpPong:
			v.event("pong", payload)
		case len(payload) == 0:
			v.close(1005, "")
			return errClosed
		default:
			code, reason := ws.ParseCloseFrameData(payload)
			if err := ws.CheckCloseFrameData(code, reason); err != nil {
				return err
			}
			v.close(int(code), reason)
			return errClosed
		}
		return nil
	}
	r := wsutil.Reader{Source: bytes.NewReader(in), State: ws.StateServerSide, CheckUTF8: true, OnIntermediate: control}
	for {
		h, err := r.NextFrame()
		if err != nil {
			return v.refuse(err)
		}
		if h.OpCode.IsControl() {
			if err := control(h, &r); err != nil {
				return v.refuse(err)
			}
			continue
		}
		payload, err := io.ReadAll(&r)
		if err != nil {
			return v.refuse(err)
		}
		v.event(map[ws.OpCode]string{ws.OpText: "text", ws.OpBinary: "binary"}[h.OpCode], payload)
	}
}

func gorilla(in []byte) (v verdict) {
	c, err := new(websocket.Upgrader).Upgrade(hijacker{in: in}, upgradeRequest(), nil)
	if err != nil {
		return v.refuse(err)
	}
	c.SetPingHandler(func(payload string) error { v.event("ping", []byte(payload)); return nil })
	c.SetPongHandler(func(payload string) error { v.event("pong", []byte(payload)); return nil })
	for {
		kind, payload, err := c.ReadMessage()
		var closed *websocket.CloseError
		switch {
		case errors.As(err, &closed) && closed.Code == websocket.CloseAbnormalClosure:
			return v // the end of the bytes
		case closed != nil:
			v.close(closed.Code, closed.Text)
			return v
		case err != nil:
			return v.refuse(err)
		}
		v.event(map[int]string{websocket.TextMessage: "text", websocket.BinaryMessage: "binary"}[kind], payload)
	}
}

func upgradeRequest() *http.Request {
	return &http.Request{Method: http.MethodGet, Host: "server.example.com", Header: http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}}
}

// hijacker hands gorilla a connection whose peer has sent in, and whose output goes nowhere.
type hijacker struct {
	http.ResponseWriter
	in []byte
}

func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c := &conn{Reader: bytes.NewReader(h.in)}
	return c, bufio.NewReadWriter(bufio.NewReader(c), bufio.NewWriter(c)), nil
}

type conn struct {
	net.Conn
	*bytes.Reader
}

func (c *conn) Read(b []byte) (int, error)       { return c.Reader.Read(b) }
func (c *conn) Write(b []byte) (int, error)      { return len(b), nil }
func (c *conn) Close() error                     { return nil }
func (c *conn) SetDeadline(time.Time) error      { return nil }
func (c *conn) SetReadDeadline(time.Time) error  { return nil }
func (c *conn) SetWriteDeadline(time.Time) error { return nil }
