package interop

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
	"github.com/wsloop/wsloop/interop/authority"
)

// caseTime ends a case that waits for ever; nothing is measured with it.
const caseTime = time.Minute

// run is one case of one client.
type run struct {
	*testing.T
	ctx    context.Context
	client client
	matrix *matrix
	// authority is that of the servers; nil without TLS.
	authority *authority.Authority
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

// TestClients runs every client over ws, and again over wss.
func TestClients(t *testing.T) {
	m := readMatrix(t)
	a, err := authority.New()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range clients {
		testClient(t, &run{client: c, matrix: m}, name, name)
		testClient(t, &run{client: c, matrix: m, authority: a}, name, name+"/wss")
	}
}

// testClient runs the features of a client, which is called something else over wss.
func testClient(t *testing.T, r *run, name, called string) {
	features := r.matrix.featuresOf(name)
	if len(cases) != len(features) {
		t.Errorf("%d cases for %d features", len(cases), len(features))
	}
	for _, feature := range features {
		if reason, ok := r.matrix.Cannot[name][feature.ID]; ok {
			note(t, called, feature.ID, "cannot", reason)
			continue
		}
		ok := t.Run(called+"/"+feature.ID, func(t *testing.T) {
			body, ok := cases[feature.ID]
			if !ok {
				t.Fatal("there is no case")
			}
			ctx, cancel := context.WithTimeout(t.Context(), caseTime)
			defer cancel()
			one := *r
			one.T, one.ctx = t, ctx
			body(&one)
		})
		outcome := map[bool]string{true: "ok", false: "failed"}[ok]
		note(t, called, feature.ID, outcome, "")
	}
}

// start starts a server of the matrix.
func (r *run) start(name string) *server {
	r.Helper()
	return start(r.T, r.matrix, name, r.authority)
}

// dial opens a connection.
func (r *run) dial(url string, o dialOptions) (peer, error) {
	if r.authority != nil {
		o.tls = &tls.Config{RootCAs: r.authority.Pool()}
	}
	return r.client.dial(r.ctx, url, o)
}

// open opens a connection that is dropped at the end of the case, if not before.
func (r *run) open(url string, o dialOptions) peer {
	r.Helper()
	p, err := r.dial(url, o)
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
	p := r.open(r.start("large").url(), dialOptions{})
	for _, n := range r.matrix.Sizes {
		r.echo(p, op, payload(n))
	}
}

func nonASCII(r *run) {
	p := r.open(r.start("large").url(), dialOptions{})
	for _, times := range r.matrix.NonASCII.Times {
		r.echo(p, text, bytes.Repeat([]byte(r.matrix.NonASCII.Text), times))
	}
}

func fragmented(r *run) {
	p := r.open(r.start("large").url(), dialOptions{})
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
	p := r.open(r.start("large").url(), dialOptions{})
	for _, n := range r.matrix.Pings {
		if err := p.ping(binaryBytes(n)); err != nil {
			r.Errorf("%d bytes: %v", n, err)
		}
	}
}

func pipelined(r *run) {
	p := r.open(r.start("large").url(), dialOptions{})
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
	s := r.start("large")
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
	s := r.start("default")
	p := r.open(s.url(), dialOptions{})
	r.echo(p, binary, binaryBytes(r.matrix.Limit))
	if err := p.send(binary, binaryBytes(r.matrix.Limit+1)); err != nil {
		r.Fatal(err)
	}
	r.expectFailure(s, p, codec.StatusMessageTooBig)
}

func invalidUTF8(r *run) {
	s := r.start("large")
	for _, payload := range r.matrix.invalidUTF8(r.T) {
		p := r.open(s.url(), dialOptions{})
		if err := p.send(text, payload); err != nil {
			r.Fatal(err)
		}
		r.expectFailure(s, p, codec.StatusInvalidFramePayloadData)
	}
}

func subprotocol(r *run) {
	s := r.start("large")
	if got := r.open(s.url(), dialOptions{subprotocols: r.matrix.Offered}).subprotocol(); got != r.matrix.Agreed {
		r.Errorf("agreed on %q", got)
	}
	if got := r.open(s.url(), dialOptions{}).subprotocol(); got != "" {
		r.Errorf("agreed on %q though nothing was offered", got)
	}
}

func origin(r *run) {
	s := r.start("large")
	r.echo(r.open(s.url(), dialOptions{origin: s.origin()}), text, []byte("own"))
	_, err := r.dial(s.url(), dialOptions{origin: r.matrix.ForeignOrigin})
	var status refusal
	if !errors.As(err, &status) || status != 403 {
		r.Errorf("a foreign origin: %v", err)
	}
}

func goingAway(r *run) {
	s := r.start("large")
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
