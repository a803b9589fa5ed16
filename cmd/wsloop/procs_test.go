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
	n := len(p.openMany())
	p.await(fmt.Sprintf("wsloop: stats: %d connections, %[1]d handshakes, ", n))
	for _, pid := range pids {
		p.kill(pid)
	}
	for _, c := range p.openMany() {
		c.send(codec.OpcodeText, "hello")
		c.expect(codec.OpcodeText, "hello")
	}
	p.await(fmt.Sprintf("wsloop: stats: %d connections, %d handshakes, ", n, 2*n))
}

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

// await reads lines until one begins like this.
func (p *process) await(prefix string) {
	p.t.Helper()
	for !strings.HasPrefix(p.line(), prefix) {
		continue
	}
}

// A port that is in use is not shared with another server, though both would have it so.
func TestProcsPortInUse(t *testing.T) {
	t.Parallel()
	first, _ := startProcs(t, 2)
	status, stdout, stderr := launch(t, "serve", "-addr", first.addr, "-procs", "2", "-reuseport").exit()
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
		config, err := parseServe([]string{"-addr", "127.0.0.1:0", "-procs", "2"}, io.Discard)
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

// serve-child is of no use to anybody but serve.
func TestServeChildAlone(t *testing.T) {
	t.Parallel()
	status, stdout, stderr := launch(t, "serve-child").exit()
	if status != 1 || stdout != "" || !strings.Contains(stderr, "serve -procs") {
		t.Errorf("exit %d\n%s%s", status, stdout, stderr)
	}
}
