package deflate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// maxMessage is more than any message of a talk.
const maxMessage = 1<<21 + 1<<20

// newEngine is a server with one configuration of the matrix.
func newEngine(d engine.Deflate) *engine.Server {
	return &engine.Server{
		Loops: 1, Deflate: &d, MaxMessageBytes: maxMessage, MaxBufferedBytes: 1 << 26, Origins: []string{"*"},
		PingInterval: engine.Never, CloseTimeout: caseTime, SlowCallback: engine.Never,
	}
}

// serve runs an echo server of ours until the test ends, and returns its address. Messages come back as peers that are told
// so by their first bytes send them: uncompressed or in pieces.
func serve(t *testing.T, d engine.Deflate) (host string) {
	t.Helper()
	return run(t, newEngine(d))
}

// run is serve for a server that is made already. It speaks TLS if it has a config for that.
func run(t *testing.T, s *engine.Server) (host string) {
	t.Helper()
	s.Events.Message = func(c engine.Conn, op codec.Opcode, payload []byte) {
		if err := echo(c, op, payload); err != nil {
			t.Errorf("echo: %v", err)
		}
	}
	listeners, err := s.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	if s.TLSConfig == nil {
		go func() { served <- s.Serve(listeners...) }()
	} else {
		go func() { served <- s.ServeTLS("", "", listeners...) }()
	}
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-served; !errors.Is(err, engine.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	return listeners[0].Addr().String()
}

func echo(c engine.Conn, op codec.Opcode, payload []byte) error {
	switch {
	case bytes.HasPrefix(payload, []byte("plain:")):
		_, err := c.SendWith(op, payload, engine.Delivery{Compress: engine.CompressNever})
		return err
	case bytes.HasPrefix(payload, []byte("pieces:")):
		return sendPieces(c, op, [][]byte{payload[:1], {}, payload[1:200], payload[200:]})
	}
	_, err := c.Send(op, payload)
	return err
}

func sendPieces(c engine.Conn, op codec.Opcode, pieces [][]byte) error {
	w, err := c.NewWriter(op)
	for _, piece := range pieces {
		if err == nil {
			_, err = w.Write(piece)
		}
	}
	if err != nil {
		return err
	}
	return w.Close()
}

// dialer is the engine as a client, with one configuration.
type dialer struct{ server *engine.Server }

func newDialer(t *testing.T, d engine.Deflate) *dialer {
	t.Helper()
	return begin(t, newEngine(d))
}

// begin is newDialer for an engine that is made already. Without Deflate it offers none.
func begin(t *testing.T, s *engine.Server) *dialer {
	t.Helper()
	s.Events = engine.Events{
		Message: func(c engine.Conn, op codec.Opcode, payload []byte) {
			c.Data().(*ours).messages <- received{int(op), bytes.Clone(payload)}
		},
		Pong:  func(c engine.Conn, payload []byte) { c.Data().(*ours).pongs <- bytes.Clone(payload) },
		Close: func(c engine.Conn, how engine.Closure) { c.Data().(*ours).closed <- how },
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &dialer{s}
}

// ours is a connection that it opened.
type ours struct {
	conn     engine.Conn
	ctx      context.Context
	messages chan received
	pongs    chan []byte
	closed   chan engine.Closure
}

type received struct {
	op      int
	payload []byte
}

func (d *dialer) dial(ctx context.Context, url string) (*ours, error) {
	target, err := d.server.Target(ctx, url, &engine.DialOptions{Deflate: d.server.Deflate != nil})
	if err != nil {
		return nil, err
	}
	// There is room for all that a peer can send before it is read.
	o := &ours{ctx: ctx, messages: make(chan received, 1000), pongs: make(chan []byte, 100), closed: make(chan engine.Closure, 1)}
	opened := make(chan error, 1)
	if err := target.Dial(o, func(c engine.Conn, err error) {
		o.conn = c
		opened <- err
	}); err != nil {
		return nil, err
	}
	return o, <-opened
}

func (o *ours) send(op int, payload []byte) error {
	_, err := o.conn.Send(codec.Opcode(op), payload)
	return err
}

func (o *ours) plain(op int, payload []byte) error {
	_, err := o.conn.SendWith(codec.Opcode(op), payload, engine.Delivery{Compress: engine.CompressNever})
	return err
}

func (o *ours) pieces(op int, pieces [][]byte) error {
	return sendPieces(o.conn, codec.Opcode(op), pieces)
}

func (o *ours) receive() (int, []byte, error) {
	select {
	case m := <-o.messages:
		return m.op, m.payload, nil
	default:
	}
	select {
	case m := <-o.messages:
		return m.op, m.payload, nil
	case how := <-o.closed:
		return 0, nil, fmt.Errorf("closed: %+v", how)
	case <-o.ctx.Done():
		return 0, nil, o.ctx.Err()
	}
}

func (o *ours) ping(payload []byte) error {
	if err := o.conn.Ping(payload); err != nil {
		return err
	}
	select {
	case pong := <-o.pongs:
		if !bytes.Equal(pong, payload) {
			return fmt.Errorf("pong %q", pong)
		}
		return nil
	case <-o.ctx.Done():
		return o.ctx.Err()
	}
}

func (o *ours) close() error {
	if err := o.conn.Close(codec.StatusNormalClosure, ""); err != nil {
		return err
	}
	select {
	case how := <-o.closed:
		if how.Code != codec.StatusNormalClosure || how.Err != nil {
			return fmt.Errorf("closed: %+v", how)
		}
		return nil
	case <-o.ctx.Done():
		return o.ctx.Err()
	}
}

func (o *ours) extensions() string { return "" }
func (o *ours) drop()              { o.conn.Abort() }

// caseTime ends a talk that waits for ever; nothing is measured with it.
const caseTime = time.Minute
