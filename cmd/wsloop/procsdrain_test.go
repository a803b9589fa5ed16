package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

// The processes of a parent that was killed drain and end.
func TestProcsWithoutParent(t *testing.T) {
	t.Parallel()
	p, _ := startProcs(t, 2, "-drain", "1h", "-close-timeout", "1h")
	all := p.openMany()
	p.signal(os.Kill)
	for _, c := range all {
		c.bye()
	}
	if _, stdout, stderr := p.exit(); stdout != "" || stderr != "" { // stderr ends when the last process has ended
		t.Errorf("printed %q, %q", stdout, stderr)
	}
}

// A second signal ends all processes at once.
func TestProcsSecondSignal(t *testing.T) {
	t.Parallel()
	p, _ := startProcs(t, 2, "-drain", "1h", "-close-timeout", "1h")
	all := p.openMany()
	p.signal(syscall.SIGTERM)
	for _, c := range all {
		c.expect(codec.OpcodeClose, goingAway)
	}
	p.signal(syscall.SIGTERM)
	for _, c := range all {
		c.expectEnd()
	}
	if status, _, stderr := p.exit(); status != 1 || stderr != "wsloop: second signal: connections cut off\n" {
		t.Errorf("exit %d: %s", status, stderr)
	}
}

// When one process does not come to its end in time, the exit status says so.
func TestProcsDrainEnds(t *testing.T) {
	t.Parallel()
	p, _ := startProcs(t, 2, "-drain", "1ms", "-close-timeout", "1h")
	p.open().upgraded()
	p.signal(syscall.SIGTERM)
	status, _, stderr := p.exit()
	if status != 1 || !strings.Contains(stderr, "drain: connections cut off after 1ms") || !strings.Contains(stderr, "exit status 1") {
		t.Errorf("exit %d: %s", status, stderr)
	}
}

// The drain tells how many connections are left in all processes together.
func TestProcsDrainTellsItsProgress(t *testing.T) {
	t.Parallel()
	p, _ := startProcs(t, 2, "-drain", "1h", "-close-timeout", "1h", "-stats", "10ms")
	all := p.openMany()
	p.await(fmt.Sprintf("wsloop: stats: %d connections, %[1]d handshakes, ", len(all)))
	p.signal(syscall.SIGTERM)
	p.await(fmt.Sprintf("wsloop: terminated: closing %d connections\n", len(all)))
	p.await(fmt.Sprintf("wsloop: %d connections left\n", len(all)))
	for _, c := range all[1:] {
		c.bye()
	}
	p.await("wsloop: 1 connections left\n")
	all[0].bye()
	if status, _, stderr := p.exit(); status != 0 || stderr != "" {
		t.Errorf("exit %d: %s", status, stderr)
	}
}

// Ctrl-C reaches the children too, and must not make them end at once.
func TestProcsSignalToAll(t *testing.T) {
	t.Parallel()
	p, pids := startProcs(t, 2, "-drain", "1h", "-close-timeout", "1h")
	all := p.openMany()
	for _, s := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		for _, pid := range pids {
			child, err := os.FindProcess(pid)
			if err != nil {
				t.Fatal(err)
			}
			if err := child.Signal(s); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range all {
		if !c.alive() {
			t.Fatal("a connection was closed")
		}
	}
	p.signal(os.Interrupt)
	for _, c := range all {
		c.bye()
	}
	if status, _, stderr := p.exit(); status != 0 || stderr != "" {
		t.Errorf("exit %d: %s", status, stderr)
	}
}
