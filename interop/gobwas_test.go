package interop

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/gobwas/ws"
)

// gobwas speaks in frames.
type gobwas struct{}

func (gobwas) dial(ctx context.Context, url string, o dialOptions) (peer, error) {
	dialer := ws.Dialer{Protocols: o.subprotocols, TLSConfig: o.tls}
	if o.origin != "" {
		dialer.Header = ws.HandshakeHeaderHTTP(http.Header{"Origin": {o.origin}})
	}
	conn, early, agreed, err := dialer.Dial(ctx, url)
	var status ws.StatusError
	if errors.As(err, &status) {
		return nil, refusal(status)
	}
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	if early == nil {
		// gobwas hands over a reader only when frames came with the response.
		early = bufio.NewReader(conn)
	}
	return &gobwasPeer{conn: conn, in: early, agreed: agreed.Protocol}, nil
}

type gobwasPeer struct {
	conn   net.Conn
	in     *bufio.Reader
	agreed string
}

// write masks a copy of the payload, which stays the caller's.
func (p *gobwasPeer) write(op ws.OpCode, fin bool, payload []byte) error {
	frame := ws.MaskFrameInPlace(ws.NewFrame(op, fin, bytes.Clone(payload)))
	return ws.WriteFrame(p.conn, frame)
}

func (p *gobwasPeer) send(op opcode, payload []byte) error {
	return p.write(ws.OpCode(op), true, payload)
}

func (p *gobwasPeer) sendFragments(op opcode, pieces [][]byte) error {
	frameOp := ws.OpCode(op)
	for i, piece := range pieces {
		if err := p.write(frameOp, i == len(pieces)-1, piece); err != nil {
			return err
		}
		// RFC 6455 section 5.4: control frames may come between fragments.
		if err := p.write(ws.OpPong, true, []byte("between fragments")); err != nil {
			return err
		}
		frameOp = ws.OpContinuation
	}
	return nil
}

func (p *gobwasPeer) ping(payload []byte) error {
	if err := p.write(ws.OpPing, true, payload); err != nil {
		return err
	}
	frame, err := p.read()
	if err != nil {
		return err
	}
	if frame.Header.OpCode != ws.OpPong || !bytes.Equal(frame.Payload, payload) {
		return fmt.Errorf("frame %+v for a ping of %d bytes", frame.Header, len(payload))
	}
	return nil
}

// read returns a frame that a server may send.
func (p *gobwasPeer) read() (ws.Frame, error) {
	frame, err := ws.ReadFrame(p.in)
	if err != nil {
		return frame, err
	}
	return frame, ws.CheckHeader(frame.Header, ws.StateClientSide)
}

func (p *gobwasPeer) receive() (opcode, []byte, error) {
	frame, err := p.read()
	switch {
	case err != nil:
		return 0, nil, err
	case frame.Header.OpCode == ws.OpClose:
		return 0, nil, p.answerClose(frame.Payload)
	case frame.Header.OpCode.IsControl() || !frame.Header.Fin:
		return 0, nil, fmt.Errorf("frame %+v for a message", frame.Header)
	}
	return opcode(frame.Header.OpCode), frame.Payload, nil
}

// answerClose sends the server's own Close frame back.
func (p *gobwasPeer) answerClose(payload []byte) error {
	if err := p.write(ws.OpClose, true, payload); err != nil {
		return err
	}
	return closeOf(payload)
}

// closeOf reads a Close frame. gobwas has 0 for one without a code.
func closeOf(payload []byte) error {
	if len(payload) == 0 {
		return closed{Code: 1005}
	}
	code, reason := ws.ParseCloseFrameData(payload)
	if err := ws.CheckCloseFrameData(code, reason); err != nil {
		return err
	}
	return closed{int(code), reason}
}

// close also sees that the server ends the TCP connection behind its Close frame (RFC
// 6455 section 7.1.1).
func (p *gobwasPeer) close(how closing) (int, error) {
	var body []byte
	if how.Code != 1005 {
		body = ws.NewCloseFrameBody(ws.StatusCode(how.Code), how.Reason)
	}
	if err := p.write(ws.OpClose, true, body); err != nil {
		return 0, err
	}
	frame, err := p.read()
	if err != nil || frame.Header.OpCode != ws.OpClose {
		return 0, fmt.Errorf("frame %+v for a Close frame: %w", frame.Header, err)
	}
	if _, err := p.in.ReadByte(); !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("behind the Close frame: %w", err)
	}
	return codeOf(closeOf(frame.Payload))
}

func (p *gobwasPeer) subprotocol() string { return p.agreed }
func (p *gobwasPeer) drop()               { p.conn.Close() }
