package engine

import (
	"testing"
	"time"
)

// Without a write deadline a peer that does not read is pinged like others, and cut off when it is silent.
func TestStalledPeerIsPingedWithoutAWriteDeadline(t *testing.T) {
	tr := newTrace()
	s := &Server{WriteTimeout: Never, PingInterval: time.Second, PongTimeout: time.Second, Events: tr.events()}
	m := newMemory(t, s)
	c := m.conn(tr)
	m.conns[c.token.Slot()].stalled = true
	if _, err := c.SendText("hello"); err != nil {
		t.Fatal(err)
	}
	m.turn()
	m.pass(2*time.Second + 5*tick)
	if !m.gone(c.token) || s.Stats().PongTimeouts != 1 {
		t.Errorf("gone %t, %d pong timeouts", m.gone(c.token), s.Stats().PongTimeouts)
	}
	tr.expect(t, "close 1006 , engine: pong deadline passed")
}
