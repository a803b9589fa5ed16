package interop

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

// caseTime ends a case that waits for ever; nothing is measured with it.
const caseTime = time.Minute

// run is one case of one client.
type run struct {
	*testing.T
	ctx    context.Context
	client client
	matrix *matrix
}

var clients = map[string]client{"gorilla": gorilla{}, "coder": coder{}, "gobwas": gobwas{}}

var cases = map[string]func(*run){
	"text":         func(r *run) { r.echoSizes(text, asciiText) },
	"binary":       func(r *run) { r.echoSizes(binary, binaryBytes) },
	"non-ascii":    nonASCII,
	"fragmented":   fragmented,
	"ping":         ping,
	"pipelined":    pipelined,
	"close":        closeWithCode,
	"no-status":    func(r *run) { r.closes(closing{Code: 1005}) },
	"too-big":      tooBig,
	"invalid-utf8": invalidUTF8,
	"subprotocol":  subprotocol,
	"origin":       origin,
	"going-away":   goingAway,
}

func TestClients(t *testing.T) {
	m := readMatrix(t)
	for name, c := range clients {
		features := m.featuresOf(name)
		if len(cases) != len(features) {
			t.Errorf("%d cases for %d features", len(cases), len(features))
		}
		for _, feature := range features {
			if reason, ok := m.Cannot[name][feature.ID]; ok {
				note(t, name, feature.ID, "cannot", reason)
				continue
			}
			ok := t.Run(name+"/"+feature.ID, func(t *testing.T) {
				body, ok := cases[feature.ID]
				if !ok {
					t.Fatal("there is no case")
				}
				ctx, cancel := context.WithTimeout(t.Context(), caseTime)
				defer cancel()
				body(&run{t, ctx, c, m})
			})
			outcome := map[bool]string{true: "ok", false: "failed"}[ok]
			note(t, name, feature.ID, outcome, "")
		}
	}
}

// open opens a connection that is dropped at the end of the case, if not before.
func (r *run) open(url string, o dialOptions) peer {
	r.Helper()
	p, err := r.client.dial(r.ctx, url, o)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(p.drop)
	return p
}

// echo expects a message back.
func (r *run) echo(p peer, op opcode, payload []byte) {
	r.Helper()
	if err := p.send(op, payload); err != nil {
		r.Fatalf("send %d bytes: %v", len(payload), err)
	}
	r.expect(p, op, payload)
}

// expect expects a message.
func (r *run) expect(p peer, op opcode, payload []byte) {
	r.Helper()
	gotOp, got, err := p.receive()
	if err != nil {
		r.Fatalf("receive %d bytes: %v", len(payload), err)
	}
	if gotOp != op || !bytes.Equal(got, payload) {
		r.Fatalf("opcode %d and %d bytes came back for opcode %d and %d bytes, or they differ", gotOp, len(got), op, len(payload))
	}
}

// expectFailure expects that the server fails the connection.
func (r *run) expectFailure(s *server, p peer, code codec.StatusCode) {
	r.Helper()
	_, _, err := p.receive()
	if got, err := codeOf(err); err != nil || got != int(code) {
		r.Fatalf("closed with %d, %v; want %d", got, err, code)
	}
	p.drop()
	var violation *codec.ProtocolError
	if how := s.closure(r.ctx, r.T); !errors.As(how.Err, &violation) || violation.Code != code {
		r.Errorf("the server saw %+v", how)
	}
}

func (r *run) echoSizes(op opcode, payload func(n int) []byte) {
	p := r.open(start(r.T, r.matrix, "large").url(), dialOptions{})
	for _, n := range r.matrix.Sizes {
		r.echo(p, op, payload(n))
	}
}

func nonASCII(r *run) {
	p := r.open(start(r.T, r.matrix, "large").url(), dialOptions{})
	for _, times := range r.matrix.NonASCII.Times {
		r.echo(p, text, bytes.Repeat([]byte(r.matrix.NonASCII.Text), times))
	}
}

func fragmented(r *run) {
	p := r.open(start(r.T, r.matrix, "large").url(), dialOptions{})
	for op, payload := range map[opcode][]byte{
		text:   bytes.Repeat([]byte(r.matrix.NonASCII.Text), 5000),
		binary: binaryBytes(100_000),
	} {
		if err := p.sendFragments(op, r.matrix.pieces(payload)); err != nil {
			r.Fatal(err)
		}
		r.expect(p, op, payload)
	}
}

