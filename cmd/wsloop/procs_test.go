package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/wsloop/wsloop/codec"
	"github.com/wsloop/wsloop/engine"
)

// A child that is killed takes its connections along, and no others. Another takes its place, and SIGTERM then
// drains all of them, with exit status 0.
func TestProcs(t *testing.T) {
	t.Parallel()
	const limit = 1000
	p, pids := startProcs(t, 2, "-drain", "1h", "-close-timeout", "1h", "-max-connections", fmt.Sprint(limit))
	all := p.openMany()
	p.kill(pids[0])
	replaced := p.pids(2)
	if replaced[0] == pids[0] || replaced[1] != pids[1] {
		t.Errorf("process %d was killed, and of %v became %v", pids[0], pids, replaced)
	}
	var left []*peer
	for _, c := range all {
		if c.alive() {
			left = append(left, c)
		}
	}
	if len(left) == 0 || len(left) == len(all) {
		t.Errorf("%d of %d connections survived one of two processes", len(left), len(all))
	}
	left = append(left, p.openMany()...)
	p.signal(syscall.SIGTERM)
	for _, c := range left {
		c.bye()
	}
	status, stdout, stderr := p.exit()
	if status != 0 || !strings.HasPrefix(stdout, "wsloop: terminated: closing ") || !strings.HasSuffix(stdout, "wsloop: 0 connections left\n") {
		t.Errorf("exit %d: %s%s", status, stdout, stderr)
	}
	if want := fmt.Sprintf("wsloop: process %d ended (signal: killed): starting another\n", pids[0]); stderr != want {
		t.Errorf("stderr %q, want %q", stderr, want)
	}
}

// The limits of all processes are told as one.
func TestProcsLimit(t *testing.T) {
	t.Parallel()
	for limit, want := range map[string]string{"7": "; at most 21 connections\n", fmt.Sprint(engine.Unlimited): "\n"} {
		p := launch(t, procsArgs(3, "-max-connections", limit)...).listening()
		p.line()
		line := p.line()
		if list, _, _ := strings.Cut(line, ";"); line != strings.TrimSuffix(list, "\n")+want {
			t.Errorf("-max-connections %s: printed %q", limit, line)
		}
	}
}

// Connections that come while no process is alive are served by those that take their place. What the dead counted stays.
func TestProcsLoseNoConnects(t *testing.T) {
	t.Parallel()
	p, pids := startProcs(t, 2, "-stats", "10ms")
	first := p.openMany()
	n := len(first)
	p.await(fmt.Sprintf("wsloop: stats: %d connections, %[1]d handshakes, ", n))
	for _, pid := range pids {
		p.kill(pid)
	}
	for _, c := range first {
		c.expectEnd() // until then the dying may accept
	}
	for _, c := range p.openMany() {
		c.send(codec.OpcodeText, "hello")
		c.expect(codec.OpcodeText, "hello")
	}
	p.await(fmt.Sprintf("wsloop: stats: %d connections, %d handshakes, ", n, 2*n))
}

// A port that is in use is not shared with another server, though both would have it so.
func TestProcsPortInUse(t *testing.T) {
	t.Parallel()
	first, _ := startProcs(t, 2)
	status, stdout, stderr := launch(t, "serve", "-addr", first.addr, "-procs", "2", "-reuseport", "-loops", "2").exit()
	if status != 1 || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "in use") {
		t.Errorf("exit %d\n%s%s", status, stdout, stderr)
	}
}

// A process that cannot be replaced at once is replaced later, and the other serves meanwhile.
func TestProcsReplacedLater(t *testing.T) {
	t.Parallel()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	program := filepath.Join(t.TempDir(), "wsloop")
	away := program + ".away"
	if err := os.Link(binary, program); err != nil {
		t.Skip(err)
	}
	args := append([]string{"-c", `exec "$0" "$@" 2>&1`, program}, procsArgs(2)...)
	p, pids := procsOf(execute(t, sh, args...), 2)
	if err := os.Rename(program, away); err != nil {
		t.Fatal(err)
	}
	all := p.openMany()
	p.kill(pids[1])
	p.await(fmt.Sprintf("wsloop: process %d ended (signal: killed)", pids[1]))
	p.await("wsloop: fork/exec " + program)
	if !slices.ContainsFunc(all, (*peer).alive) {
		t.Error("no connection survived one of two processes")
	}
	if err := os.Rename(away, program); err != nil {
		t.Fatal(err)
	}
	for line := p.line(); !strings.HasPrefix(line, "wsloop: 2 processes, pids "); line = p.line() {
		if !strings.HasPrefix(line, "wsloop: fork/exec ") {
			t.Fatalf("printed %q", line)
		}
	}
}

// Children that end before they serve, or cannot be started at all, end the server.
func TestProcsCannotStart(t *testing.T) {
	t.Parallel()
	ends, err := exec.LookPath("true")
	if err != nil {
		t.Skip(err)
	}
	for program, want := range map[string]error{ends: errStart, filepath.Join(t.TempDir(), "nothing"): os.ErrNotExist} {
		config, err := parseServe(strings.Fields("-addr 127.0.0.1:0 -procs 2 -stats 1ns"), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		var stdout bytes.Buffer
		p := newParent(config, nil, program, &stdout, io.Discard)
		if err := p.listen(); err != nil {
			t.Fatal(err)
		}
		if err := p.run(nil); !errors.Is(err, want) || stdout.Len() > 0 {
			t.Errorf("%s: %v, want %v\n%s", program, err, want, &stdout)
		}
		for _, f := range p.listeners {
			if f.Close() == nil {
				t.Errorf("%s: a listener was left open", program)
			}
		}
	}
}

// serve-child is of no use to anybody but serve.
func TestServeChildAlone(t *testing.T) {
	t.Parallel()
	status, stdout, stderr := launch(t, "serve-child").exit()
	if status != 1 || stdout != "" || !strings.Contains(stderr, "serve -procs") {
		t.Errorf("exit %d\n%s%s", status, stdout, stderr)
	}
}
