package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

// A prepared message lies in the outbox once, however many connections of the loop get it, and
// what follows it for each of them in the order of the calls.
func TestPreparedLiesOnce(t *testing.T) {
	tr := newTrace()
	s := &Server{Events: tr.events()}
	m := newMemory(t, s)
	var all []Conn
	for range 50 {
		all = append(all, m.conn(tr))
	}
	first, second := prepare(t, s, codec.OpcodeText, "first"), prepare(t, s, codec.OpcodeBinary, "second")
	for round := range 2 {
		for i, c := range all {
			sendPrepared(t, c, first)
			if i%7 == 3 {
				if _, err := c.SendText("between"); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, c := range all {
			sendPrepared(t, c, second)
		}
		shared := len("first") + len("second") + 2*2
		if n := len(m.engine.outbox.bytes); n != shared+7*len("xxbetween") {
			t.Errorf("round %d: %d bytes in the outbox", round, n)
		}
		m.turn()
		for i, c := range all {
			want := []string{`text fin=true of 5 bytes "first"`, `binary fin=true of 6 bytes "second"`}
			if i%7 == 3 {
				want = []string{want[0], `text fin=true of 7 bytes "between"`, want[1]}
			}
			m.expectFrames(t, c, want...)
		}
	}
}

// More messages than an outbox remembers go out right all the same.
func TestPreparedForgotten(t *testing.T) {
	tr := newTrace()
	s := &Server{Events: tr.events()}
	m := newMemory(t, s)
	a, b := m.conn(tr), m.conn(tr)
	var want []string
	var all []*Prepared
	for i := range 3 * len(placements{}) {
		all = append(all, prepare(t, s, codec.OpcodeText, fmt.Sprint(i)))
		want = append(want, fmt.Sprintf("text fin=true of %d bytes %q", len(fmt.Sprint(i)), fmt.Sprint(i)))
	}
	for _, c := range []Conn{a, b} {
		for _, p := range all {
			sendPrepared(t, c, p)
		}
	}
	m.turn()
	m.expectFrames(t, a, want...)
	m.expectFrames(t, b, want...)
}

// What waits for peers that do not read shares the memory of the message, and that is given back when the last of
// them has it, is dropped or goes.
func TestPreparedWaitsOnce(t *testing.T) {
	const conns = 40
	tr := newTrace()
	s := &Server{Events: tr.events(), Overflow: Overflow{Policy: OverflowDropOldest}, MaxBufferedBytes: 3 << 20}
	m := newMemory(t, s)
	var all []Conn
	for range conns {
		c := m.conn(tr)
		m.conns[c.token.Slot()].stalled = true
		if _, err := c.SendText("in the driver's queue"); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	m.turn()
	p := prepare(t, s, codec.OpcodeText, strings.Repeat("x", 1<<20))
	before := s.budget.held.Load()
	for _, c := range all {
		sent, err := c.SendPrepared(p, Delivery{})
		if err != nil || sent.Queued < 1<<20 {
			t.Fatalf("%+v, %v", sent, err)
		}
	}
	m.turn()
	grown := s.budget.held.Load() - before
	if grown < int64(len(p.frame)) || grown > 2*int64(len(p.frame)) {
		t.Errorf("%d bytes are held for %d receivers of %d", grown, conns, len(p.frame))
	}
	if blame := m.engine.held(all[0].token); blame > len(p.frame)/conns+1000 {
		t.Errorf("%d bytes are on account of one of %d receivers of %d", blame, conns, len(p.frame))
	}
	for range 3 { // the third drops the first
		sendPrepared(t, all[0], p)
	}
	if stats, err := all[0].Stats(); err != nil || stats.Dropped != 2 {
		t.Errorf("%+v, %v", stats, err)
	}
	all[1].Abort()
	m.turn()
	for i, c := range all {
		m.conns[c.token.Slot()].out = nil
		if i != 1 {
			m.drain(c.token)
		}
		if i > 1 {
			m.expectFrames(t, c, `text fin=true of 21 bytes "in the driver's queue"`, fmt.Sprintf("text fin=true of %d bytes %q", 1<<20, strings.Repeat("x", 40)))
		}
	}
	if n := p.waiting.Load(); n != 0 {
		t.Errorf("%d connections hold the message in the end", n)
	}
}

// A prepared message is sent on connections of another server, and on those that are ours, as any other.
func TestPreparedElsewhere(t *testing.T) {
	tr := newTrace()
	s := &Server{Events: tr.events()}
	m := newMemory(t, s)
	c := m.conn(tr)
	sendPrepared(t, c, prepare(t, new(Server), codec.OpcodeText, "of another server"))
	m.turn()
	m.expectFrames(t, c, `text fin=true of 17 bytes "of another server"`)
}

// What cannot be sent is refused as Send refuses it.
func TestPreparedErrors(t *testing.T) {
	tr := newTrace()
	s := &Server{Events: tr.events()}
	m := newMemory(t, s)
	c := m.conn(tr)
	if _, err := s.Prepare(codec.OpcodePing, nil); !errors.Is(err, ErrOpcode) {
		t.Errorf("a ping: %v", err)
	}
	p := prepare(t, s, codec.OpcodeText, "")
	if _, err := (Conn{}).SendPrepared(p, Delivery{}); !errors.Is(err, ErrClosed) {
		t.Errorf("nowhere: %v", err)
	}
	w, err := c.NewWriter(codec.OpcodeText)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.SendPrepared(p, Delivery{}); !errors.Is(err, ErrMessageOpen) {
		t.Errorf("inside a message: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(codec.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SendPrepared(p, Delivery{}); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// Sending what is prepared allocates nothing.
func TestPreparedAllocatesNothing(t *testing.T) {
	tr := newTrace()
	s := &Server{Events: tr.events()}
	m := newMemory(t, s)
	var all []Conn
	for range 20 {
		all = append(all, m.conn(tr))
	}
	p := prepare(t, s, codec.OpcodeText, strings.Repeat("x", 125))
	countAllocations(t, len(all), func() {
		for _, c := range all {
			sendPrepared(t, c, p)
		}
		m.turn()
		for _, c := range all {
			m.conns[c.token.Slot()].out = m.conns[c.token.Slot()].out[:0]
		}
	})
}

func prepare(t *testing.T, s *Server, op codec.Opcode, payload string) *Prepared {
	t.Helper()
	p, err := s.Prepare(op, []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func sendPrepared(t *testing.T, c Conn, p *Prepared) {
	t.Helper()
	if _, err := c.SendPrepared(p, Delivery{}); err != nil {
		t.Fatal(err)
	}
}
