package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/wsloop/wsloop/codec"
)

// startProcs runs serve -procs n and reads which processes serve.
func startProcs(t *testing.T, n int, args ...string) (p *process, pids []int) {
	t.Helper()
	return procsOf(launch(t, procsArgs(n, args...)...), n)
}

func procsArgs(n int, args ...string) []string {
	return append([]string{"serve", "-addr", "127.0.0.1:0", "-procs", fmt.Sprint(n)}, args...)
}

// procsOf reads the first lines of serve -procs n.
func procsOf(p *process, n int) (_ *process, pids []int) {
	p.t.Helper()
	p.listening()
	if line := p.line(); !strings.Contains(line, "in a browser") {
		p.t.Fatalf("printed %q", line)
	}
	return p, p.pids(n)
}

// pids reads the line about n processes.
func (p *process) pids(n int) (pids []int) {
	p.t.Helper()
	line := p.line()
	list, _, _ := strings.Cut(line, ";")
	rest, ok := strings.CutPrefix(list, fmt.Sprintf("wsloop: %d processes, pids ", n))
	for word := range strings.FieldsSeq(rest) {
		var pid int
		if _, err := fmt.Sscan(word, &pid); err != nil {
			ok = false
		}
		pids = append(pids, pid)
	}
	if !ok || len(pids) != n {
		p.t.Fatalf("printed %q", line)
	}
	return pids
}

// kill ends one of the processes at once.
func (p *process) kill(pid int) {
	p.t.Helper()
	child, err := os.FindProcess(pid)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := child.Kill(); err != nil {
		p.t.Fatal(err)
	}
}

// openMany opens so many connections that each of two processes gets some, but for a chance of 2 to the minus 39.
func (p *process) openMany() (all []*peer) {
	p.t.Helper()
	for range 40 {
		all = append(all, p.open().upgraded())
	}
	return all
}

// alive says whether the server still answers.
func (c *peer) alive() bool {
	c.t.Helper()
	if _, err := c.Write(codec.AppendMaskedFrame(nil, true, codec.OpcodePing, []byte("?"), 0x3d21fa37)); err != nil {
		return false
	}
	want := codec.AppendFrame(nil, true, codec.OpcodePong, []byte("?"))
	got := make([]byte, len(want))
	_, err := io.ReadFull(c.in, got)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatal(err)
	}
	return bytes.Equal(got, want)
}

// bye takes part in the drain.
func (c *peer) bye() {
	c.t.Helper()
	c.expect(codec.OpcodeClose, goingAway)
	c.send(codec.OpcodeClose, goingAway)
	c.expectEnd()
}

// await reads lines until one begins like this.
func (p *process) await(prefix string) {
	p.t.Helper()
	for !strings.HasPrefix(p.line(), prefix) {
		continue
	}
}
