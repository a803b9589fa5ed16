//go:build linux || darwin || freebsd

package proxydriver_test

import (
	"errors"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsloop/wsloop/handshake"
	"github.com/wsloop/wsloop/poller"
	"github.com/wsloop/wsloop/poller/proxydriver"
	"github.com/wsloop/wsloop/poller/sim"
)

// The sim's peers connect from here, if a test does not say otherwise.
const proxies = "10.0.0.0/8"

// world is a driver over a simulated system, and what its handler was told.
type world struct {
	*sim.World
	t        testing.TB
	driver   *proxydriver.Driver
	meter    atomic.Int64
	sessions []*session // in the order of Open

	turn   int
	opens  func(h *recorder, s *session)
	data   func(h *recorder, s *session, b []byte) int
	closed func(h *recorder, s *session)
}

// session is a connection of which the handler was told.
type session struct {
	token    poller.Token
	loop     int
	addr     netip.AddrPort
	kind     handshake.ProxyKind
	relayed  bool
	turn     int // of Open
	dataTurn int // of the first Data
	got      []byte
	eof      bool
	closed   bool
	err      error
}

// run serves a script. Whatever it does, at its end no bytes are held and nothing waits.
func run(t testing.TB, so sim.Options, o proxydriver.Options, script func(w *world)) {
	t.Helper()
	w := &world{t: t}
	so.Main = func(*sim.World) { script(w) }
	w.World = sim.New(so)
	d, err := proxydriver.Wrap(w.World, o)
	if err != nil {
		t.Fatal(err)
	}
	w.driver = d
	d.SetMeter(&w.meter, 0)
	if err := d.Serve(func(l poller.Loop) poller.Handler { return &recorder{w, l, map[poller.Token]*session{}} }); err != nil {
		t.Error(err)
	}
	for i, s := range w.sessions {
		if !s.closed {
			t.Errorf("Open number %d has no Closed", i)
		}
	}
	if n := w.meter.Load(); n != 0 {
		t.Errorf("%d bytes are held at the end", n)
	}
	if n := d.Stats().Waiting.Load(); n != 0 {
		t.Errorf("%d connections wait at the end", n)
	}
}

// required is a policy under which all of the sim's usual peers send headers.
func required(t testing.TB) proxydriver.Options {
	return proxydriver.Options{Policy: policy(t, handshake.ProxyRequired, proxies)}
}

// recorder is the upper handler of a loop.
type recorder struct {
	*world
	loop    poller.Loop
	byToken map[poller.Token]*session
}

// of finds a connection, which must be open.
func (h *recorder) of(t poller.Token, event string) *session {
	s := h.byToken[t]
	if s == nil || s.closed {
		h.t.Fatalf("%s of %#x, which is not open", event, uint64(t))
	}
	return s
}

func (h *recorder) Open(t poller.Token) {
	if s := h.byToken[t]; s != nil {
		h.t.Fatalf("Open of %#x once more", uint64(t))
	}
	s := &session{token: t, loop: h.loop.Index(), turn: h.turn}
	s.addr, _ = h.loop.RemoteAddr(t)
	s.kind, s.relayed = h.driver.Kind(s.loop, t)
	h.sessions = append(h.sessions, s)
	h.byToken[t] = s
	if h.opens != nil {
		h.opens(h, s)
	}
}

func (h *recorder) Buffer(t poller.Token) []byte {
	h.of(t, "Buffer")
	return nil
}

func (h *recorder) Data(t poller.Token, b []byte) int {
	s := h.of(t, "Data")
	if len(b) == 0 {
		h.t.Fatal("Data without bytes")
	}
	if s.dataTurn == 0 {
		s.dataTurn = h.turn
	}
	n := len(b)
	if h.data != nil {
		n = h.data(h, s, b)
	}
	s.got = append(s.got, b[:n]...)
	clear(b[:n])
	return n
}

func (h *recorder) EOF(t poller.Token) {
	h.of(t, "EOF").eof = true
	h.loop.Close(t, nil)
}

func (h *recorder) Closed(t poller.Token, err error) {
	s := h.of(t, "Closed")
	if h.closed != nil {
		h.closed(h, s)
	}
	s.closed, s.err = true, err
	delete(h.byToken, t)
}

func (h *recorder) Flush() { h.turn++ }

func (h *recorder) Dialing(poller.Token, any)  {}
func (h *recorder) Connected(poller.Token)     {}
func (h *recorder) Progress(poller.Token, int) {}
func (h *recorder) Drained(poller.Token)       {}
func (h *recorder) Tick(time.Duration)         {}

// dial connects a peer whose bytes travel as they are sent.
func (w *world) dial() *sim.Peer {
	p := w.Dial()
	p.Cut(sim.CutNowhere)
	return p
}

func (w *world) expectCounts(want string) {
	w.t.Helper()
	if got := counts(w.driver.Stats()); got != want {
		w.t.Errorf("counted %q, want %q", got, want)
	}
}

// expectClosedUnseen checks that a peer was answered with nothing but the end, and that nobody was told.
func (w *world) expectClosedUnseen(p *sim.Peer, sessions int) {
	w.t.Helper()
	if s := p.State(); s == sim.Open || s == sim.Connecting {
		w.t.Errorf("the connection is %v", s)
	}
	if b := p.Read(); b != nil {
		w.t.Errorf("answered with %q", b)
	}
	if len(w.sessions) != sessions {
		w.t.Errorf("%d connections were told of, want %d", len(w.sessions), sessions)
	}
}

var errTest = errors.New("the test wants it")
