package main

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

// A signal drains: everybody gets a Close frame with 1001, and the exit is 0.
func TestSignalDrains(t *testing.T) {
	t.Parallel()
	for _, s := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		p := start(t, "-addr", "127.0.0.1:0", "-drain", "1h", "-close-timeout", "1h", "-max-connections", "10")
		p.line()
		p.line()
		a, b := p.open().upgraded(), p.open().upgraded()
		p.signal(s)
		if line := p.line(); !strings.Contains(line, s.String()) || !strings.Contains(line, "closing 2 connections") {
			t.Errorf("printed %q", line)
		}
		for _, c := range []*peer{a, b} {
			c.expect(codec.OpcodeClose, goingAway)
			c.send(codec.OpcodeClose, goingAway)
			c.expectEnd()
		}
		if status, _, stderr := p.exit(); status != 0 || stderr != "" {
			t.Errorf("exit %d: %s", status, stderr)
		}
	}
}

// W86: a second signal ends the drain at once, with 1.
func TestSecondSignalW86(t *testing.T) {
	t.Parallel()
	p := start(t, "-addr", "127.0.0.1:0", "-drain", "1h", "-close-timeout", "1h")
	c := p.open().upgraded()
	p.signal(syscall.SIGTERM)
	c.expect(codec.OpcodeClose, goingAway)
	p.signal(syscall.SIGTERM)
	c.expectEnd()
	if status, _, stderr := p.exit(); status != 1 || !strings.Contains(stderr, "second signal") {
		t.Errorf("exit %d: %s", status, stderr)
	}
}

// A drain has an end: -drain for peers that never close.
func TestDrainEnds(t *testing.T) {
	t.Parallel()
	p := start(t, "-addr", "127.0.0.1:0", "-drain", "1ms", "-close-timeout", "1h")
	p.open().upgraded()
	p.signal(syscall.SIGTERM)
	if status, _, stderr := p.exit(); status != 1 || !strings.Contains(stderr, "drain: connections cut off after 1ms") {
		t.Errorf("exit %d: %s", status, stderr)
	}
}

// W88: with the close timeout shorter than the drain, peers that ignore the Close frame do not spoil
// the exit.
func TestDrainOfPeersThatIgnoreItW88(t *testing.T) {
	t.Parallel()
	p := start(t, "-addr", "127.0.0.1:0", "-drain", "1h", "-close-timeout", "1ms")
	c := p.open().upgraded()
	p.signal(syscall.SIGTERM)
	c.expect(codec.OpcodeClose, goingAway)
	c.expectEnd()
	if status, _, stderr := p.exit(); status != 0 {
		t.Errorf("exit %d: %s", status, stderr)
	}
}