func ping(r *run) {
	p := r.open(start(r.T, r.matrix, "large").url(), dialOptions{})
	for _, n := range r.matrix.Pings {
		if err := p.ping(binaryBytes(n)); err != nil {
			r.Errorf("%d bytes: %v", n, err)
		}
	}
}

func pipelined(r *run) {
	p := r.open(start(r.T, r.matrix, "large").url(), dialOptions{})
	message := func(i int) (opcode, []byte) {
		if i%2 == 0 {
			return binary, binaryBytes(i)
		}
		return text, fmt.Appendf(nil, "%d %s", i, asciiText(i*7%700))
	}
	sent := make(chan error, 1)
	go func() {
		for i := range r.matrix.Pipelined {
			if err := p.send(message(i)); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	for i := range r.matrix.Pipelined {
		op, payload := message(i)
		r.expect(p, op, payload)
	}
	if err := <-sent; err != nil {
		r.Fatal(err)
	}
}

// closes closes a connection and compares what both ends saw.
func (r *run) closes(how closing) {
	r.Helper()
	s := start(r.T, r.matrix, "large")
	p := r.open(s.url(), dialOptions{})
	code, err := p.close(how)
	if err != nil || code != how.Code {
		r.Errorf("close with %d: %d, %v", how.Code, code, err)
	}
	p.drop()
	want := engine.Closure{Code: codec.StatusCode(how.Code), Reason: how.Reason}
	if got := s.closure(r.ctx, r.T); got != want {
		r.Errorf("close with %d: the server saw %+v", how.Code, got)
	}
}

func closeWithCode(r *run) {
	for _, how := range r.matrix.Closes {
		r.closes(how)
	}
}

func tooBig(r *run) {
	s := start(r.T, r.matrix, "default")
	p := r.open(s.url(), dialOptions{})
	r.echo(p, binary, binaryBytes(r.matrix.Limit))
	if err := p.send(binary, binaryBytes(r.matrix.Limit+1)); err != nil {
		r.Fatal(err)
	}
	r.expectFailure(s, p, codec.StatusMessageTooBig)
}

func invalidUTF8(r *run) {
	s := start(r.T, r.matrix, "large")
	for _, payload := range r.matrix.invalidUTF8(r.T) {
		p := r.open(s.url(), dialOptions{})
		if err := p.send(text, payload); err != nil {
			r.Fatal(err)
		}
		r.expectFailure(s, p, codec.StatusInvalidFramePayloadData)
	}
}

func subprotocol(r *run) {
	s := start(r.T, r.matrix, "large")
	if got := r.open(s.url(), dialOptions{subprotocols: r.matrix.Offered}).subprotocol(); got != r.matrix.Agreed {
		r.Errorf("agreed on %q", got)
	}
	if got := r.open(s.url(), dialOptions{}).subprotocol(); got != "" {
		r.Errorf("agreed on %q though nothing was offered", got)
	}
}

func origin(r *run) {
	s := start(r.T, r.matrix, "large")
	r.echo(r.open(s.url(), dialOptions{origin: s.origin()}), text, []byte("own"))
	_, err := r.client.dial(r.ctx, s.url(), dialOptions{origin: r.matrix.ForeignOrigin})
	var status refusal
	if !errors.As(err, &status) || status != 403 {
		r.Errorf("a foreign origin: %v", err)
	}
}

func goingAway(r *run) {
	s := start(r.T, r.matrix, "large")
	p := r.open(s.url(), dialOptions{})
	r.echo(p, text, []byte("before"))
	stopped := make(chan error, 1)
	go func() { stopped <- s.shutdown(r.ctx) }()
	_, _, err := p.receive()
	if code, err := codeOf(err); err != nil || code != 1001 {
		r.Errorf("closed with %d, %v", code, err)
	}
	if err := <-stopped; err != nil {
		r.Errorf("Shutdown: %v", err)
	}
	if how := s.closure(r.ctx, r.T); how.Code != codec.StatusGoingAway || how.Err != nil {
		r.Errorf("the server saw %+v", how)
	}
}
